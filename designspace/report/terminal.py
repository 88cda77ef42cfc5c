"""The summary of a study as text for the terminal."""

from __future__ import annotations

import math

import pandas as pd

from designspace.analysis.study import SpaceAnalysis, StudyAnalysis


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
        "min": _number(summary.min),
        "mean [95 % interval]": _with_interval(
            summary.mean, summary.mean_interval.low, summary.mean_interval.high
        ),
        "median [95 % interval]": _with_interval(
            summary.median, summary.median_interval.low, summary.median_interval.high
        ),
    }


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{_number(value)} [{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"
