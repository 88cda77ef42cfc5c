"""The final trainings: test error against cost, and learning curves."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from designspace.analysis.final import FinalNetwork
from designspace.report.labels import COST_LABELS
from designspace.report.style import color, figure_style, use_log

BLACK = "#000000"
MANY_CURVES = 12  # networks; more cannot be told apart


def final_figure(networks: Sequence[FinalNetwork]) -> Figure:
    """Mean test error over the seeds against flops and activations; bars are its standard deviation."""
    tested = [network for network in networks if not math.isnan(network.test_error)]
    with figure_style():
        figure = Figure(figsize=(10.2, 4.2), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for axes, cost in zip(panels, ("flops", "acts"), strict=True):
            _draw_costs(axes, tested, cost)
        panels[0].set_ylabel("top-1 test error [%]")
        panels[0].set_ylim(bottom=max(0.0, panels[0].get_ylim()[0]))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4)
        return figure


def _draw_costs(axes: Axes, networks: Sequence[FinalNetwork], cost: str) -> None:
    spaces = list(dict.fromkeys(network.space for network in networks if not network.published))
    for name in [*spaces, None]:
        those = [n for n in networks if (None if n.published else n.space) == name]
        if not those:
            continue
        x = [getattr(network, cost) * 1e-6 for network in those]
        y = [network.test_error for network in those]
        bars = [0.0 if math.isnan(network.test_std) else network.test_std for network in those]
        paint = BLACK if name is None else color(spaces.index(name))
        label = "published networks" if name is None else name
        axes.errorbar(x, y, bars, fmt="^" if name is None else "o", color=paint, ms=5, capsize=2, label=label)
        for network, at in zip(those, zip(x, y, strict=True), strict=True):
            axes.annotate(network.name, at, xytext=(5, 4), textcoords="offset points", fontsize=6.5)
    use_log(axes, "x", [getattr(network, cost) * 1e-6 for network in networks])
    axes.set_xlabel(COST_LABELS[cost])
    axes.margins(x=0.15, y=0.12)


def final_curves_figure(networks: Sequence[FinalNetwork]) -> Figure:
    """Training loss and, where it is known, validation error after each epoch; one line per training."""
    shown = [network for network in networks if network.curves][:MANY_CURVES]
    validated = any(curve.val_errors for network in shown for curve in network.curves)
    with figure_style():
        figure = Figure(figsize=(10.2, 4.2), layout="constrained")
        panels = figure.subplots(1, 1 + validated, squeeze=False)[0]
        for axes, (key, label) in zip(
            panels, (("train_losses", "training loss"), ("val_errors", "validation error [%]")), strict=False
        ):
            for index, network in enumerate(shown):
                for number, curve in enumerate(network.curves):
                    values = getattr(curve, key)
                    name = network.name if number == 0 else None
                    paint = color(index)
                    axes.plot(range(1, len(values) + 1), values, color=paint, lw=1.1, alpha=0.8, label=name)
            axes.set(xlabel="epoch", ylabel=label)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5)
        return figure
