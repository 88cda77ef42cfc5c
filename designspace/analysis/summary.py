"""One row of numbers about the errors of a population."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from designspace.analysis.results import Counts
from designspace.networks.architecture import FloatArray

NAN = float("nan")
RESAMPLED_VALUES = 20_000_000  # at a time, 160 MB: all resamples of up to 2,000 models


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both ends NaN where the data cannot give one."""

    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """Top-1 errors in percent of the models that are done; NaN without any.

    Diverged and failed models have no error: they are in `counts`, and in the EDF.
    """

    counts: Counts
    min: float
    lower_quartile: float
    median: float
    upper_quartile: float
    mean: float
    std: float  # of the population, n - 1; NaN below two models
    mean_interval: Interval  # 95 percent
    median_interval: Interval


def summarize(errors: FloatArray, counts: Counts, *, rng: np.random.Generator) -> Summary:
    """Location and spread of the errors [n_done], with bootstrap intervals of mean and median."""
    if len(errors) == 0:
        none = Interval(NAN, NAN)
        return Summary(counts, NAN, NAN, NAN, NAN, NAN, NAN, none, none)
    quartiles = np.quantile(errors, [0.25, 0.5, 0.75])
    return Summary(
        counts=counts,
        min=float(errors.min()),
        lower_quartile=float(quartiles[0]),
        median=float(quartiles[1]),
        upper_quartile=float(quartiles[2]),
        mean=float(errors.mean()),
        std=float(errors.std(ddof=1)) if len(errors) > 1 else NAN,
        mean_interval=bootstrap_interval(errors, np.mean, rng=rng),
        median_interval=bootstrap_interval(errors, np.median, rng=rng),
    )


def bootstrap_interval(
    errors: FloatArray,
    statistic: Callable[..., Any],
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = 9_999,
) -> Interval:
    """Bootstrap interval of a statistic of the errors [n]; the models are resampled with replacement.

    Bias-corrected and accelerated (scipy.stats.bootstrap); the percentile interval where the acceleration
    is undefined. Equal errors give an interval of length 0, a single error gives none. It covers the
    choice of the models, not the noise of their training.
    """
    if len(errors) < 2:
        return Interval(NAN, NAN)
    if np.ptp(errors) == 0:
        return Interval(float(errors[0]), float(errors[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy warns and returns NaN where BCa is undefined
        result = stats.bootstrap(
            (errors,),
            statistic,
            n_resamples=resamples,
            confidence_level=confidence,
            method="BCa",
            batch=1 + RESAMPLED_VALUES // len(errors),
            random_state=rng,
        )
    low, high = result.confidence_interval
    if not (np.isfinite(low) and np.isfinite(high)):
        tail = (1 - confidence) / 2
        low, high = np.quantile(result.bootstrap_distribution, [tail, 1 - tail])
    return Interval(float(low), float(high))
