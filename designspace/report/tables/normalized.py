"""Spaces on equal terms in complexity, as tables."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from designspace.analysis.normalized import NormalizedComparison
from designspace.analysis.statistics import NAN
from designspace.report.tables.columns import stacked

SUMMARY_COLUMNS = (
    *("complexity", "space", "n", "n_inside", "n_below", "n_above", "effective_n", "range_low", "range_high"),
    *("bins", "bins_merged", "mean", "normalized_mean", "normalized_mean_low", "normalized_mean_high"),
    *("share_without_error", "reason"),
)
EDF_COLUMNS = ("complexity", "space", "error", "share_below", "lower", "upper")


def normalized_table(comparisons: Sequence[NormalizedComparison]) -> pd.DataFrame:
    """One row per measure of complexity and space: models in and out of the range, mean errors [%]."""
    rows = []
    for comparison in comparisons:
        low, high = comparison.edges[[0, -1]] if len(comparison.edges) else (NAN, NAN)
        rows += [
            {
                "complexity": comparison.by,
                "space": space.space,
                "n": space.counts.n,
                "n_inside": space.inside,
                "n_below": space.below,
                "n_above": space.above,
                "effective_n": space.effective_n,
                "range_low": low,
                "range_high": high,
                "bins": max(len(comparison.edges) - 1, 0),
                "bins_merged": comparison.merged,
                "mean": space.plain_mean,
                "normalized_mean": space.mean,
                "normalized_mean_low": space.mean_interval.low,
                "normalized_mean_high": space.mean_interval.high,
                "share_without_error": space.share_without_error,
                "reason": comparison.reason,
            }
            for space in comparison.spaces
        ]
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def normalized_edf_table(comparisons: Sequence[NormalizedComparison]) -> pd.DataFrame:
    """One row per measure, space and step: up to the next error, F is `share_below`, in its band."""
    parts = [
        pd.DataFrame(
            {
                "complexity": comparison.by,
                "space": space.space,
                "error": space.errors,
                "share_below": space.shares,
                "lower": space.lower,
                "upper": space.upper,
            }
        )
        for comparison in comparisons
        for space in comparison.spaces
    ]
    return stacked(parts, EDF_COLUMNS)
