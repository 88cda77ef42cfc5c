"""Which values of a parameter do the best models have? The paper's bootstrap (Section 3.2).

Drawn again and again: a quarter of the models with replacement; the one with the least error wins, and its
parameter is noted. The percentiles of these notes say where the best models lie. This is no confidence
interval of the best value (the bootstrap is inconsistent for extremes), but a description of the parameters
of good models. The error of one run contains the noise of training, and so does the choice of the winner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from designspace.networks.architecture import FloatArray, IntArray

SHARE = 0.25  # of the models in each draw
DRAWS = 10_000
PERCENTILES = (2.5, 50.0, 97.5)


@dataclass(frozen=True)
class BestValue:
    """The parameter of the best of a random quarter of the models; NaN without models."""

    low: float  # 2.5 percentile over the draws
    median: float
    high: float  # 97.5 percentile
    best: float  # value of the model with the least error of all
    n: int  # models drawn from


def named_rng(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for each space, pair or topic, whatever others there are."""
    return np.random.default_rng([seed, *name.encode()])


def best_of_draws(
    errors: FloatArray, *, rng: np.random.Generator, share: float = SHARE, draws: int = DRAWS
) -> IntArray:
    """Row of the best model in each draw, [draws]; empty without models.

    Each draw takes round(share n) models, at least one, with replacement from all n. Of equal errors the
    first row wins. The best of m uniform draws has the least of m uniform ranks, whose distribution is
    inverted directly: the floor of n times the minimum of m uniform numbers.
    """
    n = len(errors)
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    taken = max(1, round(share * n))
    minimum = -np.expm1(np.log1p(-rng.random(draws)) / taken)
    ranks = np.minimum((n * minimum).astype(np.int64), n - 1)
    return np.argsort(errors, kind="stable")[ranks]


def best_value(values: FloatArray, errors: FloatArray, winners: IntArray) -> BestValue:
    """Percentiles of a parameter, values [n], over the winners that `best_of_draws` found.

    The percentiles are values that occur (inverse of the distribution function), never between two.
    """
    if len(values) == 0:
        return BestValue(*(float("nan"),) * 4, n=0)
    low, median, high = np.percentile(values[winners], PERCENTILES, method="inverted_cdf")
    best = values[int(np.argmin(errors))]
    return BestValue(float(low), float(median), float(high), float(best), len(values))
