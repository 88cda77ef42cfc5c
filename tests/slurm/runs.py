"""Runs of the real program on the test cluster, stopped at the moment that a test wants to disturb."""

from __future__ import annotations

import contextlib
import json
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults.program import Ended, Study
from slurm.cluster import Cluster, environment, eventually, kill

from designspace.store.records import Attempt, Status
from designspace.store.tables import read_models

MODELS = 6
EPOCHS = "train.epochs=4"
SETTINGS = (
    EPOCHS, "launcher=slurm", "launcher.gpus=1", "launcher.cpus=1", "launcher.workers=null",
    "launcher.mem_gb=4", "launcher.poll_seconds=1", "launcher.timeout_min=15",
    "launcher.checkpoint_minutes=0",
    "launcher.models_per_task=1",
)  # fmt: skip


class ClusterStudy(Study):
    """A population that is trained on the cluster, by tasks of one worker and one model."""

    def __init__(self, home: Path, *settings: str, models: int = MODELS) -> None:
        super().__init__(home, *SETTINGS, *settings, models=models)

    def task_of(self, model_id: str) -> str | None:
        """The task that was submitted last for a model, by its number in the queue."""
        found = None
        for path in sorted(self.folder.jobs.rglob("designspace-*.json"), key=lambda path: path.name):
            content = json.loads(path.read_text())
            for number, keys in enumerate(content["tasks"]):
                if model_id in keys and content["job_id"] is not None:
                    found = content["job_id"] + (f"_{number}" if len(content["tasks"]) > 1 else "")
        return found

    def log(self, job: str) -> str:
        """What the task wrote to its logs, in all its attempts."""
        paths = [self.folder.jobs / f"{job}_0_log.{stream}" for stream in ("out", "err")]
        return "\n".join(path.read_text() for path in paths if path.exists())

    def submissions(self) -> int:
        return len(list(self.folder.jobs.rglob("designspace-*.json")))

    def held(self, number: int) -> list[Held]:
        """Stop so many workers, each after its first checkpoint: what they do can now be disturbed."""
        held: dict[str, Held] = {}

        def enough() -> bool:
            for checkpoint in self.files("*.checkpoint"):
                model_id = checkpoint.stem
                if model_id in held or len(held) == number:
                    continue
                with contextlib.suppress(FileNotFoundError, ValueError):
                    pid = json.loads(self.folder.claim(model_id).read_text())["pid"]
                    kill(pid, signal.SIGSTOP)
                    if self.folder.record(model_id).exists():  # too late
                        kill(pid, signal.SIGCONT)
                        continue
                    held[model_id] = Held.of(model_id, pid)
            return len(held) == number

        eventually(enough, every=0.02)
        return list(held.values())

    def assert_complete(self, ended: Ended, truth: dict[str, float]) -> None:
        """The run ended well, every model is done exactly once, and nothing is left but records."""
        assert ended.status == 0, ended.stderr
        assert "Traceback" not in ended.stderr
        expected = dict(list(truth.items())[: self.models])
        assert list(read_models(self.folder)["model_id"]) == list(expected)
        assert {p.name for p in self.files("*")} == {f"{model_id}.json" for model_id in expected}
        assert [str(path) for path in self.output.rglob(".*.tmp")] == []
        records = self.records()
        for record in records.values():
            assert record.status is Status.DONE
            assert [a.status for a in record.attempts].count(Status.DONE) == 1
        assert {model_id: records[model_id].error for model_id in expected} == expected
        assert self.errors() == expected

    def attempts(self, model_id: str) -> tuple[Attempt, ...]:
        return self.records()[model_id].attempts


@dataclass(frozen=True)
class Held:
    """A worker that was stopped in the middle of a model."""

    model_id: str
    worker: int
    job: str
    node: str

    @classmethod
    def of(cls, model_id: str, worker: int) -> Held:
        known = dict(pair.split("=", 1) for pair in environment(worker) if "=" in pair)
        if "SLURM_ARRAY_JOB_ID" in known:
            job = f"{known['SLURM_ARRAY_JOB_ID']}_{known['SLURM_ARRAY_TASK_ID']}"
        else:
            job = known["SLURM_JOB_ID"]
        return cls(model_id, worker, job, known["SLURMD_NODENAME"])

    def release(self) -> None:
        kill(self.worker, signal.SIGCONT)


def wait_until_quiet(cluster: Cluster) -> None:
    """Until the queue is empty: tasks end a moment after their last record."""
    eventually(lambda: not cluster.queue())


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """The errors that a run on this machine gives when nothing happens to it."""
    study = Study(tmp_path_factory.mktemp("undisturbed"), EPOCHS, models=MODELS)
    ended = study.run()
    assert ended.status == 0, ended.stderr
    return study.errors()
