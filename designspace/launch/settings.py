"""Where the population is trained, and by how many."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from designspace.errors import UserError

LAUNCHERS = ("local", "slurm", "debug")
MAX_MINUTES = 100_000  # over two months: never
AUTO = "auto"  # as many workers as train most models an hour, by timing


@dataclass
class LauncherSettings:
    """`local`: worker processes of this machine; `slurm`: tasks of a cluster; `debug`: in this process."""

    name: str = "local"  # local, slurm or debug
    workers: int | str | None = None  # null: one a core, or workers_per_gpu on each GPU; auto: by timing
    workers_per_gpu: int = 1  # models at once on each GPU
    threads: int = 1  # of each worker; more than one changes the last bits of the errors
    max_retries: int = 2  # further attempts for a model that raised, hung or whose worker died
    abort_after: int = 5  # equal exceptions with no success between them that stop the run
    hang_minutes: float = 10.0  # without a step, after which a worker is killed
    checkpoint_minutes: float = 0.0  # between checkpoints of a model; 0: one an epoch
    models_per_task: int | None = None  # slurm: models of one task; null: so many that it lasts task_minutes
    task_minutes: float = 30.0  # slurm: how long a task should last
    wait: bool = True  # slurm: stay and show the progress; false: submit and leave
    poll_seconds: float = 10.0  # slurm: between two looks at the records and the queue
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
    options: dict[str, Any] = field(default_factory=dict)  # slurm: any further option of sbatch

    def workers_on(self, cores: int, gpus: int) -> int:
        """How many workers so many cores and GPUs get; with auto, what there would be without timing."""
        if isinstance(self.workers, int):
            return self.workers
        return gpus * self.workers_per_gpu or max(1, cores // self.threads)

    def validate(self) -> None:
        """Raises UserError with all values that cannot be."""
        rules = {
            "name": self.name in LAUNCHERS or f"one of {', '.join(LAUNCHERS)}",
            "workers": self.workers in (None, AUTO)
            or (isinstance(self.workers, int) and self.workers >= 1)
            or "at least 1, auto, or null for one a core",
            "workers_per_gpu": self.workers_per_gpu >= 1 or "at least 1",
            "threads": self.threads >= 1 or "at least 1",
            "max_retries": self.max_retries >= 0 or "at least 0",
            "abort_after": self.abort_after >= 1 or "at least 1",
            "hang_minutes": 0 < self.hang_minutes <= MAX_MINUTES or f"above 0 and at most {MAX_MINUTES}",
            "checkpoint_minutes": self.checkpoint_minutes >= 0 or "at least 0",
            "models_per_task": self.models_per_task is None
            or self.models_per_task >= 1
            or "at least 1, or null",
            "task_minutes": self.task_minutes > 0 or "above 0",
            "poll_seconds": self.poll_seconds > 0 or "above 0",
            "gpus": self.gpus >= 0 or "at least 0",
            "cpus": self.cpus >= 1 or "at least 1",
            "mem_gb": self.mem_gb is None or self.mem_gb > 0 or "above 0, or null",
            "timeout_min": self.timeout_min >= 1 or "at least 1",
            "signal_delay_s": 0 < self.signal_delay_s < 60 * self.timeout_min
            or "above 0 and within timeout_min",
            "array_parallelism": self.array_parallelism >= 1 or "at least 1",
        }
        broken = [f"launcher.{k}={getattr(self, k)}: must be {v}" for k, v in rules.items() if v is not True]
        if broken:
            raise UserError("; ".join(broken))
