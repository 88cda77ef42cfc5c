"""One row of numbers about the errors of a population."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from designspace.analysis.powered import moments
from designspace.analysis.results import Counts
from designspace.analysis.statistics import NAN, Interval, median_interval
from designspace.networks.architecture import FloatArray


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
    mean_interval: Interval  # 95 percent, as in `powered`, of these models alone
    median_interval: Interval  # 95 percent, percentile bootstrap


def summarize(errors: FloatArray, counts: Counts) -> Summary:
    """Location and spread of the errors [n_done], with intervals of mean and median."""
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
        mean_interval=moments(errors).interval(),
        median_interval=median_interval(errors),
    )
