"""The test cluster for tests: a real Slurm of four virtual nodes on this machine, and ways to break it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FOLDER = Path(tempfile.gettempdir()) / "slurm-test"
START_SECONDS = 240  # with the installation of the packages
COMMAND_SECONDS = 60
HEAL_SECONDS = 60
NODES = ("n1", "n2", "n3", "n4")


@dataclass(frozen=True)
class Task:
    """A line of the queue."""

    job: str  # 12 or 12_3
    name: str
    state: str
    node: str
    restarts: int


class Cluster:
    """The running cluster in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    def run(self, *command: str) -> str:
        """Output of one of Slurm's commands, which must succeed."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout.strip()

    def start(self) -> None:
        """Start what does not run, and wait until all nodes are usable."""
        command = [str(HERE / "start-slurm"), str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS)
        if done.returncode:
            raise RuntimeError((done.stderr.strip() or done.stdout.strip()).splitlines()[-1])

    def stop(self) -> None:
        subprocess.run([str(HERE / "stop-slurm"), str(self.folder)], capture_output=True, check=False)

    def is_up(self) -> bool:
        return self._is_ours(self.pid("slurmctld"))

    def pid(self, daemon: str) -> int:
        """Process number of slurmctld, or of a node's daemon (n1 to n4); 0 where there is none."""
        with contextlib.suppress(OSError, ValueError):
            return int((self.folder / f"{daemon}.pid").read_text())
        return 0

    def _is_ours(self, pid: int) -> bool:
        return f"SLURM_CONF={self.conf}" in environment(pid)

    # ---- what runs ---------------------------------------------------------------------------------------

    def queue(self) -> list[Task]:
        """All jobs that wait or run, one line a task."""
        lines = self.run("squeue", "--noheader", "--array", "--Format=" + ",".join(
            f"{column}:|" for column in ("JobArrayID", "Name", "State", "NodeList", "RestartCnt")
        )).splitlines()  # fmt: skip
        found = []
        for line in lines:
            job, name, state, node, restarts = line.strip().removesuffix("|").split("|")
            found.append(Task(job, name, state, node.strip(), int(restarts)))
        return found

    def running(self) -> list[Task]:
        return [task for task in self.queue() if task.state == "RUNNING"]

    def save(self) -> None:
        """Wait until the controller has written what it knows of the queue: by a mark on the first job."""
        mark = f"saved-{time.monotonic_ns()}"
        self.run("scontrol", "update", f"jobid={self.queue()[0].job}", f"comment={mark}")
        eventually(lambda: mark.encode() in (self.folder / "state" / "job_state").read_bytes())

    def processes(self, job: str) -> list[int]:
        """The processes that run for a job, or for a task of an array."""
        array, _, task = job.partition("_")
        wanted = [f"SLURM_ARRAY_JOB_ID={array}", f"SLURM_ARRAY_TASK_ID={task}"]
        wanted = wanted if task else [f"SLURM_JOB_ID={array}"]
        return [pid for pid in pids() if set(wanted) <= environment(pid)]

    def task_process(self, job: str) -> int | None:
        """The process that submitit runs for the task: the parent of its workers."""
        for pid in self.processes(job):
            words = command_line(pid)
            if words[:1] == [sys.executable] and "submitit.core._submit" in words:
                return pid
        return None

    def workers(self, job: str) -> list[int]:
        """The worker processes of a task: children of its fork server."""
        alive = {pid: parent_of(pid) for pid in self.processes(job) if "from multiprocessing.forkserver" in
                 " ".join(command_line(pid))}  # fmt: skip
        return [pid for pid, parent in alive.items() if parent in alive]

    # ---- faults ------------------------------------------------------------------------------------------

    def crash(self, node: str) -> None:
        """End a node's daemon and all it runs, as if that machine lost power."""
        doomed = {self.pid(node)}
        for pid in pids():
            if f"SLURMD_NODENAME={node}" in environment(pid):
                parent = parent_of(pid)
                if name_of(parent) == "slurmstepd":
                    doomed.add(parent)
                doomed.add(pid)
        for pid in doomed - {0}:
            kill(pid)
        self.run("scontrol", "update", f"nodename={node}", "state=down", "reason=crash")

    def silence(self, node: str) -> None:
        """End a node's daemon only: what it runs goes on, and the controller hears no more of it."""
        kill(self.pid(node))

    @contextlib.contextmanager
    def submit_limit(self, jobs: int) -> Iterator[None]:
        """No more than so many jobs in the queue: sbatch refuses the next."""
        self._limit(jobs)
        try:
            yield
        finally:
            self._limit(-1)

    def _limit(self, jobs: int) -> None:
        self.run("sacctmgr", "-i", "modify", "user", "root", "set", f"MaxSubmitJobs={jobs}")
        eventually(lambda: self._known_limit() == (jobs if jobs >= 0 else None))

    def _known_limit(self) -> int | None:
        """The limit as the database has told the controller; None where there is none."""
        known = self.run("scontrol", "show", "assoc_mgr", "users=root", "flags=assoc")
        limits = re.findall(r"MaxSubmitJobs=(\d+)", known)
        return int(limits[0]) if limits else None

    def heal(self) -> None:
        """No limit, no jobs, no strays, and all nodes idle: what the next test begins with."""
        if self._known_limit() is not None:  # of a test that was killed
            self._limit(-1)
        end = time.monotonic() + HEAL_SECONDS
        self.start()
        while True:
            for task in self.queue():
                subprocess.run(["scancel", task.job], capture_output=True, timeout=COMMAND_SECONDS)
            if not self.queue():
                for pid in pids():  # strays of a node that was silent
                    known = environment(pid)
                    if f"SLURM_CONF={self.conf}" in known and any(
                        v.startswith("SLURM_JOB_ID=") for v in known
                    ):
                        kill(pid)
                if set(self.run("sinfo", "-h", "-N", "-p", "main", "-o", "%T").split()) == {"idle"}:
                    return
                self.start()
            assert time.monotonic() < end, f"not healthy again: {self.queue()}, {self.run('sinfo', '-N')}"
            time.sleep(0.5)


# ---- processes -------------------------------------------------------------------------------------------


def pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def environment(pid: int) -> set[str]:
    try:
        return set(Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0"))
    except OSError:
        return set()


def command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def eventually(condition: Callable[[], object], seconds: float = 90.0, every: float = 0.1) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(every)


# ---- fixtures --------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[Cluster]:
    """The cluster, started unless it is up, and stopped again in that case. Skips where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("a test cluster can only be started by root")
    if shutil.which("apt-get") is None:
        pytest.skip("the test cluster needs Debian's packages of Slurm")
    cluster = Cluster(FOLDER)
    was_up = cluster.is_up()
    try:
        cluster.start()
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"the test cluster does not start: {error}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(cluster.conf))
        cluster.heal()
        yield cluster
    if not was_up:
        cluster.stop()


@pytest.fixture
def slurm(slurm_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, healthy before and after the test."""
    yield slurm_cluster
    slurm_cluster.heal()
