"""How close a space's widths are to the quantized linear rule, as a table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from designspace.analysis.width_fit import MeanFit


def mean_fit_table(fits: Sequence[MeanFit]) -> pd.DataFrame:
    """One row per space: mean e_fit over all sampled networks with its 95 % bootstrap interval."""
    rows = [(fit.space, fit.n, fit.mean, fit.interval.low, fit.interval.high) for fit in fits]
    return pd.DataFrame(rows, columns=["space", "n", "mean_e_fit", "mean_e_fit_low", "mean_e_fit_high"])
