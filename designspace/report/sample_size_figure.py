"""How many models are enough: for one distribution, and to tell two spaces apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from designspace.analysis.sample_size import ALPHA, POWER, Separation, SubsampleCurve
from designspace.report.style import color, dashes, figure_style, use_log2, without_error
from designspace.report.text.sample_size import separation_words

CELL = 0.62  # inches for a row of the table of pairs
RANGE = (10.0, 10_000.0)  # models per space between the darkest and the lightest cell


def sample_size_figure(curves: Sequence[SubsampleCurve], pairs: Sequence[Separation]) -> Figure:
    """Distance of m models to the pool, width of the intervals of mean and median, models for each pair."""
    names = [curve.space for curve in curves]
    with figure_style():
        figure = Figure(figsize=(11, 4.6 + max(1.6, CELL * len(names))), layout="constrained")
        heights = (4.0, 0.6 + max(1.6, CELL * len(names)))
        parts = figure.add_gridspec(2, 1, height_ratios=heights)
        above, below = figure.add_subfigure(parts[0]), figure.add_subfigure(parts[1])
        panels = above.subplots(1, 3)
        _draw_distances(panels[0], curves)
        _draw_widths(panels[1], curves, "mean")
        _draw_widths(panels[2], curves, "median")
        if curves:
            above.legend(
                *panels[0].get_legend_handles_labels(),
                loc="outside lower center",
                ncols=min(3, len(curves)),
                title="space  models drawn from",
                title_fontsize=8,
            )
        _draw_pairs(below.subplots(), names, pairs)
        return figure


def _draw_distances(axes: Axes, curves: Sequence[SubsampleCurve]) -> None:
    shade = min(0.12, 0.4 / max(1, len(curves)))
    for index, curve in enumerate(curves):
        paint = color(index)
        label = f"{curve.space}  {curve.counts.n} {without_error(curve.counts)}".rstrip()
        axes.fill_between(curve.sizes, curve.ks_low, curve.ks_high, color=paint, alpha=shade, lw=0)
        axes.plot(curve.sizes, curve.ks_mean, dashes(index), color=paint, lw=1.5, label=label)
    axes.set_ylabel("Kolmogorov-Smirnov distance to all")
    axes.set_title(
        "distance of the EDF of m models to all\nline: mean, shaded: 95 % of the draws", fontsize=8
    )
    _finish(axes, curves)


def _draw_widths(axes: Axes, curves: Sequence[SubsampleCurve], of: str) -> None:
    for index, curve in enumerate(curves):
        widths = curve.mean_width if of == "mean" else curve.median_width
        shown = np.where(widths > 0, widths, np.nan)  # equal errors: nothing a logarithm could show
        axes.plot(curve.sizes, shown, dashes(index), color=color(index), lw=1.5)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="y", labelsize=8)
    axes.set_ylabel("width [percent points of error]")
    axes.set_title(f"width of the 95 % bootstrap interval\nof the {of} error of m models", fontsize=8)
    _finish(axes, curves)


def _finish(axes: Axes, curves: Sequence[SubsampleCurve]) -> None:
    axes.set_xlabel("m, models drawn with replacement")
    if not curves:
        return
    use_log2(axes, "x", ticks=11)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlim(curves[0].sizes[0], curves[0].sizes[-1])


def _draw_pairs(axes: Axes, names: Sequence[str], pairs: Sequence[Separation]) -> None:
    """A table: row against column, the darker the easier to tell apart."""
    place = {name: index for index, name in enumerate(names)}
    shown = [pair for pair in pairs if pair.first in place and pair.second in place]
    table = np.full((len(names) or 1, len(names) or 1), np.nan)
    for pair in shown:
        table[place[pair.second], place[pair.first]] = _ease(pair)
    axes.imshow(table[1:, :-1] if len(names) > 1 else table, cmap="Blues", vmin=0, vmax=1.6, aspect="auto")
    for pair in shown:
        center = (place[pair.first], place[pair.second] - 1)
        dark = _ease(pair) > 0.9
        axes.text(*center, _cell(pair), ha="center", va="center", fontsize=7.5, color="w" if dark else "k")
    axes.set_xticks(range(len(names) - 1), names[:-1], fontsize=8)
    axes.set_yticks(range(len(names) - 1), names[1:], fontsize=8)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title(
        f"models of each space needed to tell two spaces apart: {100 * POWER:.0f} % power, two-sided "
        f"Mann-Whitney test at {100 * ALPHA:.0f} %\n"
        "from p, the probability that a model of the column beats one of the row; in parentheses "
        "the range that the 95 % interval of p leaves",
        fontsize=8,
        loc="left",
    )
    if not shown:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "fewer than two spaces: no pair", ha="center", transform=axes.transAxes)


def _ease(pair: Separation) -> float:
    """1 where few models are enough, 0 where thousands are not, or nothing is known to differ."""
    if not np.isfinite(pair.models.high):
        return 0.0
    low, high = np.log(RANGE)
    return float(np.clip((high - np.log(pair.needed)) / (high - low), 0, 1))


def _cell(pair: Separation) -> str:
    chance = "" if np.isnan(pair.p_beats) else f"\np = {pair.p_beats:.2f}"
    return separation_words(pair).replace("not separable below", "not separable\nbelow") + chance
