"""Several studies side by side, as tables."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from designspace.analysis.regimes import Regimes

POINTS = (
    *("study", "space", "parameter", "flops_low", "flops", "flops_high"),
    *("low", "median", "high", "best", "n", "n_diverged", "n_failed", "n_missing"),
)
TRENDS = ("space", "parameter", "regimes", "exponent_low", "exponent", "exponent_high")


def regime_table(found: Regimes) -> pd.DataFrame:
    """One row per space, parameter and study: 2.5, 50 and 97.5 percentiles of the best value."""
    rows = [
        {key: getattr(point, key) for key in POINTS[:6]}
        | asdict(point.value)
        | {f"n_{status}": count for status, count in asdict(point.counts).items()}
        for point in found.points
    ]
    return pd.DataFrame(rows, columns=POINTS)


def trend_table(found: Regimes) -> pd.DataFrame:
    """One row per space and parameter: percentiles of the exponent of the flops."""
    rows = [(t.space, t.parameter, t.regimes, t.low, t.median, t.high) for t in found.trends]
    return pd.DataFrame(rows, columns=TRENDS)
