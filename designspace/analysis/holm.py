"""Holm's correction of p values for the number of tests."""

from __future__ import annotations

import numpy as np

from designspace.networks.architecture import FloatArray


def holm(p_values: FloatArray) -> FloatArray:
    """Step-down correction, [tests]: rejecting those below alpha keeps the chance of any false rejection
    below alpha, whatever the dependence (Holm 1979). NaN stays NaN and is no test.
    """
    adjusted = np.full(len(p_values), np.nan)
    order = np.argsort(p_values, kind="stable")[: int((~np.isnan(p_values)).sum())]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1)
    return adjusted
