"""Parameters of the best models against flops, or study by study (figure 11 of the paper)."""

from __future__ import annotations

import math
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from designspace.analysis.regimes import RegimePoint, Regimes
from designspace.report.labels import parameter_label
from designspace.report.style import color, dashes, figure_style, use_log2

COLUMNS = 3
MARKERS = "osD^vPX"  # a space is known by its marker, too
SPREAD = 0.6  # of the distance between studies, over which the spaces stand side by side; half on an axis
MOST_TICKS = 8  # of regimes on the flops axis
MOST_TRENDS = 3  # spaces whose exponents have room above a panel


def regimes_figure(regimes: Regimes) -> Figure:
    """One panel a parameter: median and range of the best models of each space in every regime."""
    columns = min(COLUMNS, len(regimes.parameters)) or 1
    rows = math.ceil(len(regimes.parameters) / columns) or 1
    names = 0.0 if regimes.by_flops else 0.3
    with figure_style():
        figure = Figure(figsize=(3.3 * columns + 0.3, (2.4 + names) * rows + 1.3), layout="constrained")
        figure.suptitle(_title(regimes, columns), fontsize=9)
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(regimes.parameters) :]:
            axes.set_axis_off()
        for axes, parameter in zip(grid.flat, regimes.parameters, strict=False):
            for index, space in enumerate(regimes.spaces):
                _draw_curve(axes, regimes, regimes.of(space, parameter), index)
            _finish(axes, regimes, parameter)
        handles = [
            Line2D(
                [], [], color=color(i), ls=dashes(i) if regimes.by_flops else "", marker=_marker(i), ms=5,
                label=space,
            )
            for i, space in enumerate(regimes.spaces)
        ]  # fmt: skip
        if handles:
            figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)))
        return figure


def _draw_curve(axes: Axes, regimes: Regimes, points: tuple[RegimePoint, ...], index: int) -> None:
    points = tuple(point for point in points if point.value.n)
    middle = (len(regimes.spaces) - 1) / 2
    if regimes.by_flops:
        x = [point.flops * 1e-6 * _side(regimes, index - middle) for point in points]
    else:
        offset = SPREAD * (index - middle) / max(1, len(regimes.spaces))
        x = [regimes.studies.index(point.study) + offset for point in points]
    medians = [point.value.median for point in points]
    below = [point.value.median - point.value.low for point in points]
    above = [point.value.high - point.value.median for point in points]
    axes.errorbar(
        x, medians, yerr=[below, above], color=color(index), ls=dashes(index) if regimes.by_flops else "",
        marker=_marker(index), ms=5, lw=1.3, elinewidth=1.6, capsize=2.5,
    )  # fmt: skip


def _finish(axes: Axes, regimes: Regimes, parameter: str) -> None:
    axes.set_ylabel(parameter_label(parameter), fontsize=8)
    axes.tick_params(labelsize=8)
    if parameter in ("b", "g", "w0", "wa"):
        use_log2(axes, "y", ticks=6)
    elif parameter == "depth":
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_ylim(bottom=0)
    if regimes.by_flops:
        axes.set_xscale("log")
        ticks = [flops * 1e-6 for flops in regimes.flops]
        if len(ticks) <= MOST_TICKS:
            axes.set_xticks(ticks, [f"{float(f'{tick:.2g}'):g}" for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("flops [millions]", fontsize=8)
        _write_trends(axes, regimes, parameter)
    else:
        labels = [textwrap.fill(_short(study), 14) for study in regimes.studies]
        axes.set_xticks(range(len(labels)), labels)
        axes.set_xlim(-0.6, len(labels) - 0.4)
        axes.grid(visible=False, axis="x")


def _write_trends(axes: Axes, regimes: Regimes, parameter: str) -> None:
    """The exponent of each space above the panel, in its colour."""
    trends = [trend for trend in regimes.trends if trend.parameter == parameter]
    for line, trend in enumerate(reversed(trends[:MOST_TRENDS])):
        index = regimes.spaces.index(trend.space)
        text = f"flops^a, a = {trend.median:.2f} [{trend.low:.2f}, {trend.high:.2f}]"
        axes.annotate(
            text, (0.02, 1.02), (0, 9 * line), "axes fraction", "offset points",
            color=color(index), fontsize=7, va="bottom",
        )  # fmt: skip


def _side(regimes: Regimes, place: float) -> float:
    """Factor on the flops of a space, so that the bars of several spaces stand side by side."""
    gap = min(np.diff(np.log(regimes.flops)), default=0.0)
    return math.exp(SPREAD / 2 * gap * place / max(1, len(regimes.spaces)))


def _title(regimes: Regimes, columns: int) -> str:
    counts = {(point.study, point.space): point.counts for point in regimes.points}
    done = sum(count.done for count in counts.values())
    left_out = sum(count.diverged + count.failed + count.missing for count in counts.values())
    text = (
        "parameters of the best of a random quarter of the models: median (marker), "
        f"2.5 to 97.5 percentile (bar); {done:,} models with an error"
    )
    if left_out:
        text += f", {left_out:,} without (diverged, failed or not run)"
    if regimes.trends:
        text += "; a: exponent of a power law through such models, 2.5 to 97.5 percentile"
    return textwrap.fill(text, 34 + 42 * (columns - 1))


def _short(study: str) -> str:
    return study.replace("_", " ")


def _marker(index: int) -> str:
    return MARKERS[index % len(MARKERS)]
