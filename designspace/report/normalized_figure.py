"""Spaces on equal terms: error distributions with complexity spread alike over all of them."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from designspace.analysis.edf import ErrorWindow
from designspace.analysis.normalized import NormalizedComparison
from designspace.report.labels import COST_NAMES, ERROR_LABEL
from designspace.report.style import color, dashes, figure_style, without_error


def normalized_edf_figure(comparisons: Sequence[NormalizedComparison], window: ErrorWindow) -> Figure:
    """One row per measure: complexity of the models and the bins, weighted EDFs, means before and after."""
    rows = len(comparisons) or 1
    spaces = comparisons[0].spaces if comparisons else ()
    with figure_style():
        figure = Figure(figsize=(11, 3.0 * rows + 0.9 + 0.19 * len(spaces) / 2), layout="constrained")
        figure.suptitle(_caption(comparisons), fontsize=9, color="#555555", x=0.01, ha="left")
        grid = figure.subplots(rows, 3, squeeze=False, width_ratios=(1, 1.25, 0.9))
        for axes in grid.flat[3 * len(comparisons) :]:
            axes.set_axis_off()
        for (left, middle, right), comparison in zip(grid, comparisons, strict=False):
            _draw_complexity(left, comparison)
            _draw_edfs(middle, comparison, window)
            _draw_means(right, comparison)
        if spaces:
            figure.legend(
                *grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=min(3, len(spaces))
            )
        return figure


def _draw_complexity(axes: Axes, comparison: NormalizedComparison) -> None:
    """EDF of the complexity itself; where the curves differ, plain comparisons are unfair."""
    millions = comparison.edges * 1e-6
    if len(millions):
        axes.axvspan(millions[0], millions[-1], color="#000000", alpha=0.06, lw=0)
    for edge in millions:
        axes.axvline(edge, color="#999999", lw=0.5)
    for index, space in enumerate(comparison.spaces):
        label = f"{space.space} {without_error(space.counts)}".rstrip()
        lines = axes.ecdf(space.complexity * 1e-6) if len(space.complexity) else axes.plot([], [])[0]
        lines.set(color=color(index), linestyle=dashes(index), linewidth=1.5, label=label)
    _log_axis(axes, comparison)
    axes.grid(False, axis="x")
    axes.set(ylim=(0, 1.02), ylabel="share of models with less", xlabel=f"{_name(comparison)} [millions]")
    axes.set_title(_bins_text(comparison), loc="left", fontsize=8)


def _log_axis(axes: Axes, comparison: NormalizedComparison) -> None:
    ends = [
        value for space in comparison.spaces for value in space.complexity[[0, -1][: len(space.complexity)]]
    ]
    axes.set_xscale("log")
    wide = not ends or max(ends) > 4 * min(ends)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if wide else MaxNLocator(5))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", labelsize=8)


def _draw_edfs(axes: Axes, comparison: NormalizedComparison, window: ErrorWindow) -> None:
    shade = min(0.15, 0.4 / max(1, len(comparison.spaces)))
    for index, space in enumerate(comparison.spaces):
        paint = color(index)
        axes.fill_between(space.errors, space.lower, space.upper, step="post", color=paint, alpha=shade, lw=0)
        axes.step(space.errors, space.shares, dashes(index), where="post", color=paint, lw=1.6)
    axes.set(xlim=(window.low, window.high), ylim=(0, 1.02))
    axes.set(xlabel=ERROR_LABEL, ylabel="share of weight with a lower error")
    axes.set_title(f"EDF with {_name(comparison)} spread alike", loc="left", fontsize=8)
    if comparison.reason:
        axes.text(0.5, 0.5, comparison.reason, ha="center", va="center", wrap=True, transform=axes.transAxes)


def _draw_means(axes: Axes, comparison: NormalizedComparison) -> None:
    for index, space in enumerate(comparison.spaces):
        paint, interval = color(index), space.mean_interval
        axes.plot([interval.low, interval.high], [index, index], color=paint, lw=2.2, alpha=0.6)
        axes.plot(space.plain_mean, index, "o", mfc="white", mec=paint, ms=6)
        axes.plot(space.mean, index, "o", color=paint, ms=6)
    labels = [
        f"{space.space}\n{space.inside} of {space.counts.n}, eff. {_number(space.effective_n)}"
        for space in comparison.spaces
    ]
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlabel(f"mean {ERROR_LABEL}")
    axes.set_title("mean: plain (ring), weighted (dot)", loc="left", fontsize=8)


def _caption(comparisons: Sequence[NormalizedComparison]) -> str:
    if not comparisons:
        return "no models"
    percent = f"{100 * comparisons[0].confidence:.0f} %"
    return (
        "Complexity-normalised errors. Left, shaded: the range all spaces share, cut into bins; each bin "
        "weighs the same in every space.\n"
        f"Middle: {percent} pointwise band (binomial, effective n). Right: {percent} bootstrap interval of "
        "the weighted mean; models in the range of all, effective n.\n"
        "Models outside the range have no weight; diverged and failed ones have, and never reach an error."
    )


def _bins_text(comparison: NormalizedComparison) -> str:
    if comparison.reason:
        return "no common range"
    bins = len(comparison.edges) - 1
    merged = f" ({comparison.merged} of {comparison.bins_before} merged)" if comparison.merged else ""
    return f"{bins} bin{'s' * (bins != 1)}{merged}"


def _name(comparison: NormalizedComparison) -> str:
    return COST_NAMES.get(comparison.by, comparison.by)


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.0f}"
