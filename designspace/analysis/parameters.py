"""The parameters of a space as columns of numbers, so that errors can be held against them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from designspace.networks.architecture import FloatArray
from designspace.networks.complexity import METRICS

REGNET = ("w0", "wa", "wm")


def parameter_columns(runs: pd.DataFrame) -> pd.DataFrame:
    """Parameters of the models of one space, one row per model, columns in the order of the network.

    `depth` is the number of all blocks; `d1, w1, b1, g1` and so on belong to stages. Bottleneck ratio and
    group width appear once, as `b` and `g`, where all stages of every model share them. RegNet spaces add w0,
    wa and wm. A stage that only other models of the space have is NaN.
    """
    depths, widths = _stages(runs, "depths"), _stages(runs, "widths")
    ratios, groups = _stages(runs, "bottleneck_ratios"), _stages(runs, "group_widths")
    columns = {"depth": np.nansum(depths, axis=1)}
    columns |= {f"d{i + 1}": column for i, column in enumerate(depths.T)}
    columns |= {f"w{i + 1}": column for i, column in enumerate(widths.T)}
    columns |= _shared_or_each("b", ratios, np.inf)
    columns |= _shared_or_each("g", groups, widths / ratios)
    for name in (*REGNET, *METRICS):
        if name in runs and runs[name].notna().all():
            columns[name] = runs[name].to_numpy(dtype=float)
    return pd.DataFrame(columns, index=runs.index)


def _stages(runs: pd.DataFrame, name: str) -> FloatArray:
    """[n, stages] with NaN after the last stage of shorter networks."""
    table = np.full((len(runs), max(map(len, runs[name]), default=0)), np.nan)
    for row, values in zip(table, runs[name], strict=True):
        row[: len(values)] = values
    return table


def _shared_or_each(name: str, values: FloatArray, limits: FloatArray | float) -> dict[str, FloatArray]:
    """One column if the stages of every model agree up to their limits, else a column a stage.

    A shared group width is cut to the bottleneck width of stages that are narrower, min(g, w / b).
    """
    if values.size == 0:
        return {}
    largest = np.nanmax(values, axis=1)
    agree = np.isnan(values) | (values == np.minimum(largest[:, None], limits))
    if agree.all():
        return {name: largest}
    return {f"{name}{i + 1}": column for i, column in enumerate(values.T)}
