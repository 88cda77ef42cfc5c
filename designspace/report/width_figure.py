"""Widths per block of the best networks with the quantized linear rules closest to them (figure 8)."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from designspace.analysis.study import SpaceAnalysis, StudyAnalysis, WidthProfile
from designspace.report.style import color, figure_style, use_log2

PANELS = 3  # best networks drawn on their own, next to the panel with all of the top


def width_figure(study: StudyAnalysis) -> Figure:
    """One row a space: its best networks together with their line, then the very best with their fits."""
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


def _draw_network(axes: Axes, network: WidthProfile, rank: int, shade: str) -> None:
    axes.step(_blocks(network), network.observed, where="mid", color=shade, lw=1.8)
    axes.step(_blocks(network), network.fitted, "--", where="mid", color="black", lw=1.1)
    rule = f"w0 {network.w0:.0f}, wa {network.wa:.1f}, wm {network.wm:.3f}"
    title = f"#{rank}: error {network.error:.1f} %, e_fit {network.e_fit:.3f}\n{rule}"
    axes.set_title(title, fontsize=8)
    _show_axes(axes)


def _blocks(network: WidthProfile) -> range:
    return range(1, len(network.observed) + 1)


def _show_axes(axes: Axes) -> None:
    axes.set_axis_on()
    use_log2(axes, "y", ticks=8)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.tick_params(labelsize=8, labelbottom=True)
