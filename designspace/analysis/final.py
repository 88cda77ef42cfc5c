"""The networks of the final trainings of a study: what each costs, and how it did over its seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from designspace.analysis.statistics import NAN, Interval, wilson
from designspace.networks.names import NETWORK


@dataclass(frozen=True)
class Curve:
    """One training, epoch by epoch."""

    train_losses: tuple[float, ...]
    val_errors: tuple[float, ...]  # top-1 percent; empty where the validation images were trained on


@dataclass(frozen=True)
class FinalNetwork:
    """One network, trained properly with some seeds; errors are top-1 percent, NaN where not known."""

    name: str  # label of a published network, else the first digits of its id
    folder: str  # of the study: the networks of one have one recipe
    space: str
    published: bool
    flops: float
    params: float
    acts: float
    epochs: float
    batch_size: float
    seeds: int  # trainings that ended
    test_error: float  # mean over the seeds
    test_std: float  # over the seeds
    test_images: float
    looks: int  # at the test images with one seed, at most
    val_error: float  # mean over the seeds
    train_seconds: float  # mean over the seeds
    curves: tuple[Curve, ...]

    @property
    def interval(self) -> Interval:
        """95 % interval of the mean test error in percent for the choice of the test images (Wilson)."""
        if math.isnan(self.test_error):
            return Interval(NAN, NAN)
        low, high = wilson(self.test_error / 100, self.test_images)
        return Interval(100 * float(low), 100 * float(high))


def final_networks(
    folder: str, table: pd.DataFrame, curves: Mapping[str, Sequence[Curve]], batch_size: float = NAN
) -> tuple[FinalNetwork, ...]:
    """The rows of a final.csv in its folder of the study, with the learning curves by network."""
    return tuple(
        FinalNetwork(
            name=_name(row),
            folder=folder,
            space=str(row["space"]),
            published=isinstance(row.get(NETWORK), str),
            **{key: float(row[key]) for key in ("flops", "params", "acts")},
            epochs=_number(row, "epochs"),
            batch_size=batch_size,
            seeds=int(row["seeds"]),
            test_error=_number(row, "test_error"),
            test_std=_number(row, "test_error_std"),
            test_images=_number(row, "test_images"),
            looks=int(row["looks"]),
            val_error=_number(row, "val_error"),
            train_seconds=_number(row, "train_seconds"),
            curves=tuple(curves.get(str(row["network_id"]), ())),
        )
        for row in table.to_dict("records")
    )


def _name(row: Mapping[Any, Any]) -> str:
    return row[NETWORK] if isinstance(row.get(NETWORK), str) else str(row["network_id"])[:8]


def _number(row: Mapping[Any, Any], key: str) -> float:
    value = row.get(key)
    return NAN if value is None or pd.isna(value) else float(value)
