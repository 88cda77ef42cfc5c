"""What would a restriction of a space change? Answered from the trained population of the whole space.

A restriction is a condition on the networks (see `spaces.restrictions`), so the models of a population that
meet it are a random sample of the restricted space, in the same complexity window: their errors are what its
own population would show, with fewer models. Only `shared` draws differently: networks whose stages agree by
chance are the same networks, but in other shares where the values of a parameter are not equally likely.

Intervals cover the choice of the models, not the noise of their training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from designspace.analysis.compare import Comparison, compare
from designspace.analysis.edf import ErrorDistribution, error_distribution
from designspace.analysis.results import check_runs, count_statuses, finished_errors, sampled
from designspace.analysis.summary import Summary, summarize
from designspace.networks.architecture import FloatArray
from designspace.spaces.restrictions import SHARED, Restriction

BoolArray = npt.NDArray[np.bool_]

PER_STAGE = ("depths", "widths", "bottleneck_ratios", "group_widths")
WITHOUT_ERROR = 200.0  # percent, above every error: the rank of diverged and failed models


@dataclass(frozen=True, eq=False)
class Group:
    """Some models of a population."""

    name: str
    edf: ErrorDistribution
    summary: Summary


@dataclass(frozen=True, eq=False)
class WhatIf:
    """The models of a population that meet a restriction, beside all of them and those that do not."""

    everything: Group
    kept: Group
    rest: Group
    difference: Comparison  # of the kept and the rest; the two share no model


def meets(runs: pd.DataFrame, restrictions: Sequence[Restriction]) -> BoolArray:
    """Which models of one space meet all restrictions, [n].

    `shared` is met where the stages agree; group widths may be cut to the bottleneck width of their stage.
    """
    keep = np.ones(len(runs), dtype=bool)
    if len(runs) == 0:
        return keep
    for restriction in restrictions:
        values = column(runs, restriction.parameter)
        if restriction.kind == SHARED:
            limits = column(runs, "widths") / column(runs, "bottleneck_ratios")
            largest = values.max(axis=1, keepdims=True)
            cut = np.minimum(largest, limits) if restriction.parameter == "group_widths" else largest
            keep &= (values == cut).all(axis=1)
        else:
            keep &= restriction.allows(values)
    return keep


def what_if(runs: pd.DataFrame, restrictions: Sequence[Restriction], *, seed: int = 0) -> WhatIf:
    """Compare the models of one space (see `results.REQUIRED`) that meet all restrictions with the others."""
    check_runs(runs)
    runs = sampled(runs)
    keep = meets(runs, restrictions)
    kept, rest = runs[keep], runs[~keep]
    return WhatIf(
        everything=group("all", runs),
        kept=group("kept", kept),
        rest=group("rest", rest),
        difference=compare("kept", "rest", kept, rest, seed=seed),
    )


def group(name: str, runs: pd.DataFrame) -> Group:
    """Error distribution and summary of some models."""
    errors, counts = finished_errors(runs), count_statuses(runs)
    return Group(name, error_distribution(errors, counts), summarize(errors, counts))


def column(runs: pd.DataFrame, parameter: str) -> FloatArray:
    """Values of a parameter that restrictions speak of, [n] or [n, stages]."""
    if parameter in PER_STAGE:
        return np.array(runs[parameter].tolist(), dtype=float)
    if parameter == "depth" and parameter not in runs:
        return np.array([sum(depths) for depths in runs["depths"]], dtype=float)
    return runs[parameter].to_numpy(dtype=float)
