"""Submit tasks as job arrays through submitit, and tell which of them are still to be expected.

What was submitted is kept in a private folder beside the records, so that a driver that is started again
knows its tasks. Whether a task is alive is asked of the queue (squeue): a task that the queue does not name
is over, whatever the accounting says of it. How it ended does not matter; only the records do.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import math
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from designspace.errors import RunError, UserError, one_line
from designspace.files import replacing
from designspace.launch.modules import needs_current_folder
from designspace.launch.queue import Queue
from designspace.launch.settings import LauncherSettings

log = logging.getLogger(__name__)

QUERY_SECONDS = 60  # for an answer of the controller
MAX_TIMEOUTS = 1_000_000  # requeues that submitit grants: as many as it takes
DEFAULT_ARRAY_SIZE = 1001
PREFIX = "designspace-"  # of all our jobs' names
OVER = "over"  # subfolder of submissions that are over
UNCONFIRMED_SECONDS = 120  # after which a submission that the queue does not know has not happened
FILTERS = ("SQUEUE_", "SCANCEL_")  # a user's variables that hide jobs from these commands

# What sbatch says when the same request may succeed later.
UNREACHABLE = re.compile(
    "unable to contact slurm|connection refused|communication connection failure|standby mode", re.IGNORECASE
)
# What it says when the controller may have taken the job all the same.
UNANSWERED = re.compile(
    "timed out|zero bytes were|message (send|receive) failure|communication shutdown failure", re.IGNORECASE
)
FULL = re.compile("temporarily unable to accept|resource temporarily unavailable", re.IGNORECASE)


@dataclass(frozen=True)
class Submission:
    """One job array (or single job): the keys of its tasks, in the order of the task numbers."""

    name: str  # of the job, unique
    tasks: tuple[tuple[str, ...], ...]  # keys that each task works on
    job_id: str | None  # None between the intent and sbatch's answer
    submitted: float  # seconds since the epoch


def open_queue(folder: Path, settings: LauncherSettings) -> Queue:
    """The jobs of that folder."""
    return Slurm(folder, settings)


class Slurm:
    """The jobs of one folder."""

    def __init__(self, folder: Path, settings: LauncherSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._array_size: int | None = None  # the largest that the cluster is likely to take now
        self._refusal: str | None = None  # told last
        self._job_ids: dict[str, str] = {}  # of the jobs last seen in the queue, by name
        self._silent = False  # whether the controller did not answer at the last look
        self._token = PREFIX + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:10]

    @property
    def refusal(self) -> str | None:
        """Why the cluster takes no more jobs now, or None."""
        return "the queue cannot be asked" if self._silent else self._refusal

    def log_of(self, key: str) -> Path | None:
        """The newest error log of a task that worked on the key."""
        for submission in reversed([*self._submissions(self._folder / OVER), *self._submissions()]):
            for number, keys in enumerate(submission.tasks):
                if key in keys and submission.job_id is not None:
                    task = f"{submission.job_id}_{number}" if len(submission.tasks) > 1 else submission.job_id
                    return self._folder / f"{task}_0_log.err"
        return None

    # ---- what runs ---------------------------------------------------------------------------------------

    def live_keys(self) -> set[str] | None:
        """Keys of all tasks that wait or run; None where the controller does not answer."""
        submissions = self._submissions()
        if not submissions:
            return set()
        states = self._queue({submission.name for submission in submissions})
        if (states is None) != self._silent:
            self._silent = states is None
            log.warning("the queue %s", "does not answer, waiting" if self._silent else "answers again")
        if states is None:
            return None
        keys: set[str] = set()
        for submission in submissions:
            alive = states.get(submission.name, set())
            fresh = submission.job_id is None and time.time() - submission.submitted < UNCONFIRMED_SECONDS
            if fresh and not alive:
                keys.update(*submission.tasks)
                continue
            if not alive:
                self._put_away(submission.name)  # over, or never begun
                continue
            for number in alive:
                keys.update(submission.tasks[number])
            if submission.job_id is None:  # whose answer was lost; its logs have the job's number
                self._keep(replace(submission, job_id=self._job_ids[submission.name]))
        return keys

    def cancel(self) -> None:
        """Cancel all jobs of this folder."""
        for submission in self._submissions():
            _ask("scancel", f"--name={submission.name}")

    def _queue(self, names: set[str]) -> dict[str, set[int]] | None:
        """Task numbers in the queue, by job name. Held tasks are released: nothing else would start them."""
        answer = _ask(
            "squeue", "--noheader", "--array", f"--name={','.join(sorted(names))}", "--format=%j|%i|%T|%r"
        )
        if answer is None:
            return None
        found: dict[str, set[int]] = {}
        for line in answer.splitlines():
            name, job, _state, reason = line.strip().split("|", 3)
            if "held" in reason.lower() and "launch" in reason.lower():
                _ask("scontrol", "release", job)
            number = re.fullmatch(r"(\d+)(?:_(\d+))?", job)
            if number is not None:
                self._job_ids[name] = number[1]
                found.setdefault(name, set()).add(int(number[2] or 0))
        return found

    # ---- submitting --------------------------------------------------------------------------------------

    def submit(self, tasks: Sequence[tuple[Sequence[str], Callable[[], Any]]]) -> int:
        """Submit (keys, task) pairs as job arrays; see `launch.queue`.

        Fewer than given are taken where a limit of the cluster is reached, or the controller does not
        answer: try again later. Where a limit refuses an array, smaller ones are tried.

        Raises:
            UserError: the cluster refuses the request as it is.
        """
        largest = max(1, _max_array_size() - 1)
        size = min(largest, self._array_size or largest)
        parallelism = max(1, self._settings.array_parallelism // max(1, math.ceil(len(tasks) / largest)))
        taken = 0
        while taken < len(tasks):
            part = tasks[taken : taken + size]
            try:
                self._submit_array(part, parallelism)
            except _RefusedError as error:
                if error.limit and len(part) > 1:
                    size = len(part) // 2
                    continue
                if self._refusal != str(error):
                    self._refusal = str(error)
                    log.warning("the cluster takes no more jobs now, trying again later: %s", error)
                break
            taken += len(part)
            self._refusal = None
            size = min(largest, 2 * size)
        self._array_size = size
        return taken

    def _submit_array(
        self, tasks: Sequence[tuple[Sequence[str], Callable[[], Any]]], parallelism: int
    ) -> None:
        import submitit

        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        name = f"{self._token}-{time.time_ns():x}"
        submission = Submission(name, tuple(tuple(keys) for keys, _ in tasks), None, time.time())
        self._keep(submission)
        try:
            with (
                contextlib.redirect_stderr(io.StringIO()),  # where submitit repeats what it raises
                outside_of_a_job(),
            ):
                executor = submitit.AutoExecutor(
                    self._folder,
                    cluster="slurm",
                    slurm_max_num_timeout=MAX_TIMEOUTS,
                    slurm_python=_python(),
                )
                executor.update_parameters(**self._parameters(name, parallelism))
                with executor.batch():
                    jobs = [
                        executor.submit(_Stoppable(task) if hasattr(task, "stop") else task)
                        for _, task in tasks
                    ]
        except Exception as error:
            if UNANSWERED.search(str(error)):  # the intent stays: the queue will tell
                raise _RefusedError(f"no answer to a submission: {_gist(error)}", limit=False) from None
            self._path(name).unlink(missing_ok=True)
            if UNREACHABLE.search(str(error)) or _is_limit(str(error)):
                raise _RefusedError(_gist(error), limit=_is_limit(str(error))) from None
            raise UserError(f"launcher=slurm: cannot submit: {_gist(error)}") from None
        self._keep(replace(submission, job_id=jobs[0].job_id.split("_")[0]))

    def _parameters(self, name: str, parallelism: int) -> dict[str, Any]:
        s = self._settings
        given = {
            "gpus_per_node": s.gpus or None,
            "mem_gb": s.mem_gb,
            "slurm_partition": s.partition,
            "slurm_account": s.account,
            "slurm_qos": s.qos,
            "slurm_constraint": s.constraint,
            "slurm_setup": s.setup or None,
            "slurm_additional_parameters": {k.replace("_", "-"): v for k, v in s.options.items()} or None,
        }
        return {
            "name": name,
            "timeout_min": s.timeout_min,
            "cpus_per_task": s.cpus,
            "slurm_srun_args": [f"--cpus-per-task={s.cpus}"],  # which srun does not take over since 22.05
            "slurm_signal_delay_s": s.signal_delay_s,
            "slurm_array_parallelism": parallelism,
            **{key: value for key, value in given.items() if value is not None},
        }

    # ---- what was submitted ------------------------------------------------------------------------------

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _put_away(self, name: str) -> None:
        """Keep a submission that is over for the way to its logs, but ask for it no more."""
        over = self._folder / OVER
        over.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self._path(name).replace(over / self._path(name).name)

    def _keep(self, submission: Submission) -> None:
        content = {"tasks": submission.tasks, "job_id": submission.job_id, "submitted": submission.submitted}
        with replacing(self._path(submission.name)) as temporary:
            temporary.write_text(json.dumps(content), encoding="utf-8")

    def _submissions(self, folder: Path | None = None) -> list[Submission]:
        """All submissions that were not found to be over, oldest first; or those put away in `folder`.

        They are this folder's by where they lie, whatever path it was known by when they were made.
        """
        found = []
        paths = (folder or self._folder).glob(f"{PREFIX}*.json")
        for path in sorted(paths, key=lambda path: path.stem.rpartition("-")[2]):  # of equal length: a time
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                tasks = tuple(tuple(map(str, keys)) for keys in content["tasks"])
                found.append(Submission(path.stem, tasks, content["job_id"], float(content["submitted"])))
            except FileNotFoundError:
                continue
            except (ValueError, KeyError, TypeError) as error:
                raise RunError(
                    f"{path}: cannot be read ({one_line(error)}); cancel its jobs and delete it"
                ) from None
        return found


def _python() -> str:
    """How a task starts Python: as `python -m` it would look for modules in the current folder first."""
    return shlex.quote(sys.executable) + ("" if needs_current_folder() else " -P")


class _Stoppable:
    """A task as submitit runs it: at the cluster's signal it is stopped, and then requeued."""

    def __init__(self, task: Any) -> None:
        self._task = task

    def __call__(self) -> Any:
        return self._task()

    def checkpoint(self) -> Any:
        """Called by submitit."""
        from submitit.helpers import DelayedSubmission

        self._task.stop()
        return DelayedSubmission(self)


@contextlib.contextmanager
def outside_of_a_job() -> Iterator[None]:
    """Within a job, hide its variables: sbatch takes them for options, and so do the tasks' own srun.

    Outside of one, the user's SBATCH_ACCOUNT and the like stay.
    """
    if "SLURM_JOB_ID" not in os.environ:
        yield
        return
    from submitit.helpers import clean_env

    configuration = {key: os.environ[key] for key in ("SLURM_CONF",) if key in os.environ}
    with clean_env():
        os.environ.update(configuration)
        yield


class _RefusedError(Exception):
    """The cluster does not take the jobs now, but may do so later."""

    def __init__(self, message: str, *, limit: bool) -> None:
        super().__init__(message)
        self.limit = limit  # whether it may take fewer of them


def _is_limit(message: str) -> bool:
    """Whether jobs were refused for their number alone; limits of their size or time are never met later."""
    reasons = re.findall(r"\b(?:QOS|Assoc)\w*Limit\b", message)  # older versions name none
    counted = any("SubmitJob" in reason for reason in reasons)
    return counted or (not reasons and "job submit limit" in message) or FULL.search(message) is not None


def _gist(error: BaseException) -> str:
    """The complaints of sbatch in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "error" in line.lower()] or lines[:1] or [one_line(error)]
    return "; ".join(dict.fromkeys(re.sub(r"^sbatch: (error: )?", "", line) for line in told))


def _max_array_size() -> int:
    """The site's limit for the tasks of one array."""
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", _ask("scontrol", "show", "config") or "")
    return int(found[1]) if found else DEFAULT_ARRAY_SIZE


def _ask(*command: str) -> str | None:
    """What a command of Slurm prints; None where it fails or does not end."""
    known = {k: v for k, v in os.environ.items() if not k.startswith(FILTERS)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=QUERY_SECONDS, check=False, env=known
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
