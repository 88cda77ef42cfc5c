"""The error distributions of all spaces in one picture, as in figures 5 to 7 of the paper."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from designspace.analysis.edf import BandMethod, ErrorDistribution
from designspace.analysis.errors import SpaceErrors, StudyErrors
from designspace.analysis.study import SpaceAnalysis, StudyAnalysis
from designspace.report.labels import ERROR_LABEL
from designspace.report.style import color, dashes, figure_style, without_error

BAND_NAMES = {"dkw": "DKW band", "bootstrap": "bootstrap band", "wilson": "Wilson band"}
Study = StudyErrors | StudyAnalysis
CLOSE_BAND: BandMethod = "wilson"  # a simultaneous band says little about the few best models
GREY = "#555555"


def edf_figure(study: Study, band: BandMethod = "dkw") -> Figure:
    """EDF of every space with its band, and a closer look at the best; both say which band is drawn.

    The legend counts what never reached an error; bars at the right edge show it as the share that a curve
    lacks to 1. While models are still to run, dotted curves show the best and the worst that can come.
    """
    columns = _legend_columns(study)
    rows = math.ceil(len(study.spaces) / columns)
    with figure_style():
        figure = Figure(figsize=(10.2, 4.0 + 0.19 * rows), layout="constrained")
        whole, close = figure.subplots(1, 2, width_ratios=(1.5, 1))
        _draw_curves(whole, study, band)
        _draw_unfinished(whole, study)
        _draw_lost(whole, study)
        least = min((p.error - 0.5 for p in study.references if p.error > 0), default=study.window.low)
        whole.set(xlim=(min(least, study.window.low), study.window.high), ylim=(0, 1.02))
        whole.set_ylabel("share of models with a lower error")
        whole.set_title(_caption(study, band), loc="left", color=GREY, fontsize=8)
        _draw_curves(close, study, CLOSE_BAND)
        close.set(xlim=(min(least, study.window.low), study.window.best_quarter), ylim=(0, _top(study)))
        close.set_title(_close_caption(study), loc="left", color=GREY, fontsize=8)
        for axes in (whole, close):
            axes.set_xlabel(ERROR_LABEL)
            _draw_references(axes, study)
        close.xaxis.set_major_locator(MaxNLocator(7))
        if study.spaces:
            title = "space  n | min | mean error [%]"
            handles, labels = whole.get_legend_handles_labels()
            legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns, title=title)
            legend.set_alignment("left")
            legend.get_title().set_fontsize(8)
        return figure


def legend_text(edf: ErrorDistribution) -> str:
    """`n | min | mean`, and which of the n have no error, and how many models are still to run."""
    text = f"{edf.n} | {edf.min:.1f} | {edf.mean:.1f}" if edf.counts.done else f"{edf.n} | - | -"
    return f"{text}  {without_error(edf.counts)}".rstrip()


def _spaces(study: Study) -> Sequence[SpaceErrors | SpaceAnalysis]:
    return study.spaces


def _draw_curves(axes: Axes, study: Study, band: BandMethod) -> None:
    shade = min(0.15, 0.4 / max(1, len(study.spaces)))  # many bands lie on top of each other
    for index, space in enumerate(_spaces(study)):
        edf, paint, drawn = space.edf, color(index), space.edf.bands[band]
        label = f"{space.name}  {legend_text(edf)}"
        if edf.n:
            axes.fill_between(
                edf.errors, drawn.lower, drawn.upper, step="post", color=paint, alpha=shade, lw=0
            )
        axes.step(edf.errors, edf.shares, dashes(index), where="post", color=paint, label=label, lw=1.7)


def _draw_unfinished(axes: Axes, study: Study) -> None:
    """Best and worst that can come, for every space of which some models are done and others are not."""
    for index, space in enumerate(_spaces(study)):
        if space.edf.n and space.edf.counts.missing:
            for case in (space.edf.best_case, space.edf.worst_case):
                axes.step(space.edf.errors, case, ":", where="post", color=color(index), lw=0.9)


def _draw_lost(axes: Axes, study: Study) -> None:
    """Beside the axes, one bar for every space of which models diverged or failed."""
    lost = [index for index, space in enumerate(_spaces(study)) if space.edf.share_without_error > 0]
    for place, index in enumerate(lost):
        reached = 1 - study.spaces[index].edf.share_without_error
        x = [1.012 + 0.013 * place] * 2
        axes.plot(
            x,
            [reached, 1],
            color=color(index),
            lw=4,
            solid_capstyle="butt",
            transform=axes.get_yaxis_transform(),
            clip_on=False,
        )


def _draw_references(axes: Axes, study: Study) -> None:
    """Published networks at their errors, named, where the axis reaches them."""
    points = [point for point in study.references if point.error <= axes.get_xlim()[1]]
    for place, point in enumerate(points):
        height = 0.04 + 0.3 * (place % 3)  # so that names of close errors stand above each other
        axes.axvline(point.error, ymax=0.03, color="black", lw=1.2)
        axes.text(
            *(point.error, height, point.network),
            transform=axes.get_xaxis_transform(),
            rotation=90,
            va="bottom",
            ha="center",
            fontsize=6.5,
            color=GREY,
        )


def _top(study: Study) -> float:
    """Height of the closer look: all curves and some space above them."""
    ends = [float(space.edf.at(study.window.best_quarter)) for space in study.spaces if space.edf.n]
    return min(1.02, 1.15 * (max(ends, default=0) or 1))


def _legend_columns(study: Study) -> int:
    """As many as fit beside each other, at most three."""
    longest = max((len(f"{space.name}  {legend_text(space.edf)}") for space in study.spaces), default=0)
    return max(1, min(3, 150 // (longest + 8)))


def _band_text(study: Study, band: BandMethod) -> str:
    edf = study.spaces[0].edf
    kind = "simultaneous" if edf.bands[band].simultaneous else "pointwise"
    return f"shaded: {100 * edf.confidence:.0f} % {BAND_NAMES[band]} ({kind})"


def _caption(study: Study, band: BandMethod) -> str:
    if not study.spaces:
        return "no models"
    caption = _band_text(study, band)
    if beyond := study.window.beyond:
        caption += f"; {beyond} model{'s' * (beyond != 1)} beyond the right edge"
    counts = [space.edf.counts for space in study.spaces]
    if any(c.diverged or c.failed for c in counts):
        caption += "\nbars at the right: share that diverged or failed and so never reaches an error"
    if study.references:
        far = sum(point.error > study.window.high for point in study.references)
        caption += "\nticks with names: published networks" + (
            f"; {far} beyond the right edge" if far else ""
        )
    if any(c.n and c.missing for c in counts):
        caption += "\ndotted: if all models not yet run turn out best, or reach no error"
    return caption


def _close_caption(study: Study) -> str:
    if not study.spaces:
        return ""
    return f"closer look at the best quarter of all models\n{_band_text(study, CLOSE_BAND)}"
