"""How much of an error is the seed? Repeated trainings of the same models, and the EDF without noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from designspace.analysis.edf import error_window
from designspace.analysis.noise import NoiseAnalysis, SpaceNoise
from designspace.report.labels import ERROR_LABEL
from designspace.report.style import color, figure_style, without_error
from designspace.report.text.noise import noise_notes
from designspace.report.text.numbers import estimate_words

GREY = "#555555"


def noise_figure(noise: NoiseAnalysis, order: Sequence[str] = ()) -> Figure:
    """One row per space: all trainings of the repeated models, then the population's EDF, also corrected.

    `order` names the spaces of the study, so that a space has the same colour as in other figures.
    """
    rows = len(noise.spaces) or 1
    with figure_style():
        figure = Figure(figsize=(10, 3.3 * rows + 0.5), layout="constrained")
        figure.suptitle(_caption(noise), fontsize=9)
        grid = figure.subplots(rows, 2, squeeze=False, width_ratios=(1.25, 1))
        for index, (row, space) in enumerate(zip(grid, noise.spaces, strict=False)):
            paint = color(list(order).index(space.name) if space.name in order else index)
            _draw_repeats(row[0], space, paint)
            _draw_edfs(row[1], space, paint)
        for axes in grid.flat[2 * len(noise.spaces) :]:
            axes.set_axis_off()
        return figure


def _caption(noise: NoiseAnalysis) -> str:
    if not noise.spaces:
        return "\n".join(noise_notes(noise))
    caption = "left: circles are trainings with other seeds, diamonds the study's own, bars the means"
    caption += "; right: estimates from a smooth density, approximations"
    return "\n".join([caption, *noise_notes(noise)])


def _draw_repeats(axes: Axes, space: SpaceNoise, paint: str) -> None:
    """All errors of a model above each other, models from the least to the largest mean."""
    runs, components = space.repeats, space.components
    places = {model: place for place, model in enumerate(dict.fromkeys(runs["model_id"]), start=1)}
    at, first = runs["model_id"].map(places).to_numpy(dtype=float), (runs["repeat"] == 0).to_numpy(dtype=bool)
    errors, means = runs["error"].to_numpy(dtype=float), runs["mean"].to_numpy(dtype=float)
    axes.hlines(means, at - 0.35, at + 0.35, color=GREY, lw=1.2)
    axes.scatter(at[~first], errors[~first], s=14, facecolor="none", edgecolor=paint, lw=1)
    axes.scatter(at[first], errors[first], s=20, marker="D", color=paint, lw=0)
    axes.set(xlabel="repeated models, by mean error", ylabel=ERROR_LABEL)
    axes.set_xticks([])
    left_out = f" ({space.left_out} more without an error)" if space.left_out else ""
    axes.set_title(
        f"{space.name}: {components.runs} trainings of {components.models} models{left_out}\n"
        f"seed alone: standard deviation {estimate_words(components.seed_std)} points\n"
        f"noise: {estimate_words(components.noise_share, 100, 0)} % of the variance among these",
        fontsize=8,
    )


def _draw_edfs(axes: Axes, space: SpaceNoise, paint: str) -> None:
    """Observed and corrected EDF of the population, and what is to be expected of its best model."""
    n, window = space.counts.n, error_window(space.errors)
    shares = np.arange(1, len(space.errors) + 1) / max(n, 1)
    observed, corrected = np.sort(space.errors), np.sort(space.corrected)
    axes.step(observed, shares, where="post", color=paint, lw=1.4, label="observed, single trainings")
    if not np.isnan(corrected).any():
        axes.step(corrected, shares, "--", where="post", color="black", lw=1.4, label="corrected for noise")
    best = space.best
    title = ""
    if best is not None and not math.isnan(best.expected.value):
        interval = best.expected.interval
        axes.plot([interval.low, interval.high], [0.93, 0.93], color=GREY, lw=1.2)
        axes.plot([best.expected.value], [0.93], "o", color=GREY, ms=5, label="best model: expected, 95 %")
        axes.plot([best.observed], [0.93], "D", color=paint, ms=5, label="best model: observed")
        title += (
            f"\nbest model: observed {best.observed:.2f} %, expected {estimate_words(best.expected)} %\n"
            f"noise: {estimate_words(space.population_noise, 100, 0)} % of the variance of all errors"
        )
        window = replace(window, low=min(window.low, interval.low - 0.02 * (window.high - window.low)))
    axes.set(xlim=(window.low, window.high), ylim=(0, 1.02))
    axes.set(xlabel=ERROR_LABEL, ylabel="share of models with a lower error")
    beyond = f"; {window.beyond} beyond the right edge" if window.beyond else ""
    axes.set_title(
        f"population: {n} models {without_error(space.counts)}".rstrip() + beyond + title, fontsize=8
    )
    if len(space.errors):
        axes.legend(loc="lower right", fontsize=7)
