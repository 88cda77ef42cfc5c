"""Widths per block, as in the paper: of good and bad networks (figure 6), of the best with their fits (8)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from designspace.analysis.study import SpaceAnalysis, StudyAnalysis
from designspace.analysis.width_fit import BlockWidths, Extremes
from designspace.report.style import color, figure_style, use_log2

BAD = "#999999"  # the worst networks
PANELS = 3  # best networks drawn on their own, next to the panel with all of the top


def width_figure(study: StudyAnalysis) -> Figure:
    """One row per space: its best networks together with their line, then the very best with their fits."""
    rows = len(study.spaces) or 1
    with figure_style():
        figure = Figure(figsize=(10, 2.2 * rows + 0.7), layout="constrained")
        figure.suptitle(
            "widths of the best networks (solid), the quantized linear rule closest to each (dashed), "
            "the line closest to all (dotted)",
            fontsize=10,
        )
        grid = figure.subplots(rows, 1 + PANELS, squeeze=False, sharex=True, sharey=True)
        for axes in grid.flat:
            axes.set_axis_off()
        for index, (row, space) in enumerate(zip(grid, study.spaces, strict=False)):
            _draw_top(row[0], space, color(index))
            for rank, (axes, network) in enumerate(zip(row[1:], space.top, strict=False), start=1):
                _draw_network(axes, network, rank, color(index))
        figure.supxlabel("block j + 1", fontsize=9)
        figure.supylabel("width [channels]", fontsize=9)
        return figure


def good_and_bad_figure(spaces: Sequence[Extremes]) -> Figure:
    """One row per space: widths per block of its best networks, then of its worst (figure 6 of the paper)."""
    rows = len(spaces) or 1
    each = max((len(space.good) for space in spaces), default=0) or 1
    with figure_style():
        figure = Figure(figsize=(10, 1.9 * rows + 0.8), layout="constrained")
        figure.suptitle(
            f"widths of the best {each} networks of each space (left) and its worst {each} (right, grey), "
            "with the quantized linear rule closest to each (dashed);\n"
            "networks that diverged or failed have no error and are not shown",
            fontsize=10,
        )
        grid = figure.subplots(rows, 2 * each, squeeze=False, sharex=True, sharey=True)
        for axes in grid.flat:
            axes.set_axis_off()
        for index, (row, space) in enumerate(zip(grid, spaces, strict=False)):
            if not space.good:
                row[0].set_title(f"{space.space}: too few models with an error ({space.n})", loc="left")
            for axes, network in zip(row, space.good, strict=False):
                _draw_extreme(axes, network, color(index))
            for axes, network in zip(row[each:], space.bad, strict=False):
                _draw_extreme(axes, network, BAD)
            if space.good:
                row[0].set_ylabel(f"{space.space}\n{space.n} models", fontsize=8)
        figure.supxlabel("block j + 1", fontsize=9)
        figure.supylabel("width [channels]", fontsize=9)
        return figure


def _draw_extreme(axes: Axes, network: BlockWidths, shade: str) -> None:
    axes.step(_blocks(network), network.observed, where="mid", color=shade, lw=1.8)
    axes.step(_blocks(network), network.fitted, "--", where="mid", color="black", lw=1)
    axes.set_title(f"error {network.error:.1f} %\ne_fit {network.e_fit:.2f}", fontsize=8)
    _show_axes(axes)


def _draw_top(axes: Axes, space: SpaceAnalysis, shade: str) -> None:
    name = space.name
    if not space.top:
        axes.set_title(f"{name}: no finished model")
        return
    for network in space.top:
        axes.step(_blocks(network), network.observed, where="mid", color=shade, alpha=0.35, lw=1)
    longest = max(space.top, key=lambda network: len(network.observed))
    line = space.line.widths(len(longest.observed))
    axes.plot(_blocks(longest), line, ":", color="black", lw=1.5)
    axes.set_title(f"{name}: best {len(space.top)}, line {space.line.slope:.0f} (j + 1)")
    _show_axes(axes)


def _draw_network(axes: Axes, network: BlockWidths, rank: int, shade: str) -> None:
    axes.step(_blocks(network), network.observed, where="mid", color=shade, lw=1.8)
    axes.step(_blocks(network), network.fitted, "--", where="mid", color="black", lw=1.1)
    rule = f"w0 {network.w0:.0f}, wa {network.wa:.1f}, wm {network.wm:.3f}"
    title = f"#{rank}: error {network.error:.1f} %, e_fit {network.e_fit:.3f}\n{rule}"
    axes.set_title(title, fontsize=8)
    _show_axes(axes)


def _blocks(network: BlockWidths) -> range:
    return range(1, len(network.observed) + 1)


def _show_axes(axes: Axes) -> None:
    axes.set_axis_on()
    use_log2(axes, "y", ticks=8)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.tick_params(labelsize=8, labelbottom=True)
