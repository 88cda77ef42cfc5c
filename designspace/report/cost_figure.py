"""Flops, parameters and activations against each other and against the measured times."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from designspace.analysis.costs import TIMES, Correlation, CostAnalysis
from designspace.networks.complexity import METRICS
from designspace.report.labels import COST_LABELS, COST_NAMES, TIME_NAMES
from designspace.report.style import color, figure_style, use_log
from designspace.report.text.costs import cost_notes
from designspace.report.text.numbers import estimate_words

GREY = "#555555"
MANY = 1_000  # models, from which on the points of an SVG are an image: each is drawn in nine panels
LABELS = {
    **COST_LABELS,
    TIMES[0]: f"{TIME_NAMES[TIMES[0]]} [ms an image]",
    TIMES[1]: f"{TIME_NAMES[TIMES[1]]}\n[s a pass over the validation images]",
}
SCALES = {"flops": 1e-6, "params": 1e-6, "acts": 1e-6, TIMES[0]: 1e3, TIMES[1]: 1.0}


def cost_figure(costs: CostAnalysis) -> Figure:
    """Costs against costs, then a row for each time that was measured, which ends with its correlations."""
    times = [time for time in TIMES if costs.models[time].notna().any()]
    rows = [[(METRICS[0], METRICS[1]), (METRICS[0], METRICS[2]), (METRICS[1], METRICS[2])]]
    rows += [[(cost, time) for cost in METRICS] for time in times]
    with figure_style():
        figure = Figure(figsize=(11.5, 2.6 * len(rows) + 0.9), layout="constrained")
        figure.suptitle(_caption(costs, bool(times)), fontsize=9)
        grid = figure.subplots(len(rows), 4, squeeze=False, width_ratios=(1, 1, 1, 0.9))
        for row, pairs in zip(grid, rows, strict=True):
            for axes, (x, y) in zip(row, pairs, strict=False):
                _draw_pair(axes, costs, x, y)
        grid[0, 3].set_axis_off()
        _draw_legend(grid[0, 3], costs)
        for row, time in zip(grid[1:], times, strict=True):
            _draw_correlations(row[3], costs, time)
        return figure


def _caption(costs: CostAnalysis, timed: bool) -> str:
    caption = (
        "each point a model; ρ: Spearman's rank correlation within spaces; brackets, bars: 95 % bootstrap"
    )
    if timed and costs.device is not None:
        caption += f"\ntimes of finished models on {costs.device}, disturbed by whatever else ran there"
    return "\n".join([caption, *cost_notes(costs)])


def _draw_pair(axes: Axes, costs: CostAnalysis, x: str, y: str) -> None:
    for index, space in enumerate(costs.spaces):
        models = costs.models[costs.models["space"] == space.name]
        points = axes.scatter(
            models[x] * SCALES[x], models[y] * SCALES[y], s=7, color=color(index), alpha=0.55, lw=0
        )
        points.set_rasterized(len(costs.models) > MANY)
    axes.set_xlabel(LABELS[x], fontsize=8)
    axes.set_ylabel(LABELS[y], fontsize=8)
    axes.tick_params(labelsize=8)
    for which in (x, y):
        use_log(axes, "x" if which == x else "y", costs.models[which].dropna().tolist())
    found = costs.within.of(x, y)
    axes.set_title(
        "" if found is None else f"ρ = {estimate_words(found.spearman)}, {found.n} models", fontsize=8
    )


def _draw_legend(axes: Axes, costs: CostAnalysis) -> None:
    for index, space in enumerate(costs.spaces):
        n = int((costs.models["space"] == space.name).sum())
        axes.scatter([], [], s=22, color=color(index), label=f"{space.name}  {n} models")
    if costs.spaces:
        axes.legend(loc="center left", fontsize=8)


def _draw_correlations(axes: Axes, costs: CostAnalysis, time: str) -> None:
    """Rank correlation of each cost with the time: every space, and all pooled within spaces."""
    spread = 0.5 / max(1, len(costs.spaces))
    for place, cost in enumerate(METRICS):
        for index, space in enumerate(costs.spaces):
            at = place - 0.12 - spread * (len(costs.spaces) - 1 - index)
            _draw_estimate(axes, space.of(cost, time), at, color(index), 3.0)
        _draw_estimate(axes, costs.within.of(cost, time), place + 0.1, "black", 5.5)
    axes.axvline(0, color=GREY, lw=0.8)
    axes.set(xlim=(-1, 1), ylim=(len(METRICS) - 0.7, -0.7))
    axes.set_yticks(range(len(METRICS)), [COST_NAMES[cost] for cost in METRICS], fontsize=8)
    axes.tick_params(labelsize=8, length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("rank correlation ρ with the time", fontsize=8)
    axes.set_title("black: all, within spaces", fontsize=8)


def _draw_estimate(axes: Axes, found: Correlation | None, at: float, paint: str, size: float) -> None:
    if found is None:
        return
    interval = found.spearman.interval
    axes.plot([interval.low, interval.high], [at, at], color=paint, lw=size / 3)
    axes.plot([found.spearman.value], [at], "o", color=paint, ms=size)
