"""Random-search curves as a table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from designspace.analysis.random_search import RandomSearchCurve
from designspace.report.tables.columns import stacked

COLUMNS = ("space", "draws", "best_error", "low", "high", "n", "n_without_error")


def random_search_table(curves: Sequence[RandomSearchCurve]) -> pd.DataFrame:
    """One row per space and number of draws: expected best top-1 error [%] with its 95 % interval."""
    parts = [
        pd.DataFrame(
            {
                "space": curve.space,
                "draws": curve.draws,
                "best_error": curve.best,
                "low": curve.low,
                "high": curve.high,
                "n": curve.n,
                "n_without_error": curve.n - curve.counts.done,
            }
        )
        for curve in curves
        if curve.n
    ]
    return stacked(parts, COLUMNS)
