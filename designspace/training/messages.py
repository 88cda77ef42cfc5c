"""What the driver asks of a worker: plain values, no torch, so that the driver starts at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from designspace.data.found import DataFound
from designspace.data.settings import DataSettings
from designspace.networks.architecture import Architecture
from designspace.networks.settings import NetworkSettings
from designspace.store.paths import SpaceFolder
from designspace.store.records import Attempt, Record, Status, valid_record
from designspace.training.settings import TrainSettings


@dataclass(frozen=True)
class Final:
    """What a final training does beyond a brief one: it keeps the weights, and tests them."""

    splits: tuple[str, ...]  # of the images that are trained on: train, or train and val
    test: bool  # on the test split, once, at the end
    flip: bool  # mirror images, too
    recipe: str  # digest of all that decides the weights but network and seed
    looks: Path  # folder of what was tested
    again: bool  # other weights of the same network, recipe and seed may be tested


@dataclass(frozen=True)
class Job:
    """What all models of a population have in common; picklable, sent to every worker once."""

    folder: SpaceFolder
    data: DataSettings
    network: NetworkSettings
    train: TrainSettings
    resolution: int
    threads: int = 1
    checkpoint_minutes: float = 0.0
    samples: tuple[Architecture | str, ...] = ()  # networks of the population, to time what is `auto`
    choice: Path | None = None  # where that is written down; None: nowhere
    found: DataFound | None = None  # what the images were when the run began, without their listing
    final: Final | None = None


@dataclass(frozen=True)
class Model:
    """One model to train."""

    model_id: str
    architecture: Architecture | str  # or the label of a published network
    seed: int
    flops: int
    params: int
    acts: int
    earlier: tuple[Attempt, ...] = ()  # failed attempts so far
    tested: bool = False  # it is through only when its network was tested, too

    def is_through(self, record: Record | None) -> bool:
        """Whether this record leaves nothing to do."""
        if record is None or not record.is_final:
            return False
        return not self.tested or record.status is Status.DIVERGED or record.test is not None


@dataclass(frozen=True)
class Timing:
    """A request to time a few training steps of a network instead of training it."""

    architecture: Architecture | str


def last_record(folder: SpaceFolder, model: Model) -> Record | None:
    """The model's record, if it leaves nothing to do."""
    record = valid_record(folder, model.model_id)
    return record if model.is_through(record) else None


def training_seed(study_seed: int, model_id: str, repeat: int = 0) -> int:
    """Seed of a model's weights, data order and augmentation, from the study's seed and the model.

    Each `repeat` of a model, from 1, has a seed of its own.
    """
    entropy = [study_seed, int(model_id, 16), *([repeat] if repeat else [])]
    words = np.random.SeedSequence(entropy).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1
