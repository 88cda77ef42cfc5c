"""How well brief training ranks models, as a table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from designspace.analysis.ranking import Agreement, RankingAnalysis
from designspace.report.tables.columns import estimate_columns

RANKING = (
    *("comparison", "space", "epoch", "of", "n", "tau", "tau_low", "tau_high"),
    *("spearman", "spearman_low", "spearman_high", "n_best", "overlap", "overlap_low", "overlap_high"),
    *("regret", "regret_low", "regret_high", "regret_top", "regret_random"),
)


def ranking_table(ranking: RankingAnalysis) -> pd.DataFrame:
    """One row a comparison and space: after `epoch` against after `of` epochs, 95 % bootstrap intervals.

    `comparison` is "epoch" within one training and "extended" against a longer one. Space "all" pools pairs
    within spaces. Regrets are in percent of error; their range is that over resamples of the models.
    """
    rows = [
        {"comparison": "epoch", "space": name, "epoch": at.epoch, "of": at.epochs} | _columns(at.agreement)
        for name, found in (*((s.name, s.epochs) for s in ranking.spaces), ("all", ranking.pooled))
        for at in found
    ]
    for part in ranking.extended:
        rows.append(
            {"comparison": "extended", "space": part.name}
            | {"epoch": part.brief_epochs, "of": part.extended_epochs}
            | _columns(part.agreement)
            | estimate_columns("regret", part.regret)
            | {"regret_top": part.regret_top.value, "regret_random": part.regret_random}
        )
    if ranking.pooled_extended is not None:
        rows.append({"comparison": "extended", "space": "all"} | _columns(ranking.pooled_extended))
    return pd.DataFrame(rows, columns=RANKING)


def _columns(agreement: Agreement) -> dict[str, Any]:
    return (
        {"n": agreement.n, "n_best": agreement.best}
        | estimate_columns("tau", agreement.tau)
        | estimate_columns("spearman", agreement.spearman)
        | estimate_columns("overlap", agreement.overlap)
    )
