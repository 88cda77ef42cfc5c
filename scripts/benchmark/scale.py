"""What a study of many models takes besides training: a table of seconds, memory, files and bytes.

python scripts/benchmark/scale.py --models 3000 100000 --report-models 600 3000 12000

Everything is generated in a temporary folder and nothing of it kept: a population, a record for each of its
models, job arrays that no cluster runs (a stand-in for sbatch answers). Files are read from the file cache,
so a slow file system comes on top. Each step runs in a fresh process. The models of the report are
simulated as in report.py.
"""

import argparse
import contextlib
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from report import simulated  # beside this script

from designspace.analysis.study import analyze
from designspace.data.settings import DataSettings
from designspace.launch.settings import LauncherSettings
from designspace.launch.slurm import Slurm
from designspace.networks.architecture import Architecture
from designspace.networks.settings import NetworkSettings
from designspace.pipeline.collect import collect_runs, study_runs
from designspace.report.write import write_analysis
from designspace.store.paths import SpaceFolder, StudyFolder, find_study
from designspace.store.records import Attempt, Epoch, Kind, Record, Status, record_text
from designspace.store.status import study_status
from designspace.store.tables import write_table
from designspace.store.versions import versions
from designspace.training.cluster import Cluster, ClusterTask
from designspace.training.messages import Job, Model
from designspace.training.settings import TrainSettings

EPOCHS = 10
SBATCH = "#!/bin/sh\necho Submitted batch job $(date +%s%N)\n"  # takes everything, runs nothing
NO_SLURM = "#!/bin/sh\nexit 1\n"


@dataclass(frozen=True)
class Cost:
    """One step at one size."""

    step: str
    models: int
    seconds: float
    cpu_seconds: float
    peak_gb: float
    files: int = 0  # that it wrote
    megabytes: float = 0.0  # in them


def measured(step: str, models: int, function: Callable[[], tuple[int, int] | None]) -> Cost:
    """Run the function, which may return files and bytes, in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, cpu_seconds, gigabytes, (files, size) = pool.apply(_measure, (function,))
    return Cost(step, models, seconds, cpu_seconds, gigabytes, files, size / 1e6)


def _measure(function: Callable[[], tuple[int, int] | None]) -> tuple[float, float, float, tuple[int, int]]:
    start, cpu_start = time.perf_counter(), time.process_time()
    written = function() or (0, 0)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return seconds, cpu_seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, written


def _written(folder: Path) -> tuple[int, int]:
    """Files below the folder, and the bytes in them."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


# ---- what is generated -------------------------------------------------------------------------------------


def model_ids(models: int) -> list[str]:
    """So many different ones."""
    return [f"{i * 0x9E3779B97F4A7C15 % 2**64:016x}" for i in range(models)]


def generate(folder: SpaceFolder, models: int) -> tuple[int, int]:
    """Write a population and a record for each of its models, one in fifty failed three times."""
    folder.records.mkdir(parents=True)
    ids = model_ids(models)
    write_table(folder.models, pd.DataFrame({"model_id": ids, "space": folder.name, "flops": 380_000_000}))
    done, failed = _template(folder.name, Status.DONE), _template(folder.name, Status.FAILED)
    for i, model_id in enumerate(ids):
        record = replace(failed if i % 50 == 0 else done, model_id=model_id, seed=2**60 + i)
        folder.record(model_id).write_text(record_text(record), encoding="utf-8")  # no fsync: it may be lost
    return _written(folder.records)


def _template(space: str, status: Status) -> Record:
    started = (datetime.now(timezone.utc) - timedelta(days=1)).isoformat(timespec="seconds")
    done = status is Status.DONE
    attempt = Attempt(status, None, None, "node-1", started, 11_000.0)
    if not done:
        reason, traceback = "RuntimeError: a reason", "  File ...\n" * 20
        attempt = replace(attempt, kind=Kind.EXCEPTION, reason=reason, traceback=traceback)
    return Record(
        model_id="",
        space=space,
        status=status,
        seed=0,
        error=12.345 if done else None,
        epochs=EPOCHS,
        history=tuple(Epoch(i + 1, 1 / (i + 3), 12.345, 1_099.123, 12.345) for i in range(EPOCHS)),
        flops=380_000_000,
        params=5_000_000,
        acts=3_000_000,
        train_seconds=10_991.23,
        val_seconds=123.45,
        images_per_second=1165.5,
        device="cuda (a GPU)",
        precision="bf16",
        versions=versions(),
        attempts=(attempt,) * (1 if done else 3),
    )


# ---- what is measured --------------------------------------------------------------------------------------


def _collect(folder: SpaceFolder) -> tuple[int, int]:
    assert (collect_runs(folder)["status"] != "missing").all()
    return 1, folder.runs.stat().st_size


def _status(study: StudyFolder) -> None:
    (space,) = study_status(study).spaces
    assert space.waiting == 0


def _submit(folder: SpaceFolder, models: int) -> tuple[int, int]:
    """One model a task, as in a study of the paper's size."""
    tasks = [([model.model_id], ClusterTask(_job(folder), [model], _slurm())) for model in _models(models)]
    with _commands(sbatch=SBATCH, srun=SBATCH, scontrol=NO_SLURM):
        assert Slurm(folder.jobs, _slurm()).submit(tasks) == models
    return _written(folder.jobs)


class _Queue(Slurm):
    """In which the task of every model waits."""

    keys: frozenset[str] = frozenset()

    def live_keys(self) -> set[str]:
        return set(self.keys)


def _look(folder: SpaceFolder, models: int) -> None:
    """The driver's first poll, with models that all wait; with `wait=False` it leaves after it."""
    folder.records.mkdir(parents=True)
    waiting, slurm = _models(models), _Queue(folder.jobs, _slurm())
    slurm.keys = frozenset(model.model_id for model in waiting)
    settings = replace(_slurm(), wait=False)
    assert list(Cluster(_job(folder), settings, folder, slurm).train(waiting, models_per_task=1)) == []


def _report(runs: pd.DataFrame, folder: Path) -> tuple[int, int]:
    """All that `scripts/analyze.py` computes and writes, but in one process, so that all of it is counted."""
    write_analysis(analyze(runs), folder)
    return _written(folder)


def _models(models: int) -> list[Model]:
    network = Architecture("bottleneck", (1, 2, 7, 12), (32, 64, 160, 384), (1, 1, 1, 1), (16, 16, 16, 16))
    return [
        Model(model_id, network, 2**60, 380_000_000, 5_000_000, 3_000_000) for model_id in model_ids(models)
    ]


def _job(folder: SpaceFolder) -> Job:
    return Job(folder, DataSettings(), NetworkSettings(), TrainSettings(), resolution=224)


def _slurm() -> LauncherSettings:
    return LauncherSettings(name="slurm")


@contextlib.contextmanager
def _commands(**scripts: str) -> Iterator[None]:
    """Programs of these names in front of all others."""
    before = os.environ["PATH"]
    with tempfile.TemporaryDirectory() as folder:
        for name, text in scripts.items():
            (Path(folder) / name).write_text(text)
            (Path(folder) / name).chmod(0o755)
        os.environ["PATH"] = f"{folder}{os.pathsep}{before}"
        try:
            yield
        finally:
            os.environ["PATH"] = before


def costs(arguments: argparse.Namespace) -> Iterator[Cost]:
    """Line by line."""
    for models in arguments.models:
        with tempfile.TemporaryDirectory() as temporary:
            study, other = StudyFolder(Path(temporary) / "study"), StudyFolder(Path(temporary) / "other")
            space = study.space("generated")
            yield measured("submit", models, partial(_submit, other.space("submitted"), models))
            yield measured("one look of the driver", models, partial(_look, other.space("waiting"), models))
            yield measured("write records", models, partial(generate, space, models))
            yield measured("collect", models, partial(_collect, space))
            yield measured("status", models, partial(_status, study))
    recorded = study_runs(find_study(arguments.output_root, arguments.study)).runs
    for models in arguments.report_models:
        runs = simulated(recorded, models, np.random.default_rng(0))
        with tempfile.TemporaryDirectory() as temporary:
            yield measured("analysis and report", models, partial(_report, runs, Path(temporary) / "new"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, nargs="*", default=[3_000, 100_000])
    parser.add_argument("--report-models", type=int, nargs="*", default=[600, 3_000, 12_000])
    parser.add_argument("--output-root", default="results")
    parser.add_argument("--study", default="laptop_six_spaces", help="of the models in the report")
    parser.add_argument("--output", type=Path, help="a CSV file")
    arguments = parser.parse_args()
    rows = []
    for cost in costs(arguments):
        rows.append(cost)
        print(pd.DataFrame(rows[-1:]).round(2).to_string(index=False, header=len(rows) == 1), flush=True)
    if arguments.output is not None:
        pd.DataFrame(rows).to_csv(arguments.output, index=False, float_format="%.3g")


if __name__ == "__main__":
    main()
