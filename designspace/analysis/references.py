"""Published networks beside the populations: named points, never a population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from designspace.analysis.results import is_reference, outcomes
from designspace.analysis.statistics import NAN, NONE, Estimate, Interval, wilson
from designspace.networks.complexity import METRICS
from designspace.networks.names import NETWORK


@dataclass(frozen=True)
class Standing:
    """Where a published network stands among the models of a space."""

    space: str
    n: int  # models with a verdict
    better_than: Estimate  # share of them with a higher error, or none; 95 % Wilson
    flops_ratio: float  # its flops over the median of theirs


@dataclass(frozen=True)
class ReferencePoint:
    """One published network as it was trained in the study."""

    network: str  # label
    space: str  # the list that it is of
    model_id: str
    status: str
    error: float  # top-1 percent; NaN unless it is done
    flops: float
    params: float
    acts: float
    train_seconds: float  # NaN where it is not known
    standings: tuple[Standing, ...]  # one for each population, in the study's order


def reference_points(
    runs: pd.DataFrame, populations: Mapping[str, pd.DataFrame]
) -> tuple[ReferencePoint, ...]:
    """The published networks among the rows of a study, that of the lowest error first.

    `populations` are the rows of each space, whose models stand for the space.
    """
    named = runs[is_reference(runs)].sort_values(["error", "model_id"], kind="stable")
    return tuple(
        ReferencePoint(
            network=str(row[NETWORK]),
            space=str(row["space"]),
            model_id=str(row["model_id"]),
            status=str(row["status"]),
            error=_number(row, "error"),
            **{metric: _number(row, metric) for metric in METRICS},
            train_seconds=_number(row, "train_seconds"),
            standings=tuple(
                _standing(name, models, _number(row, "error"), _number(row, "flops"))
                for name, models in populations.items()
            ),
        )
        for row in named.to_dict("records")
    )


def _standing(space: str, models: pd.DataFrame, error: float, flops: float) -> Standing:
    found = outcomes(models)  # 100 % where a model has none
    found = found[~np.isnan(found)]
    ratio = flops / float(models["flops"].median())
    if not len(found) or np.isnan(error):
        return Standing(space, len(found), NONE, ratio)
    share = float((found > error).mean())
    low, high = wilson(share, len(found))
    return Standing(space, len(found), Estimate(share, Interval(float(low), float(high))), ratio)


def _number(row: Mapping[Any, Any], name: str) -> float:
    value = row.get(name)
    return float(value) if isinstance(value, int | float | np.number) else NAN
