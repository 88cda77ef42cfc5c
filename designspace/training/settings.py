"""The recipe: one for all networks of a study."""

from __future__ import annotations

import math
from dataclasses import dataclass

from designspace.errors import broken, refuse

PRECISIONS = ("fp32", "bf16")
MEMORY_FORMATS = ("channels_last", "contiguous")
MAX_EPOCHS = 100_000
MAX_BATCH = 1_000_000  # images
LAST_BATCHES = ("train", "drop")
CLASS_WEIGHTS = ("none", "balanced")
AUTO = "auto"  # the fastest, timed on some networks of the population


@dataclass
class TrainSettings:
    """SGD with a half-period cosine learning rate, updated every iteration (paper, Appendix)."""

    epochs: int = 10  # passes over the training images
    batch_size: int = 128  # images
    last_batch: str = "drop"  # the incomplete one of an epoch: drop, or train unless it is a single image
    lr: float = 0.05  # at the start, after the warm-up
    momentum: float = 0.9  # 0 to below 1
    nesterov: bool = True  # as in the authors' released code
    weight_decay: float = 5e-5  # on all parameters
    warmup_epochs: float = 0.0  # linear, from lr / steps of warm-up; may be a fraction
    warmup_share: float = 0.0  # added to warmup_epochs, as a share of all epochs
    label_smoothing: float = 0.0  # 0 to 1
    class_weights: str = "none"  # of the loss: none, or balanced: each class counts alike, however few images
    precision: str = "fp32"  # fp32 (TF32 on a GPU), bf16 (autocast, weights stay fp32) or auto: the faster
    memory_format: str = "channels_last"  # channels_last, contiguous or auto: the faster
    val_batch_size: int = 500  # images
    deterministic: bool = False  # on a GPU: deterministic kernels only (slower); the CPU always is
    cudnn_benchmark: bool = True  # on a GPU: time cuDNN's algorithms for each new shape; not if deterministic
    cuda_graphs: bool = False  # on a GPU: replay each step as one graph, for networks of many small kernels

    @property
    def has_valid_epochs(self) -> bool:
        """Whether rules about other keys can go by the epochs."""
        return 1 <= self.epochs <= MAX_EPOCHS

    @property
    def drop_last(self) -> bool:
        return self.last_batch == "drop"

    def check_batch(self, images: int) -> None:
        """Raises UserError if so many training images do not fill a batch."""
        fewer = f"at most {images}, the number of training images"
        refuse(broken("train", self, [("batch_size", self.batch_size <= images, fewer)]))

    def problems(self) -> list[str]:
        """One line for each invalid value."""
        longest = self.epochs if self.has_valid_epochs else math.inf  # else that is the one problem
        rules = [
            ("epochs", self.has_valid_epochs, f"at least 1 and at most {MAX_EPOCHS}"),
            ("batch_size", 2 <= self.batch_size <= MAX_BATCH, f"at least 2 images and at most {MAX_BATCH}"),
            ("last_batch", self.last_batch in LAST_BATCHES, " or ".join(LAST_BATCHES)),
            (
                "val_batch_size",
                1 <= self.val_batch_size <= MAX_BATCH,
                f"at least 1 image and at most {MAX_BATCH}",
            ),
            ("lr", 0 < self.lr < math.inf, "above 0 and finite"),
            ("momentum", 0 <= self.momentum < 1, "at least 0 and below 1"),
            ("nesterov", not self.nesterov or self.momentum != 0, "false where train.momentum=0"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "at least 0 and finite"),
            (
                "warmup_epochs",
                0 <= self.warmup_epochs < longest,
                f"at least 0 and below train.epochs={self.epochs}",
            ),
            ("warmup_share", 0 <= self.warmup_share < 1, "at least 0 and below 1"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "at least 0 and below 1"),
            ("class_weights", self.class_weights in CLASS_WEIGHTS, " or ".join(CLASS_WEIGHTS)),
            ("precision", self.precision in (*PRECISIONS, AUTO), f"one of {', '.join((*PRECISIONS, AUTO))}"),
            (
                "memory_format",
                self.memory_format in (*MEMORY_FORMATS, AUTO),
                f"one of {', '.join((*MEMORY_FORMATS, AUTO))}",
            ),
        ]
        return broken("train", self, rules)
