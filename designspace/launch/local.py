"""How many workers this machine gets, and what each of them sees."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from designspace.launch.pool import InProcessPool, Outcome, Pool, ProcessPool, Setup, Work
from designspace.launch.settings import LauncherSettings

log = logging.getLogger(__name__)

MIN_START_SECONDS = 10.0  # that a worker gets to start, however soon it counts as hanging later
# glibc gives large blocks back to the system at every step, which then clears them page by page: keep them,
# in huge pages. 15 to 20 % more images per second on two cores; not a bit of the results changes.
ALLOCATOR = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=4294967296"
)
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def open_pool(settings: LauncherSettings, setup: Setup, *, preload: Sequence[str] = ()) -> Pool:
    """The pool that the settings ask for."""
    if settings.in_process:
        return InProcessPool(setup)
    os.environ.setdefault("GLIBC_TUNABLES", ALLOCATOR)  # read where a process starts: the fork server
    return ProcessPool(
        setup,
        environments=worker_environments(settings),
        preload=preload,
        start_seconds=max(MIN_START_SECONDS, 60 * settings.hang_minutes),
    )


@dataclass(frozen=True)
class Processes:
    """Worker processes for work that is not training; they inherit the environment. One is this process."""

    workers: int

    def map(
        self,
        setup: Setup,
        items: Sequence[Any],
        *,
        complaint: Callable[[Any], str],
        ended: Callable[[Any], None] | None = None,
    ) -> list[Any]:
        """The values in the order of the items; see `designspace.analysis.executor.Executor`."""
        numbers = deque(range(len(items)))
        outcomes: dict[int, Outcome] = {}
        with self._open(setup, items) as pool:
            for outcome in pool.run(numbers):
                outcomes[outcome.item] = outcome
                if outcome.failure is not None:
                    numbers.clear()  # the other workers end what they are at, and leave nothing behind
                elif ended is not None:
                    ended(items[outcome.item])
        return [outcomes[i].result(complaint(items[i])) for i in sorted(outcomes)]

    def _open(self, setup: Setup, items: Sequence[Any]) -> Pool:
        by_number, count = partial(_by_number, setup, items), min(self.workers, len(items))
        if count <= 1:
            return InProcessPool(by_number)
        preload = [getattr(setup, "func", setup).__module__]
        return ProcessPool(by_number, environments=[{}] * count, preload=preload)


def _by_number(setup: Setup, items: Sequence[Any]) -> Work:
    """In the worker: the function of an item's number."""
    work = setup()
    return lambda number: work(items[number])


def worker_environments(settings: LauncherSettings) -> list[dict[str, str]]:
    """Environment variables of each worker: its threads and, where there are GPUs, the one it uses."""
    threads = dict.fromkeys(THREAD_VARIABLES, str(settings.threads))
    gpus = visible_gpus()
    if len(gpus) < len(named_gpus()):
        log.warning(
            "CUDA_VISIBLE_DEVICES=%s: %d of these %d GPUs can be used here%s",
            os.environ["CUDA_VISIBLE_DEVICES"], len(gpus), len(named_gpus()),
            "" if gpus else "; the processor is used",
        )  # fmt: skip
    count = settings.workers_on(available_cores(), len(gpus))
    return [
        {**threads, **({"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} if gpus else {})} for i in range(count)
    ]


def available_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """Names by which CUDA selects the GPUs that this process may use; empty where there are none.

    Of those that CUDA_VISIBLE_DEVICES names, CUDA takes the ones before the first that it does not know.
    """
    named = named_gpus()
    if not named and ("CUDA_VISIBLE_DEVICES" in os.environ or shutil.which("nvidia-smi") is None):
        return []
    import torch  # slow to import, and only where there may be a GPU

    count = torch.cuda.device_count()
    if not named:
        return [str(i) for i in range(count)]
    if all(name.startswith("MIG-") for name in named):  # CUDA shows a process one part, whatever it names
        return _present_parts(named, count)
    return named[:count]


def named_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES names, be it there or not."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return [name.strip() for name in names if name.strip() not in ("", "-1")]


def _present_parts(named: list[str], count: int) -> list[str]:
    """Those of the named parts of GPUs (MIG) that nvidia-smi lists; without it, as many as CUDA counts."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return named[:count]
    present = re.findall(r"UUID:\s*(MIG-[^)\s]+)", done.stdout)
    return [name for name in named if any(uuid.startswith(name) for uuid in present)]
