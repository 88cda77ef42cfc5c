"""The workers that train a population; with `auto`, as many as give the highest measured throughput."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from designspace.launch.local import available_cores, open_pool, visible_gpus
from designspace.launch.pool import Pool
from designspace.launch.settings import AUTO, LauncherSettings
from designspace.training.messages import Job, Timing
from designspace.training.progress import Waiting

WORKER_MODULE = "designspace.training.worker"  # torch and all that needs it: not for the driver

log = logging.getLogger(__name__)

MOST_PER_GPU = 4  # workers that are tried on each GPU
MARGIN = 0.05  # by which more workers must be faster together


def open_workers(settings: LauncherSettings, job: Job) -> Pool:
    """A pool for the job, of as many workers as the settings say; a context manager.

    In each worker `start_worker` makes a `Worker` once, which is then called with every item.
    """
    open_some = partial(open_pool, setup=partial(start_worker, job), preload=[WORKER_MODULE])
    if settings.workers != AUTO or settings.in_process:
        return open_some(settings)
    counts = worker_counts(settings)
    with ExitStack() as stack:
        pool = stack.enter_context(open_some(replace(settings, workers=counts[-1])))
        with Waiting("launcher.workers=auto") as waiting:
            waiting.say(f"timing {', '.join(map(str, counts))} workers")
            speeds = {n: models_per_second(pool, job, n, 60 * settings.hang_minutes) for n in counts}
        best = fewest_of_the_fastest(speeds)
        measured = ", ".join(f"{n}: {3600 * speed:,.0f}" for n, speed in speeds.items())
        log.info("launcher.workers=auto: %d (models per hour with %s)", best, measured)
        if best == counts[-1]:
            stack.pop_all()
            return pool
    return open_some(replace(settings, workers=best))


def start_worker(job: Job) -> Callable[[Any], Any]:
    """In the worker: its function, with the data set loaded; takes a Model or a Timing."""
    from designspace.training.worker import Worker

    return Worker(job)


def worker_counts(settings: LauncherSettings) -> list[int]:
    """Numbers of workers to try, ascending: up to four on each GPU; or one for each core, or for two."""
    gpus = len(visible_gpus())
    if gpus:
        return [gpus * per_gpu for per_gpu in range(1, MOST_PER_GPU + 1)]
    most = settings.workers_on(available_cores(), 0)
    return sorted({max(1, most // 2), most})


def models_per_second(pool: Pool, job: Job, workers: int, hang_seconds: float) -> float:
    """What so many workers train together while each is at the same networks; 0 where one of them cannot."""
    speed, deadline = 0.0, time.monotonic() + hang_seconds
    for architecture in job.samples:
        requests = deque(Timing(architecture) for _ in range(workers))
        outcomes = list(pool.run(requests, lambda item: time.monotonic() > deadline))
        if any(outcome.failure is not None for outcome in outcomes):
            return 0.0
        speed += sum(1 / outcome.value for outcome in outcomes) / len(job.samples)
    return speed


def fewest_of_the_fastest(speeds: dict[int, float]) -> int:
    """The number of workers; a larger one only where it is faster by more than the margin."""
    best = min(speeds)
    for count in sorted(speeds):
        best = count if speeds[count] > (1 + MARGIN) * speeds[best] else best
    return best
