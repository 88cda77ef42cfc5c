"""Correlations of costs and times as tables."""

from __future__ import annotations

import pandas as pd

from designspace.analysis.costs import CostAnalysis
from designspace.report.tables.columns import estimate_columns

COST = (
    *("space", "x", "y", "n", "spearman", "spearman_low", "spearman_high"),
    *("pearson_log", "pearson_log_low", "pearson_log_high"),
)
LEADS = ("time", "best", "other", "difference", "difference_low", "difference_high")


def cost_table(costs: CostAnalysis) -> pd.DataFrame:
    """One row per space (and pooling) and pair: Spearman and Pearson of logs, 95 % bootstrap intervals."""
    rows = [
        {"space": space.name, "x": found.x, "y": found.y, "n": found.n}
        | estimate_columns("spearman", found.spearman)
        | estimate_columns("pearson_log", found.pearson)
        for space in (*costs.spaces, costs.within, costs.together)
        for found in space.correlations
    ]
    return pd.DataFrame(rows, columns=COST)


def lead_table(costs: CostAnalysis) -> pd.DataFrame:
    """One row a time and cost that explains it less: the best one's |Spearman| minus that cost's.

    The intervals hold together with 95 % for all pairs of costs (Bonferroni): 98.3 % each.
    """
    rows = [
        {"time": lead.time, "best": lead.best, "other": lead.other}
        | estimate_columns("difference", lead.difference)
        for lead in costs.leads
    ]
    return pd.DataFrame(rows, columns=LEADS)
