"""Where the population is trained, and by how many."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from designspace.errors import broken

LOCAL, DEBUG = "local", "debug"  # launchers of this machine
CLUSTERS = ("slurm",)  # each a module of this folder, see `queue`
LAUNCHERS = (LOCAL, DEBUG, *CLUSTERS)
MAX_COUNT = 1_000_000  # tasks, models of a task, retries: as many as it takes
MAX_WORKERS = 1024  # processes or threads of one machine
MAX_MINUTES = 100_000  # over two months: never
MAX_POLL_SECONDS = 86_400
MAX_TIMEOUT_MIN = 10_000_000  # 19 years
MAX_MEM_GB = 1_000_000
AUTO = "auto"  # as many workers as give the highest measured throughput


@dataclass
class LauncherSettings:
    """`local`: worker processes of this machine; `slurm`: tasks of a cluster; `debug`: in this process."""

    name: str = LOCAL  # local, slurm or debug
    workers: int | str | None = None  # null: one per core, or workers_per_gpu on each GPU; auto: by timing
    workers_per_gpu: int = 1  # models at once on each GPU
    threads: int = 1  # of each worker; more than one changes the last bits of the errors
    max_retries: int = 2  # further attempts for a model that raised, hung or whose worker died
    abort_after: int = 5  # equal exceptions with no success between them that stop the run
    hang_minutes: float = 10.0  # without a step, after which a worker is killed
    checkpoint_minutes: float = 0.0  # between checkpoints of a model; 0: one per epoch
    models_per_task: int | None = None  # slurm: models of one task; null: so many that it lasts task_minutes
    task_minutes: float = 30.0  # slurm: how long a task should last
    wait: bool = True  # slurm: stay and show the progress; false: submit and leave
    poll_seconds: float = 10.0  # slurm: between two polls of the records and the queue
    partition: str | None = None  # slurm: where to run
    account: str | None = None  # slurm: who pays
    qos: str | None = None  # slurm: quality of service
    constraint: str | None = None  # slurm: features that a node must have
    gpus: int = 1  # slurm: GPUs of one task
    cpus: int = 4  # slurm: cores of one task
    mem_gb: float | None = None  # slurm: memory of one task; null: the partition's default
    timeout_min: int = 240  # slurm: time limit of a task; longer work is checkpointed and requeued
    signal_delay_s: int = 90  # slurm: seconds before the limit at which a task checkpoints
    array_parallelism: int = 64  # slurm: tasks at once
    setup: list[str] = field(default_factory=list)  # slurm: shell lines before the task, e.g. module load
    options: dict[str, Any] = field(default_factory=dict)  # slurm: more options of sbatch, e.g. {nice: 100}

    @property
    def on_cluster(self) -> bool:
        """Whether models are trained in tasks that wait in a queue, see `launch.queue`."""
        return self.name in CLUSTERS

    @property
    def in_process(self) -> bool:
        """Whether models are trained in this process, one after the other."""
        return self.name == DEBUG

    def workers_on(self, cores: int, gpus: int) -> int:
        """How many workers so many cores and GPUs get; with auto, what there would be without timing."""
        if isinstance(self.workers, int):
            return self.workers
        return gpus * self.workers_per_gpu or max(1, cores // self.threads)

    def problems(self) -> list[str]:
        """One line for each invalid value."""
        count, never = f"at least 1 and at most {MAX_COUNT}", f"at most {MAX_MINUTES}"
        workers = f"at least 1 and at most {MAX_WORKERS}"
        limit_s, has_valid_limit = 60 * self.timeout_min, 1 <= self.timeout_min <= MAX_TIMEOUT_MIN
        longest_delay_s = limit_s if has_valid_limit else math.inf  # else that is the one problem
        rules = [
            ("name", self.name in LAUNCHERS, f"one of {', '.join(LAUNCHERS)}"),
            (
                "workers",
                self.workers in (None, AUTO)
                or (isinstance(self.workers, int) and 1 <= self.workers <= MAX_WORKERS),
                f"{workers}, auto, or null for one per core",
            ),
            ("workers_per_gpu", 1 <= self.workers_per_gpu <= MAX_WORKERS, workers),
            ("threads", 1 <= self.threads <= MAX_WORKERS, workers),
            ("max_retries", 0 <= self.max_retries <= MAX_COUNT, f"at least 0 and at most {MAX_COUNT}"),
            ("abort_after", 1 <= self.abort_after <= MAX_COUNT, count),
            ("hang_minutes", 0 < self.hang_minutes <= MAX_MINUTES, f"above 0 and {never}"),
            ("checkpoint_minutes", 0 <= self.checkpoint_minutes <= MAX_MINUTES, f"at least 0 and {never}"),
            (
                "models_per_task",
                self.models_per_task is None or 1 <= self.models_per_task <= MAX_COUNT,
                f"{count}, or null",
            ),
            ("task_minutes", 0 < self.task_minutes <= MAX_MINUTES, f"above 0 and {never}"),
            (
                "poll_seconds",
                0 < self.poll_seconds <= MAX_POLL_SECONDS,
                f"above 0 and at most {MAX_POLL_SECONDS}",
            ),
            ("gpus", 0 <= self.gpus <= MAX_WORKERS, f"at least 0 and at most {MAX_WORKERS}"),
            ("cpus", 1 <= self.cpus <= MAX_WORKERS, workers),
            (
                "mem_gb",
                self.mem_gb is None or 0 < self.mem_gb <= MAX_MEM_GB,
                f"above 0 and at most {MAX_MEM_GB}, or null",
            ),
            (
                "timeout_min",
                has_valid_limit,
                f"at least 1 and at most {MAX_TIMEOUT_MIN}",
            ),
            (
                "signal_delay_s",
                0 < self.signal_delay_s < longest_delay_s,
                f"above 0 and below {limit_s}, which is launcher.timeout_min={self.timeout_min} in seconds",
            ),
            ("array_parallelism", 1 <= self.array_parallelism <= MAX_COUNT, count),
        ]
        return broken("launcher", self, rules)
