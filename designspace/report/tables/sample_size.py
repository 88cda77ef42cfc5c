"""How many models are enough, as tables."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from designspace.analysis.sample_size import Separation, SubsampleCurve
from designspace.report.tables.columns import stacked
from designspace.report.text.sample_size import separation_words

CURVE_COLUMNS = (
    *("space", "models", "ks_mean", "ks_low", "ks_high", "mean_width", "median_width", "n"),
    "n_without_error",
)
SEPARATION_COLUMNS = (
    *("first", "second", "n_first", "n_second", "p_beats", "p_low", "p_high"),
    *("models_needed", "models_low", "models_high", "text"),
)


def sample_size_table(curves: Sequence[SubsampleCurve]) -> pd.DataFrame:
    """One row per space and number of models drawn; widths in percent points of error."""
    parts = [
        pd.DataFrame(
            {
                "space": curve.space,
                "models": curve.sizes,
                "ks_mean": curve.ks_mean,
                "ks_low": curve.ks_low,
                "ks_high": curve.ks_high,
                "mean_width": curve.mean_width,
                "median_width": curve.median_width,
                "n": curve.counts.n,
                "n_without_error": curve.counts.n - curve.counts.done,
            }
        )
        for curve in curves
    ]
    return stacked(parts, CURVE_COLUMNS)


def separation_table(pairs: Sequence[Separation]) -> pd.DataFrame:
    """One row per pair of spaces: models of each needed for 80 % power at alpha 5 % (Mann-Whitney)."""
    rows = [
        {
            "first": pair.first,
            "second": pair.second,
            "n_first": pair.n_first,
            "n_second": pair.n_second,
            "p_beats": pair.p_beats,
            "p_low": pair.p_interval.low,
            "p_high": pair.p_interval.high,
            "models_needed": pair.needed,
            "models_low": pair.models.low,
            "models_high": pair.models.high,
            "text": separation_words(pair),
        }
        for pair in pairs
    ]
    return pd.DataFrame(rows, columns=SEPARATION_COLUMNS)
