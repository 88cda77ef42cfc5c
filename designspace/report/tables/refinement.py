"""What-if and proposals as flat tables, one CSV file each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from designspace.analysis.compare import Comparison
from designspace.analysis.proposals import Proposal
from designspace.analysis.refinement import Group

DIFFERENCE = (
    *("mean_difference", "mean_low", "mean_high", "median_difference", "median_low", "median_high"),
    *("p", "probability_better", "p_mann_whitney", "effective_n", "verdict"),
)
GROUPS = (
    *("models", "n", "n_done", "n_diverged", "n_failed", "n_missing", "min", "mean", "mean_low", "mean_high"),
    *("median", "median_low", "median_high", *DIFFERENCE),
)
PROPOSALS = (
    *("parameter", "kind", "low", "high", "n", "n_kept", "mean_kept", "mean_rest"),
    *DIFFERENCE[:-1],
    *("p_permutation", "p_holm", "verdict"),
)


def group_table(groups: Sequence[Group], differences: Sequence[Comparison | None]) -> pd.DataFrame:
    """One row per group of models; errors in percent with 95 % intervals.

    Differences are those of the kept models from the rest, and of a trained refined space from all models.
    """
    rows = [_group_row(*row) for row in zip(groups, differences, strict=True)]
    return pd.DataFrame(rows, columns=GROUPS)


def proposal_table(proposals: Sequence[Proposal]) -> pd.DataFrame:
    """One row a proposed restriction, in their order; differences are of the kept models from the rest."""
    rows = [
        {
            "parameter": found.restriction.parameter,
            "kind": found.restriction.kind,
            "low": found.restriction.low if found.restriction.kind == "range" else None,
            "high": found.restriction.high if found.restriction.kind == "range" else None,
            "n": found.n,
            "n_kept": found.kept,
            "mean_kept": found.mean_kept,
            "mean_rest": found.mean_rest,
        }
        | difference_values(found.difference)
        | {"p_permutation": found.p, "p_holm": found.p_holm, "verdict": found.verdict}
        for found in proposals
    ]
    return pd.DataFrame(rows, columns=PROPOSALS)


def difference_values(found: Comparison) -> dict[str, float | str]:
    """The columns of DIFFERENCE; p values are those of one comparison, not corrected."""
    mean, median = found.mean, found.quantiles[0.5]
    values = (
        *(mean.value, mean.interval.low, mean.interval.high),
        *(median.value, median.interval.low, median.interval.high),
        *(found.p, found.beats, found.mann_whitney_p, found.effective_n, found.verdict),
    )
    return dict(zip(DIFFERENCE, values, strict=True))


def _group_row(group: Group, difference: Comparison | None) -> dict[str, object]:
    summary = group.summary
    row: dict[str, object] = {"models": group.name, "n": summary.counts.n}
    row |= {f"n_{status}": count for status, count in asdict(summary.counts).items()}
    row |= {
        "min": summary.min,
        "mean": summary.mean,
        "mean_low": summary.mean_interval.low,
        "mean_high": summary.mean_interval.high,
        "median": summary.median,
        "median_low": summary.median_interval.low,
        "median_high": summary.median_interval.high,
    }
    return row | (difference_values(difference) if difference else {})
