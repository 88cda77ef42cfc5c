"""Every pair of spaces as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from designspace.analysis.compare import QUANTILES, Comparison
from designspace.report.tables.columns import estimate_columns
from designspace.report.text.compare import comparison_sentence

COLUMNS = (
    *("first", "second", "n_first", "n_second", "without_error_first", "without_error_second"),
    *(
        "mean",
        "mean_low",
        "mean_high",
        "p",
        "p_holm",
        "plain_mean",
        "plain_mean_low",
        "plain_mean_high",
        "worth",
    ),
    *(f"q{round(100 * q):02d}{end}" for q in QUANTILES for end in ("", "_low", "_high")),
    *("p_beats", "p_beats_low", "p_beats_high", "ks", "ks_p", "ks_p_holm"),
    *("mann_whitney_p", "mann_whitney_p_holm", "verdict", "sentence"),
)


def comparison_table(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """One row per pair; differences in points of top-1 error, first minus second.

    `mean` is powered where that is possible, and `worth` so many times the trainings; `p` is its test.
    """
    rows = []
    for c in comparisons:
        row: dict[str, Any] = {
            "first": c.first,
            "second": c.second,
            "n_first": c.counts_first.n,
            "n_second": c.counts_second.n,
            "without_error_first": c.counts_first.n - c.counts_first.done,
            "without_error_second": c.counts_second.n - c.counts_second.done,
            "p": c.p,
            "p_holm": c.p_holm,
            "worth": c.worth,
            "p_beats": c.beats,
            "p_beats_low": c.beats_interval.low,
            "p_beats_high": c.beats_interval.high,
            "ks": c.ks,
            "ks_p": c.ks_p,
            "ks_p_holm": c.ks_p_holm,
            "mann_whitney_p": c.mann_whitney_p,
            "mann_whitney_p_holm": c.mann_whitney_p_holm,
            "verdict": c.verdict,
            "sentence": comparison_sentence(c),
        }
        means = [("mean", c.mean), ("plain_mean", c.plain)]
        for name, d in [*means, *((f"q{round(100 * q):02d}", d) for q, d in c.quantiles.items())]:
            row |= estimate_columns(name, d)
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)
