"""Error against parameters: which values do the good models of a space have?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from designspace.analysis.study import SpaceAnalysis, StudyAnalysis
from designspace.analysis.width_fit import MeanFit
from designspace.networks.complexity import METRICS
from designspace.report.labels import ERROR_LABEL, parameter_label
from designspace.report.style import color, figure_style, use_log2, without_error

COLUMNS = 5


def parameter_figure(space: SpaceAnalysis, index: int = 0) -> Figure:
    """Small multiples, one a parameter; shaded where the best of a random quarter of the models lie."""
    names = [name for name in space.best_values if name != "e_fit"]
    rows = math.ceil(len(names) / COLUMNS) or 1
    with figure_style():
        figure = Figure(figsize=(11, 0.5 + 2.0 * rows), layout="constrained")
        counts = space.edf.counts
        figure.suptitle(
            f"{space.name}: {counts.done} models with an error {without_error(counts)}".rstrip()
            + f"{_beyond(space.window.beyond)}\n"
            "shaded: parameters of the best of a random quarter (2.5 to 97.5 percentile), line: median",
            fontsize=10,
        )
        grid = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True)
        for axes, name in zip(grid.flat, names, strict=False):
            draw_parameter(axes, space, name, color(index))
            axes.set_ylim(space.window.low, space.window.high)
        for axes in grid.flat[len(names) :]:
            axes.set_axis_off()
        figure.supylabel(ERROR_LABEL, fontsize=9)
        return figure


def fit_figure(study: StudyAnalysis) -> Figure:
    """Error against e_fit, one panel a space (figure 9 of the paper)."""
    columns = min(3, len(study.spaces)) or 1
    rows = math.ceil(len(study.spaces) / columns) or 1
    with figure_style():
        figure = Figure(figsize=(3.2 * columns + 0.4, 2.6 * rows + 0.5), layout="constrained")
        figure.suptitle(
            "shaded: e_fit of the best of a random quarter of the models\n"
            f"(2.5 to 97.5 percentile), line: median{_beyond(study.window.beyond)}",
            fontsize=9,
        )
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for index, (axes, space) in enumerate(zip(grid.flat, study.spaces, strict=False)):
            draw_parameter(axes, space, "e_fit", color(index))
            shown = f"{space.edf.counts.done} models {without_error(space.edf.counts)}"
            axes.set_title(f"{space.name}, mean e_fit {space.mean_e_fit:.3f}\n{shown}")
            axes.set_xlabel("")
            axes.set_ylim(study.window.low, study.window.high)
        for axes in grid.flat[len(study.spaces) :]:
            axes.set_axis_off()
        figure.supxlabel("e_fit = mean |log(fitted / observed width)| over blocks", fontsize=9)
        figure.supylabel(ERROR_LABEL, fontsize=9)
        return figure


def mean_fit_figure(fits: Sequence[MeanFit]) -> Figure:
    """Mean e_fit of every space with the bootstrap interval of the mean, in the order of the study."""
    with figure_style():
        figure = Figure(figsize=(6.8, 1.3 + 0.38 * max(1, len(fits))), layout="constrained")
        axes = figure.add_subplot()
        for index, fit in enumerate(fits):
            axes.plot([fit.interval.low, fit.interval.high], [index, index], color=color(index), lw=2.2)
            axes.plot([fit.mean], [index], "o", color=color(index), ms=6)
        names = [f"{fit.space}  {fit.n} models" for fit in fits]
        axes.set_yticks(range(len(fits)), names)
        axes.set(ylim=(max(1, len(fits)) - 0.5, -0.5), xlabel="mean e_fit of all sampled networks")
        axes.set_xlim(left=0)
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_title(
            "bars: 95 % bootstrap interval of the mean (BCa, networks resampled)\n"
            "0: the widths follow a quantized linear rule; a RegNet's do, up to rounding to whole groups",
            loc="left", color="#555555", fontsize=8,
        )  # fmt: skip
        return figure


def _beyond(models: int) -> str:
    return f"; {models} above the upper edge" if models else ""


def draw_parameter(axes: Axes, space: SpaceAnalysis, name: str, shade: str) -> None:
    """One panel: every finished model, and the range of the best."""
    scale = 1e-6 if name in METRICS else 1.0
    best = space.best_values.get(name)
    if best is not None and best.n:
        axes.axvspan(best.low * scale, best.high * scale, color=shade, alpha=0.15, lw=0)
        axes.axvline(best.median * scale, color=shade, lw=1.2)
    axes.scatter(space.parameters[name] * scale, space.runs["error"], s=9, color=shade, alpha=0.6, lw=0)
    axes.set_xlabel(parameter_label(name), fontsize=8)
    axes.tick_params(labelsize=8)
    axes.use_sticky_edges = False  # a margin also beside the shade
    if doubles(name):
        use_log2(axes, "x", ticks=6)
    elif name[0] == "d":
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def doubles(name: str) -> bool:
    """Whether values of a parameter double: widths, bottleneck ratios and group widths."""
    return name[0] in "wbg" and name not in ("wa", "wm")
