"""How long `collect` and `study_status` take for a large space, and how much memory: a table.

python scripts/benchmark/collect.py --models 100000

The records are generated in a temporary folder, four kilobytes of disk each; they are read from the file
cache, so a slow file system comes on top.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd

from designspace.paths import SpaceFolder, StudyFolder
from designspace.records import Attempt, Epoch, Kind, Record, Status, collect, record_text, write_table
from designspace.status import study_status
from designspace.versions import versions


def generate(folder: SpaceFolder, models: int, epochs: int) -> int:
    """Write a population and a record for each of its models, one in fifty failed; returns their bytes."""
    folder.records.mkdir(parents=True)
    ids = [f"{i * 0x9E3779B97F4A7C15 % 2**64:016x}" for i in range(models)]
    write_table(folder.models, pd.DataFrame({"model_id": ids, "space": folder.name, "flops": 1_000_000}))
    start = datetime.now(timezone.utc) - timedelta(days=1)
    done = Attempt(Status.DONE, None, None, "node-1", start.isoformat(timespec="seconds"), 4000.0)
    failed = replace(
        done,
        status=Status.FAILED,
        kind=Kind.EXCEPTION,
        reason="RuntimeError: a reason",
        traceback="  File ...\n" * 20,
    )
    template = Record(
        model_id="",
        space=folder.name,
        status=Status.DONE,
        seed=2**60 + 1,
        error=12.345,
        epochs=epochs,
        history=tuple(Epoch(i + 1, 1.0 / (i + 3), 100.0 / (i + 7), 12.345, 1.234) for i in range(epochs)),
        flops=1_000_000,
        params=500_000,
        acts=20_000,
        train_seconds=12.345 * epochs,
        val_seconds=1.234 * epochs,
        images_per_second=1234.5,
        device="cpu (x86_64)",
        precision="fp32",
        versions=versions(),
        attempts=(done,),
    )
    size = 0
    for i, model_id in enumerate(ids):
        record = replace(template, model_id=model_id, seed=template.seed + i)
        if i % 50 == 0:
            record = replace(
                record, status=Status.FAILED, error=None, reason=failed.reason, attempts=(failed,) * 3
            )
        size += folder.record(model_id).write_bytes(record_text(record).encode())  # no fsync: it may be lost
    return size


def measured(function: Callable[[], object]) -> tuple[float, float, float]:
    """Seconds, seconds of them on the processor, and peak memory in GB of a function in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (function,))


def _measure(function: Callable[[], object]) -> tuple[float, float, float]:
    start, cpu_start = time.perf_counter(), time.process_time()
    function()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return seconds, cpu_seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


class _Collect:
    def __init__(self, folder: SpaceFolder) -> None:
        self.folder = folder

    def __call__(self) -> None:
        collected = collect(self.folder)
        assert (collected.runs["status"] != "missing").all()


class _Status:
    def __init__(self, folder: StudyFolder) -> None:
        self.folder = folder

    def __call__(self) -> None:
        (space,) = study_status(self.folder).spaces
        assert space.waiting == 0


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        study = StudyFolder(Path(temporary) / "study")
        folder = study.space("generated")
        size = generate(folder, arguments.models, arguments.epochs)
        print(f"{arguments.models} records of {arguments.epochs} epochs, {size / 1e6:.0f} MB\n")
        print(f"{'':<10}{'seconds':>10}{'CPU':>10}{'peak GB':>10}")
        for name, function in (("collect", _Collect(folder)), ("status", _Status(study))):
            seconds, cpu_seconds, gigabytes = measured(function)
            print(f"{name:<10}{seconds:>10.1f}{cpu_seconds:>10.1f}{gigabytes:>10.2f}")


if __name__ == "__main__":
    main()
