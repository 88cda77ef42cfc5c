"""A number with its interval, from resamples of models drawn with replacement, within each space.

A resample is a column of counts, how often each model was drawn, so that ranks come from cumulative sums and
concordant pairs from a matrix product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from designspace.analysis.summary import NAN, Interval
from designspace.networks.architecture import FloatArray

RESAMPLES = 1_000
CONFIDENCE = 0.95
TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
FEWEST = 8  # models; with fewer an interval, or a density, would only look like one


@dataclass(frozen=True)
class Estimate:
    """A number and its interval, both NaN where the data cannot give them."""

    value: float
    interval: Interval


NONE = Estimate(NAN, Interval(NAN, NAN))


def draw_key(rng: np.random.Generator) -> int:
    """A number from which the spaces' own generators follow."""
    return int(rng.integers(2**63))


def resampled_counts(n: int, resamples: int, rng: np.random.Generator) -> FloatArray:
    """How often each of n models is in each resample, [n, 1 + resamples]; column 0 is the sample itself."""
    counts = np.ones((n, 1 + resamples))
    if n:
        drawn = rng.integers(n, size=(n, resamples)) * resamples + np.arange(resamples)
        counts[:, 1:] = np.bincount(drawn.ravel(), minlength=n * resamples).reshape(n, resamples)
    return counts


def ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Quotient with NaN where the denominator is 0 (a resample of equal values has no correlation)."""
    result: FloatArray = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return result


def estimate(draws: FloatArray, n: int, *, confidence: float = CONFIDENCE) -> Estimate:
    """Value on the sample, draws[0], and percentile interval of the others; none below FEWEST models."""
    value, others = float(draws[0]), draws[1:][np.isfinite(draws[1:])]
    if n < FEWEST or math.isnan(value) or len(others) == 0:
        return Estimate(value, NONE.interval)
    tail = (1 - confidence) / 2
    low, high = np.quantile(others, [tail, 1 - tail])
    return Estimate(value, Interval(float(low), float(high)))


def in_words(value: Estimate, scale: float = 1, digits: int = 2) -> str:
    """The value and its interval, "0.60 [0.51, 0.73]"; "not known" instead of NaN."""
    low, high = value.interval.low, value.interval.high
    if math.isnan(value.value):
        return "not known"
    if math.isnan(low) or math.isnan(high):
        return f"{scale * value.value:.{digits}f} [not known]"
    return f"{scale * value.value:.{digits}f} [{scale * low:.{digits}f}, {scale * high:.{digits}f}]"


def estimate_columns(name: str, estimate: Estimate) -> dict[str, float]:
    """An estimate as three columns of a table."""
    interval = estimate.interval
    return {name: estimate.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
