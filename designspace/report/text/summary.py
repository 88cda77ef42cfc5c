"""The summary of a study as text for the terminal."""

from __future__ import annotations

import pandas as pd

from designspace.analysis.study import SpaceAnalysis, StudyAnalysis
from designspace.report.text.numbers import number, number_with_interval


def summary_text(study: StudyAnalysis) -> str:
    """One line per space: models by status, least, mean and median error in percent with 95 % intervals."""
    rows = [_row(space) for space in study.spaces]
    return pd.DataFrame(rows).to_string(index=False)


def _row(space: SpaceAnalysis) -> dict[str, str]:
    summary, counts = space.summary, space.summary.counts
    return {
        "space": space.name,
        "done": str(counts.done),
        "diverged": str(counts.diverged),
        "failed": str(counts.failed),
        "missing": str(counts.missing),
        "min": number(summary.min),
        "mean [95 % interval]": number_with_interval(summary.mean, summary.mean_interval),
        "median [95 % interval]": number_with_interval(summary.median, summary.median_interval),
    }
