"""The importance of the parameters as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from designspace.analysis.importance import SpaceImportance

COLUMNS = ("space", "parameter", "importance", "rho", "p_value", "p_holm", "groups", "n")


def importance_table(spaces: Sequence[SpaceImportance]) -> pd.DataFrame:
    """One row per space and parameter."""
    rows = [
        {"space": space.space, "n": space.n} | asdict(parameter)
        for space in spaces
        for parameter in space.parameters
    ]
    return pd.DataFrame(rows, columns=COLUMNS)
