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

import submitit

from designspace.data.settings import DataSettings
from designspace.launch.local import open_pool
from designspace.launch.settings import LauncherSettings
from designspace.paths import SpaceFolder
from designspace.sampling import NetworkSettings
from designspace.training.settings import TrainSettings
from designspace.training.tasks import WORKER_MODULE, Job, start_worker


def start_and_do_nothing(job: Job) -> Any:
    """A worker with its data loaded, whose work is nothing."""
    start_worker(job)
    return lambda item: item


def do_nothing_once(job: Job, item: int) -> int:
    """The same in a process of its own."""
    result: int = start_and_do_nothing(job)(item)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            SpaceFolder(Path(folder)), DataSettings(), NetworkSettings(), TrainSettings(), resolution=32
        )

        start = time.perf_counter()
        settings = LauncherSettings(workers=arguments.workers)
        with open_pool(settings, partial(start_and_do_nothing, job), preload=[WORKER_MODULE]) as pool:
            assert len(list(pool.run(deque(range(arguments.models))))) == arguments.models
        pool_seconds = time.perf_counter() - start

        start = time.perf_counter()
        executor = submitit.LocalExecutor(folder)
        executor.update_parameters(timeout_min=10)
        for first in range(0, arguments.models, arguments.workers):
            items = range(first, min(first + arguments.workers, arguments.models))
            for submitted in executor.map_array(partial(do_nothing_once, job), items):
                submitted.result()
        submitit_seconds = time.perf_counter() - start
    print(f"{'':26}seconds  a model")
    for name, seconds in (("pool of workers", pool_seconds), ("submitit's local executor", submitit_seconds)):
        print(f"{name:26}{seconds:7.2f}  {seconds / arguments.models:7.2f}")
    print(f"ratio {submitit_seconds / pool_seconds:.1f}")


if __name__ == "__main__":
    main()
