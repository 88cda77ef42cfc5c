"""Error against what a network costs: models of all spaces, and published networks by name."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from designspace.analysis.study import StudyAnalysis
from designspace.networks.complexity import METRICS
from designspace.report.labels import COST_LABELS, ERROR_LABEL
from designspace.report.style import color, figure_style, use_log

COSTS = {
    **{metric: (COST_LABELS[metric], 1e-6) for metric in METRICS},
    "train_seconds": ("training time [s]", 1.0),
}
BLACK = "#000000"


def references_figure(study: StudyAnalysis) -> Figure:
    """One panel each for flops, parameters, activations and training time, as it was measured."""
    with figure_style():
        figure = Figure(figsize=(10.2, 7.6), layout="constrained")
        panels = figure.subplots(2, 2, sharey=True)
        for axes, cost in zip(panels.flat, COSTS, strict=True):
            _draw_cost(axes, study, cost)
        for axes in panels[:, 0]:
            axes.set_ylabel(ERROR_LABEL)
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        return figure


def _draw_cost(axes: Axes, study: StudyAnalysis, cost: str) -> None:
    label, scale = COSTS[cost]
    for index, space in enumerate(study.spaces):
        if cost in space.runs:
            x = space.runs[cost].to_numpy(dtype=float) * scale
            axes.scatter(x, space.runs["error"], s=8, color=color(index), alpha=0.5, lw=0, label=space.name)
    points = [p for p in study.references if not math.isnan(p.error) and getattr(p, cost) > 0]
    axes.plot(
        [getattr(point, cost) * scale for point in points],
        [point.error for point in points],
        "^",
        color=BLACK,
        ms=5,
        label="published networks",
    )
    for point in points:
        at = (getattr(point, cost) * scale, point.error)
        axes.annotate(point.network, at, xytext=(4, 3), textcoords="offset points", fontsize=6.5)
    known = [models[cost] for models in (space.runs for space in study.spaces) if cost in models]
    values = [x * scale for part in known for x in part.dropna()] + [getattr(p, cost) * scale for p in points]
    use_log(axes, "x", values)
    axes.set_xlabel(label)
    axes.margins(x=0.12)
