"""What several tables share."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from designspace.analysis.statistics import Estimate


def estimate_columns(name: str, estimate: Estimate) -> dict[str, float]:
    """An estimate as three columns of a table."""
    interval = estimate.interval
    return {name: estimate.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def stacked(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """The parts, one below the other; without any, a table of these columns and no row."""
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(columns))
