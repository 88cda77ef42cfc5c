"""The results of an analysis as flat tables, one CSV file each."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from designspace.analysis.study import SpaceAnalysis, StudyAnalysis
from designspace.report.tables.columns import estimate_columns, stacked

SUMMARY = (
    *("space", "n", "n_done", "n_diverged", "n_failed", "n_missing", "min", "lower_quartile", "median"),
    *("median_low", "median_high", "upper_quartile", "mean", "mean_low", "mean_high", "std", "mean_e_fit"),
    *("line_slope", "plain_mean", "plain_mean_low", "plain_mean_high", "worth"),
)
PARAMETERS = ("space", "parameter", "low", "median", "high", "best", "n")
FITS = (
    *("space", "model_id", "status", "error"),
    *(f"{name}_{rule}" for rule in ("nearest", "floor") for name in ("w0", "wa", "wm", "e_fit")),
)
EDF = ("space", "error", "share_below", "lower", "upper")


def summary_table(study: StudyAnalysis) -> pd.DataFrame:
    """One row per space: models by status; errors in percent with 95 % intervals; mean e_fit.

    `mean` is powered where that is possible, `worth` so many times the trainings; beside it the plain one.
    n counts done, diverged and failed models; minimum, quantiles and means are over those that are done.
    `mean_e_fit` is over all sampled networks; `line_slope` is that of the line through the best widths.
    """
    return pd.DataFrame([_summary_row(space) for space in study.spaces], columns=SUMMARY)


def parameter_table(study: StudyAnalysis) -> pd.DataFrame:
    """One row per space and parameter: percentiles of the best value, and the value of the best model."""
    rows = [
        {"space": space.name, "parameter": name} | asdict(value)
        for space in study.spaces
        for name, value in space.best_values.items()
    ]
    return pd.DataFrame(rows, columns=PARAMETERS)


def fit_table(study: StudyAnalysis) -> pd.DataFrame:
    """One row per model: the closest quantized linear rule, with levels rounded to nearest and to floor."""
    parts = []
    for space in study.spaces:
        part = space.runs[["space", "model_id", "status", "error"]].copy()
        for fits in (space.nearest, space.floor):
            for name in ("w0", "wa", "wm", "e_fit"):
                part[f"{name}_{fits.rounding}"] = getattr(fits, name)
        parts.append(part)
    return stacked(parts, FITS)


def edf_table(study: StudyAnalysis) -> pd.DataFrame:
    """One row per space and step: up to the next error, F is `share_below`, in its 95 % DKW band."""
    parts = [
        pd.DataFrame(
            {
                "space": space.name,
                "error": space.edf.errors,
                "share_below": space.edf.shares,
                "lower": space.edf.lower,
                "upper": space.edf.upper,
            }
        )
        for space in study.spaces
    ]
    return stacked(parts, EDF)


def _summary_row(space: SpaceAnalysis) -> dict[str, Any]:
    summary = space.summary
    counts = {f"n_{status}": count for status, count in asdict(summary.counts).items()}
    return counts | {
        "space": space.name,
        "n": summary.counts.n,
        "min": summary.min,
        "lower_quartile": summary.lower_quartile,
        "median": summary.median,
        "median_low": summary.median_interval.low,
        "median_high": summary.median_interval.high,
        "upper_quartile": summary.upper_quartile,
        **estimate_columns("mean", space.mean.estimate),
        **estimate_columns("plain_mean", space.mean.plain),
        "worth": space.mean.worth,
        "std": summary.std,
        "mean_e_fit": space.mean_e_fit,
        "line_slope": space.line.slope,
    }
