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
from designspace.store.records import Attempt
from designspace.training.settings import TrainSettings


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
    samples: tuple[Architecture, ...] = ()  # networks of the population, to time what is `auto`
    choice: Path | None = None  # where that is written down; None: nowhere
    found: DataFound | None = None  # what the images were when the run began, without their listing


@dataclass(frozen=True)
class Model:
    """One model to train."""

    model_id: str
    architecture: Architecture
    seed: int
    flops: int
    params: int
    acts: int
    earlier: tuple[Attempt, ...] = ()  # failed attempts so far


@dataclass(frozen=True)
class Timing:
    """A request to time a few training steps of a network instead of training it."""

    architecture: Architecture


def training_seed(study_seed: int, model_id: str, repeat: int = 0) -> int:
    """Seed of a model's weights, data order and augmentation, from the study's seed and the model.

    Each `repeat` of a model, from 1, has a seed of its own.
    """
    entropy = [study_seed, int(model_id, 16), *([repeat] if repeat else [])]
    words = np.random.SeedSequence(entropy).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1
