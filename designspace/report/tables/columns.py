"""Columns that several tables share."""

from __future__ import annotations

from designspace.analysis.statistics import Estimate


def estimate_columns(name: str, estimate: Estimate) -> dict[str, float]:
    """An estimate as three columns of a table."""
    interval = estimate.interval
    return {name: estimate.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
