"""All pairs of spaces at a glance, and the steps from each space to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from designspace.analysis.compare import Comparison
from designspace.analysis.edf import ErrorWindow
from designspace.analysis.statistics import ALPHA
from designspace.report.labels import ERROR_LABEL
from designspace.report.style import color, figure_style

BETTER, OPEN = "#0072B2", "#777777"
NARROW = 0.8  # limit of a difference of shares where that is enough


def comparison_figure(comparisons: Sequence[Comparison], names: Sequence[str]) -> Figure:
    """Left: difference of the mean errors of every pair. Right: how often the one beats the other."""
    with figure_style():
        height = max(2.6, 1.3 + 0.26 * len(comparisons), 1.5 + 0.5 * len(names))
        figure = Figure(figsize=(11, height), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.05, 1))
        if comparisons:
            _draw_means(left, comparisons)
            _draw_chances(right, comparisons, names)
            pairs = len(comparisons)
            figure.suptitle(
                "Filled and bold: the spaces are shown to differ "
                f"(p < {ALPHA:g}, means, Holm's correction for {pairs} pair{'s' * (pairs != 1)}).\n"
                "Intervals cover the choice of the models; diverged and failed count in the ranks alone.",
                fontsize=9,
                color="#555555",
            )
        else:
            for axes in (left, right):
                axes.set_axis_off()
            left.set_title("one space only: nothing to compare" if names else "no models", loc="left")
        return figure


def _draw_means(axes: Axes, comparisons: Sequence[Comparison]) -> None:
    rows = np.arange(len(comparisons))
    axes.axvline(0, color="black", lw=0.8)
    for row, c in zip(rows, comparisons, strict=True):
        paint, interval = (BETTER if c.decided else OPEN), c.mean.interval
        if c.worth > 1:
            plain = c.plain.interval
            axes.plot([plain.low, plain.high], [row + 0.25] * 2, color=paint, lw=0.7)
        axes.plot([interval.low, interval.high], [row, row], color=paint, lw=1.6)
        axes.plot([c.mean.value], [row], "o", color=paint, mfc=paint if c.decided else "white", ms=5)
    axes.set_yticks(rows, [f"{c.first} − {c.second}" for c in comparisons], fontsize=8)
    for label, c in zip(axes.get_yticklabels(), comparisons, strict=True):
        label.set_fontweight("bold" if c.decided else "normal")
    axes.set_ylim(len(comparisons) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    thin = "; thin: of trained models alone" if any(c.worth > 1 for c in comparisons) else ""
    axes.set_xlabel(f"difference of the mean top-1 errors [points], 95 % interval{thin}")
    axes.set_title("← the first is better        the second is better →", fontsize=9)


def _draw_chances(axes: Axes, comparisons: Sequence[Comparison], names: Sequence[str]) -> None:
    place = {name: i for i, name in enumerate(names)}
    chance = np.full((len(names), len(names)), np.nan)
    for c in [*comparisons, *(c.swapped() for c in comparisons)]:
        chance[place[c.first], place[c.second]] = c.beats
    axes.imshow(chance, cmap="PuOr", norm=TwoSlopeNorm(0.5, 0.1, 0.9), aspect="auto")
    small = len(names) > 8
    for c in [*comparisons, *(c.swapped() for c in comparisons)]:
        text = f"{c.beats:.2f}"
        if not small:
            text += f"\n{c.beats_interval.low:.2f}–{c.beats_interval.high:.2f}"
        axes.text(
            place[c.second],
            place[c.first],
            text,
            ha="center",
            va="center",
            fontsize=6 if small else 7.5,
            fontweight="bold" if c.decided else "normal",
            color="white" if abs(c.beats - 0.5) > 0.27 else "black",
        )
    ticks = range(len(names))
    axes.set_xticks(
        ticks,
        names,
        fontsize=8,
        rotation=30 if len(names) > 4 else 0,
        ha="right" if len(names) > 4 else "center",
    )
    axes.set_yticks(ticks, names, fontsize=8)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(
        "probability that a model of the row has a lower error\nthan one of the column, 95 % interval",
        fontsize=9,
    )


def difference_figure(steps: Sequence[Comparison], window: ErrorWindow) -> Figure:
    """Each space's EDF minus that of the one before it, with a simultaneous band."""
    columns = min(3, len(steps)) or 1
    rows = -(-len(steps) // columns) or 1
    with figure_style():
        figure = Figure(figsize=(max(6.5, 3.5 * columns + 0.3), 2.5 * rows + 0.8), layout="constrained")
        figure.suptitle(
            "EDF of the first space minus EDF of the second; above 0 the first has more models that "
            "good\nshaded: 95 % band, simultaneous (two DKW bands at 97.5 %)",
            fontsize=9,
            color="#555555",
        )
        reach = max((abs(step.edf.difference) + step.edf.half_width).max() for step in steps) if steps else 0
        limit = NARROW if reach < NARROW else 1.02
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for index, (axes, step) in enumerate(zip(grid.flat, steps, strict=False), start=1):
            edf, paint = step.edf, color(index)
            lower, upper = np.clip([edf.difference - edf.half_width, edf.difference + edf.half_width], -1, 1)
            axes.fill_between(edf.errors, lower, upper, step="post", color=paint, alpha=0.15, lw=0)
            axes.step(edf.errors, edf.difference, where="post", color=paint, lw=1.6)
            axes.axhline(0, color="black", lw=0.8)
            axes.set_title(
                f"{step.first} − {step.second}\nn = {step.counts_first.n} and {step.counts_second.n}"
            )
            axes.set(xlim=(window.low, window.high), ylim=(-limit, limit))
        for axes in grid.flat[len(steps) :]:
            axes.set_axis_off()
        figure.supxlabel(ERROR_LABEL, fontsize=9)
        figure.supylabel("difference of the shares of models", fontsize=9)
        return figure
