"""Start the real program on tiny networks, do things to its processes, and check what is left in the end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from designspace.files import CONF_FOLDER
from designspace.store.paths import SpaceFolder
from designspace.store.records import Record, Status, read_record
from designspace.store.tables import read_models

SCRIPT = CONF_FOLDER.parent / "scripts" / "sample_and_train.py"
SABOTAGE = Path(__file__).parent / "sabotage"
PATIENCE = 300.0  # seconds for whatever is waited for; far more than it takes

SPACE = """
family: anynet
block: x
stages: 2
parameters:
  depths: {distribution: uniform, low: 1, high: 2, step: 1}
  widths: {distribution: uniform, low: 8, high: 32, step: 8}
  bottleneck_ratios: {distribution: choice, values: [1, 2]}
  group_widths: {distribution: choice, values: [4, 8]}
"""
SETTINGS = (
    "budget.flops=null", "budget.resolution=8", "network.stem_width=8", "network.zero_init_residual=false",
    "train.epochs=3", "train.batch_size=500", "train.val_batch_size=2000", "train.lr=0.05",
    "train.warmup_epochs=0", "launcher.workers=2",
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    status: int
    stderr: str

    @property
    def last_line(self) -> str:
        return self.stderr.splitlines()[-1]


class Study:
    """A population of one space in a folder of its own, and the command that completes it."""

    def __init__(
        self, home: Path, *settings: str, models: int = 4, output: Path | None = None, name: str = "test"
    ) -> None:
        """`home` takes what is not written by the program; `output`: its output_root."""
        home.mkdir(parents=True, exist_ok=True)
        (home / "tiny.yaml").write_text(SPACE)
        self.models, self._home = models, home
        self.output = output or home / "results"
        self.folder = SpaceFolder(self.output / name / "tiny")
        self._settings = (
            f"space={_quoted(home / 'tiny.yaml')}", f"output_root={_quoted(self.output)}",
            f"study={_quoted(name)}", f"num_models={models}", *SETTINGS, *settings,
        )  # fmt: skip
        self._starts = 0

    def start(self, *settings: str, faults: tuple[str, ...] = (), **environment: str) -> Run:
        """Start the command, with more settings; `faults` are those of sabotage/sitecustomize.py."""
        self._starts += 1
        if faults:
            path = os.pathsep.join([str(SABOTAGE), *sys.path])
            environment |= {
                "SABOTAGE": "\n".join(faults), "SABOTAGE_FOLDER": str(self._home), "PYTHONPATH": path
            }  # fmt: skip
        log = self._home / f"log-{self._starts}.txt"
        command = [sys.executable, str(SCRIPT), *self._settings, *settings]
        return Run(command, os.environ | environment, log)

    def run(self, *settings: str, faults: tuple[str, ...] = (), **environment: str) -> Ended:
        """The command from its start to its end."""
        with self.start(*settings, faults=faults, **environment) as run:
            return run.wait()

    def trace(self, fault: str) -> Path:
        """What a fault of the sabotage left when it happened."""
        return self._home / fault

    def files(self, pattern: str) -> list[Path]:
        """Files beside the records."""
        return sorted(self.folder.records.glob(pattern))

    def claimants(self) -> set[int]:
        """The processes behind the claims, as far as these can be read."""
        found = set()
        for claim in self.files("*.claim"):
            with contextlib.suppress(FileNotFoundError, ValueError):
                found.add(json.loads(claim.read_text())["pid"])
        return found

    def records(self) -> dict[str, Record]:
        """All records, each of which must be valid."""
        return {path.stem: read_record(path) for path in self.files("*.json")}

    def errors(self) -> dict[str, float]:
        """The errors of the collected table, in the order of the population."""
        runs = pd.read_parquet(self.folder.runs)
        return dict(zip(runs["model_id"], runs["error"], strict=True))

    def settle(self, truth: dict[str, float], *settings: str) -> None:
        """Run the command once more, undisturbed: every model is then done once, and nothing else is left."""
        ended = self.run(*settings)
        assert ended.status == 0, ended.stderr
        assert "Traceback" not in ended.stderr
        expected = dict(list(truth.items())[: self.models])
        assert list(read_models(self.folder)["model_id"]) == list(expected)
        assert {path.name for path in self.files("*") if path.suffix != ".unreadable"} == {
            f"{model_id}.json" for model_id in expected
        }
        assert [str(path) for path in self.output.rglob(".*.tmp")] == []
        records = self.records()
        assert {record.status for record in records.values()} == {Status.DONE}
        assert {model_id: records[model_id].error for model_id in expected} == expected
        assert self.errors() == expected


def _quoted(value: object) -> str:
    """A value on the command line as Hydra reads it, whatever characters it holds."""
    escaped = str(value).replace("'", r"\'")
    return f"'{escaped}'"


class Run:
    """The program at work, in a process group of its own; a context manager that leaves no process behind."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._log = log
        with open(log, "w") as stderr:
            self._process = subprocess.Popen(
                command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=stderr
            )
        self._seen: set[int] = set()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exception: object) -> None:
        self.signal_all(signal.SIGKILL)
        self._process.wait()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def stderr(self) -> str:
        return self._log.read_text()

    def wait(self, seconds: float = PATIENCE) -> Ended:
        """The end of the driver."""
        status = self._process.wait(seconds)
        return Ended(status, self.stderr)

    def processes(self) -> dict[int, list[int]]:
        """The living processes of the run besides the driver, each with the numbers of its children."""
        children: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                state, parent, group = stat.read_text().rsplit(")", 1)[1].split()[:3]
                if int(group) == self._process.pid and state != "Z":
                    children.setdefault(int(parent), []).append(int(stat.parent.name))
        alive = [pid for pids in children.values() for pid in pids if pid != self._process.pid]
        return {pid: children.get(pid, []) for pid in alive}

    def workers(self) -> list[int]:
        """The worker processes: children of the fork server."""
        return [worker for workers in self.processes().values() for worker in workers]

    @staticmethod
    def has_loaded(pid: int, library: str) -> bool:
        """Whether a process has a shared library of such a name, as when it is still importing."""
        with contextlib.suppress(OSError):
            return library in Path(f"/proc/{pid}/maps").read_text()
        return False

    def fork_server(self) -> int:
        """The process that the workers are forked from."""
        return next(pid for pid, children in self.processes().items() if children)

    def kill(self) -> None:
        """kill -9 of the driver alone."""
        self._process.kill()

    def signal_all(self, number: int) -> None:
        """Send a signal to the whole process group, as a terminal does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition while the run is at work."""

        def met() -> bool:
            assert not self.ended, f"ended with {self._process.returncode} too early:\n{self.stderr}"
            return bool(condition())

        wait_for(met)

    def assert_no_process_left(self, seconds: float = 30.0) -> None:
        """Soon after the driver, all its processes have ended; an import of torch is ended first."""
        wait_for(lambda: self.ended and not self.processes(), seconds)


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@contextlib.contextmanager
def mounted(path: Path, *options: str) -> Iterator[None]:
    """Something mounted on a folder; skips the test where that is not allowed."""
    path.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(["mount", *options, str(path)], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("needs the command mount")
    if done.returncode:
        pytest.skip(f"needs the right to mount a file system ({done.stderr.strip()})")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextlib.contextmanager
def read_only(path: Path) -> Iterator[None]:
    """The folder on a mount that takes no writes, not even from root."""
    with mounted(path, "--bind", str(path)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(path)], check=True)
        yield
