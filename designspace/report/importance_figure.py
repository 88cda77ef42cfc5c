"""Which parameters matter in which space, and what the most important ones do in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from textwrap import fill
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from designspace.analysis.importance import GROUPS, Importance, SpaceImportance
from designspace.analysis.study import SpaceAnalysis
from designspace.networks.architecture import FloatArray
from designspace.networks.complexity import METRICS
from designspace.report.labels import ERROR_LABEL, parameter_label
from designspace.report.parameter_figures import doubles
from designspace.report.style import figure_style, use_log2, without_error

SIGNIFICANT = 0.05
STEPS = (0.7548776662, 0.5698402910)  # their multiples spread points evenly over a square, without chance


def importance_figure(spaces: Sequence[SpaceImportance]) -> Figure:
    """Two tables in colour, parameter by space: share of the ranks' variance, and Spearman's rho."""
    names = _all_names(spaces)
    with figure_style():
        width = 2.6 + 1.5 * max(3, len(spaces))  # inches
        caption = "\n".join(fill(line, int(15 * width)) for line in _caption(spaces))
        figure = Figure(figsize=(width, 1.6 + 0.22 * len(names)), layout="constrained")
        figure.suptitle(caption, fontsize=8, color="#555555", x=0.01, ha="left")
        left, right = figure.subplots(1, 2, sharey=True)
        _draw_table(left, spaces, names, "importance", {"cmap": "Blues", "vmin": 0, "vmax": 0.6})
        _draw_table(right, spaces, names, "rho", {"cmap": "PuOr_r", "vmin": -1, "vmax": 1})
        left.set_title("importance: share of variance of the error ranks")
        right.set_title("direction: Spearman's rho (> 0: larger is worse)")
        return figure


def pairs_figure(space: SpaceAnalysis, names: Sequence[str]) -> Figure:
    """Error as colour over every pair of the named parameters, the best models on top."""
    size = max(1, len(names) - 1)
    with figure_style():
        figure = Figure(figsize=(2.4 * max(2, size) + 1.2, 2.1 * max(2, size) + 0.8), layout="constrained")
        grid = figure.subplots(size, size, squeeze=False, sharex="col", sharey="row")
        for axes in grid.flat:
            axes.set_axis_off()
        norm = Normalize(space.window.low, space.window.high)
        for (column, x), (row, y) in combinations(enumerate(names), 2):
            axes = grid[row - 1, column]
            axes.set_axis_on()
            points = _draw_pair(axes, space, x, y, norm)
            axes.set_xlabel(parameter_label(x) if row == size else "", fontsize=8)
            axes.set_ylabel(parameter_label(y) if column == 0 else "", fontsize=8)
        if len(names) > 1:
            above = "max" if space.window.beyond else "neither"
            figure.colorbar(points, ax=grid, label=ERROR_LABEL, shrink=0.8, aspect=30, extend=above)
        figure.suptitle(_pairs_caption(space, names), fontsize=9)
        return figure


def _draw_pair(axes: Axes, space: SpaceAnalysis, x: str, y: str, norm: Normalize) -> Any:
    status, errors = space.runs["status"], space.runs["error"].to_numpy(dtype=float, na_value=np.nan)
    place = np.arange(len(errors), dtype=float)
    across = _spread(_values(space, x), place * STEPS[0] % 1, x)
    up = _spread(_values(space, y), place * STEPS[1] % 1, y)
    without = status.isin(["diverged", "failed"]).to_numpy(dtype=bool)
    axes.plot(across[without], up[without], "x", color="#D55E00", ms=5, mew=1.2)
    order = np.argsort(-errors, kind="stable")[: int(np.isfinite(errors).sum())]  # without NaN, which is last
    points = axes.scatter(
        across[order], up[order], c=errors[order], cmap="viridis", norm=norm, s=20, lw=0.3, edgecolors="white"
    )
    sides: tuple[tuple[str, Literal["x", "y"]], ...] = ((x, "x"), (y, "y"))
    for name, which in sides:
        if doubles(name) and (len(order) or without.any()):
            use_log2(axes, which, ticks=6)
        elif name[0] == "d":
            axis = axes.xaxis if which == "x" else axes.yaxis
            axis.set_major_locator(MaxNLocator(5, integer=True))
    axes.tick_params(labelsize=7)
    return points


def _values(space: SpaceAnalysis, name: str) -> FloatArray:
    return space.parameters[name].to_numpy(dtype=float) * (1e-6 if name in METRICS else 1.0)


def _spread(values: FloatArray, offsets: FloatArray, name: str) -> FloatArray:
    """Move points of one whole number apart, within the room up to the next, so that none hides another."""
    if doubles(name):
        return values * 2.0 ** (0.3 * (offsets - 0.5)) if name[0] in "bg" else values
    return values + 0.6 * (offsets - 0.5) if name[0] == "d" else values


def _pairs_caption(space: SpaceAnalysis, names: Sequence[str]) -> str:
    counts = space.edf.counts
    text = f"{space.name}: {counts.done} models with an error {without_error(counts)}".rstrip()
    if len(names) < 2:
        return f"{text}\nfewer than two parameters to show"
    text += f"\n{', '.join(names)}; whole numbers are spread a little, the best models lie on top"
    return text + ("; x: diverged or failed" if counts.diverged or counts.failed else "")


def _draw_table(
    axes: Axes,
    spaces: Sequence[SpaceImportance],
    names: Sequence[str],
    field: str,
    colors: Any,
) -> None:
    found = [{p.parameter: p for p in space.parameters} for space in spaces]
    table = np.full((len(names), len(spaces)), np.nan)
    for column, parameters in enumerate(found):
        for row, name in enumerate(names):
            if name not in parameters:
                continue
            value = getattr(parameters[name], field)
            table[row, column] = value
            dark = abs(value) > 0.6 * colors["vmax"]
            axes.text(
                column,
                row,
                _cell(parameters[name], field),
                ha="center",
                va="center",
                fontsize=7.5,
                color="white" if dark else "black",
                fontweight="bold" if parameters[name].p_holm < SIGNIFICANT else "normal",
            )
    if table.size:
        axes.imshow(table, aspect="auto", **colors)
    labels = [f"{space.space}\nn = {space.n}" for space in spaces]
    axes.set_xticks(range(len(spaces)), labels, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _cell(parameter: Importance, field: str) -> str:
    value = getattr(parameter, field)
    if np.isnan(value):
        return "-"
    if field == "rho":
        return f"{value:+.2f}"
    return f"{value:.2f}{'*' if parameter.p_holm < SIGNIFICANT else ''}"


def _all_names(spaces: Sequence[SpaceImportance]) -> list[str]:
    """Every parameter that some space has, in the order of the network: b before b1 before g."""
    first: dict[str, int] = {}
    for space in spaces:
        for parameter in space.parameters:
            first.setdefault(parameter.parameter, len(first))
    kinds = ("depth", "d", "w", "b", "g", "w0", "wa", "wm")
    known = {name: i for i, name in enumerate(kinds)}

    def order(name: str) -> tuple[int, int]:
        kind = name if name in known else name.rstrip("0123456789")
        return known.get(kind, len(known)), first[name]

    return sorted(first, key=order)


def _caption(spaces: Sequence[SpaceImportance]) -> list[str]:
    if not spaces:
        return ["no models"]
    lines = [
        f"Errors' ranks by at most {GROUPS} quantile groups of each parameter: Kruskal-Wallis' epsilon "
        "squared, corrected for chance (about 0, or slightly below, if it does not matter).",
        f"Bold with *: permutation test, p < {SIGNIFICANT} after Holm's correction within the space. Empty: "
        "not in the space; -: one value only, or too few models. Parameters of a budget depend on each "
        "other: association, not effect.",
    ]
    if without := sum(space.n_without_error for space in spaces):
        lines.append(f"{without} diverged or failed models share the worst rank.")
    return lines
