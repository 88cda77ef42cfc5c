"""What handing out models costs: the pool of worker processes against submitit's local executor.

    python scripts/benchmark/launch.py --models 8 --workers 2

Both load the embedded data set in every worker process and then do nothing for each model. The pool loads it
once a worker; the local executor starts a process for each model (and all at once, so that here they are
submitted in groups of as many as there are workers).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import deque
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import submitit

from designspace.data.settings import DataSettings
from designspace.launch.local import open_pool
from designspace.launch.settings import LauncherSettings
from designspace.networks.settings import NetworkSettings
from designspace.store.paths import SpaceFolder
from designspace.training.messages import Job
from designspace.training.settings import TrainSettings
from designspace.training.workers import WORKER_MODULE, start_worker


def start_and_do_nothing(job: Job) -> Any:
    """A worker with its data loaded, whose work is nothing."""
    start_worker(job)
    return lambda item: item


def do_nothing_once(job: Job, item: int) -> int:
    """The same in a process of its own."""
    result: int = start_and_do_nothing(job)(item)
    return result


def pool_seconds(job: Job, models: int, workers: int) -> float:
    """Seconds for the pool to start, hand out all models and end."""
    start = time.perf_counter()
    settings = LauncherSettings(workers=workers)
    with open_pool(settings, partial(start_and_do_nothing, job), preload=[WORKER_MODULE]) as pool:
        assert len(list(pool.run(deque(range(models))))) == models
    return time.perf_counter() - start


def submitit_seconds(job: Job, models: int, workers: int) -> float:
    """The same for submitit's local executor."""
    start = time.perf_counter()
    executor = submitit.LocalExecutor(job.folder.root)
    executor.update_parameters(timeout_min=10)
    for first in range(0, models, workers):
        items = range(first, min(first + workers, models))
        for submitted in executor.map_array(partial(do_nothing_once, job), items):
            submitted.result()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="CSV to write, one row a round")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            SpaceFolder(Path(folder)), DataSettings(), NetworkSettings(), TrainSettings(), resolution=32
        )
        for _ in range(arguments.rounds):
            ours = pool_seconds(job, arguments.models, arguments.workers) / arguments.models
            theirs = submitit_seconds(job, arguments.models, arguments.workers) / arguments.models
            rows.append({"pool": ours, "submitit": theirs, "ratio": theirs / ours})
            print(
                f"seconds a model: {ours:.2f}, submitit {theirs:.2f}, ratio {theirs / ours:.1f}", flush=True
            )
    if arguments.output is not None:
        pd.DataFrame(rows).round(3).to_csv(arguments.output, index=False)


if __name__ == "__main__":
    main()
