"""What to change where a training set is too small for the settings."""

from __future__ import annotations

from designspace.config import RunConfig
from designspace.data.settings import DataInfo

FEWEST_STEPS = 50  # in an epoch
LARGEST_SHARE = 10  # a batch holds at most the training images over this
SMALL_BATCH, MANY_EPOCHS = 16, 40  # what is recommended


def small_set_advice(config: RunConfig, info: DataInfo) -> str | None:
    """One line where an epoch has few steps or a batch holds much of the set; None where all is well."""
    train = config.train
    steps = info.steps_per_epoch(train.batch_size, drop_last=train.drop_last)
    small = steps < FEWEST_STEPS or train.batch_size > info.num_train / LARGEST_SHARE
    if not small or (train.batch_size <= SMALL_BATCH and train.epochs >= MANY_EPOCHS):
        return None
    return (
        f"{info.num_train:,} training images in batches of {train.batch_size} make {steps:,} steps in an "
        f"epoch, which is little to learn from: train.batch_size={SMALL_BATCH} train.epochs={MANY_EPOCHS} is "
        "recommended, or experiment=small_data"
    )
