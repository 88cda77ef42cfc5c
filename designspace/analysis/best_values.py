"""Which values of a parameter do the best models have? The paper's bootstrap (Section 3.2), without drawing.

The paper draws a quarter of the models with replacement, again and again, and notes the parameter of the best
one. How often each model wins has an exact law (`statistics.winner_shares`); the percentiles of the noted
values follow from it. They are no confidence interval of the best value (the bootstrap is inconsistent for
extremes), but a description of the parameters of good models. The error of one run contains the noise of
training, and so does the choice of the winner.
"""

from __future__ import annotations

from dataclasses import dataclass

from designspace.analysis.statistics import weighted_percentiles, winner_shares
from designspace.networks.architecture import FloatArray

PERCENTILES = (2.5, 50.0, 97.5)


@dataclass(frozen=True)
class BestValue:
    """The parameter of the best of a random quarter of the models; NaN without models."""

    low: float  # 2.5 percentile
    median: float
    high: float  # 97.5 percentile
    best: float  # value of the model with the least error of all
    n: int  # models drawn from


def best_value(values: FloatArray, errors: FloatArray) -> BestValue:
    """Of a parameter, values [n], of models with these errors [n]."""
    if len(values) == 0:
        return BestValue(*(float("nan"),) * 4, n=0)
    low, median, high = weighted_percentiles(values, winner_shares(errors), PERCENTILES)
    best = values[int(errors.argmin())]
    return BestValue(float(low), float(median), float(high), float(best), len(values))
