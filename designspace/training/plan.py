"""What a run will take, before it is started."""

from __future__ import annotations

import math
from dataclasses import dataclass

from designspace.training.progress import duration

# RegNetX-400MF (398 M multiply-adds, 3.14 M activations) trains at about 1,060 images per second on one V100.
# Networks are bound by either; a newer GPU is faster, so that the guess is on the safe side.
GPU_FLOPS_PER_SECOND = 1060 * 398e6
GPU_ACTS_PER_SECOND = 1060 * 3.14e6
RECORD_BYTES, EPOCH_BYTES = 2_000, 150  # of one record on disk
CHECKPOINT_BYTES = 8  # per parameter: weight and momentum


@dataclass(frozen=True)
class Plan:
    """A population run in numbers."""

    models: int
    epochs: int
    images: int  # of one epoch
    data: str
    at_once: int  # models trained at the same time
    tasks: int | None  # of a cluster; None on one machine
    gpus: float  # that one model takes: 0 on the CPU, 1/2 where two share a GPU
    model_seconds: float
    source: str  # of that number
    mean_params: float

    @property
    def gpu_hours(self) -> float:
        return self.models * self.model_seconds * self.gpus / 3600

    @property
    def wall_seconds(self) -> float:
        return math.ceil(self.models / self.at_once) * self.model_seconds

    @property
    def disk_bytes(self) -> float:
        """Records of all models, and checkpoints of those that are trained at the same time."""
        records = self.models * (RECORD_BYTES + EPOCH_BYTES * self.epochs)
        return records + min(self.at_once, self.models) * self.mean_params * CHECKPOINT_BYTES

    def __str__(self) -> str:
        """Two lines for people."""
        tasks = "" if self.tasks is None else f" in {self.tasks} tasks"
        cost = f"{self.gpu_hours:,.1f} GPU-hours, " if self.gpus else ""
        epochs = f"{self.epochs} epoch{'s' * (self.epochs != 1)}"
        return (
            f"{self.models} models, {epochs} of {self.images:,} images ({self.data}), "
            f"{self.at_once} at once{tasks}\n"
            f"about {duration(self.wall_seconds)}, {cost}{self.disk_bytes / 1e6:,.1f} MB; "
            f"{self.model_seconds:,.1f} s per model ({self.source})"
        )


def guess_gpu_seconds(flops: float, acts: float, images: int) -> float:
    """Seconds that training on so many images takes on a GPU: from flops or activations, whichever binds."""
    return images * max(flops / GPU_FLOPS_PER_SECOND, acts / GPU_ACTS_PER_SECOND)
