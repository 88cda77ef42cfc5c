"""The error distributions of all spaces in one picture, as in figures 5 to 7 of the paper."""

from __future__ import annotations

import math

from matplotlib.figure import Figure

from designspace.analysis.edf import ErrorDistribution
from designspace.analysis.study import StudyAnalysis
from designspace.report.style import ERROR_LABEL, color, dashes, figure_style, without_error


def edf_figure(study: StudyAnalysis) -> Figure:
    """EDF of every space with its simultaneous band; the legend counts what never reached an error."""
    rows = math.ceil(len(study.spaces) / 2)
    shade = min(0.15, 0.4 / max(1, len(study.spaces)))  # many bands lie on top of each other
    with figure_style():
        figure = Figure(figsize=(6.8, 3.9 + 0.19 * rows), layout="constrained")
        axes = figure.add_subplot()
        for index, space in enumerate(study.spaces):
            edf, paint = space.edf, color(index)
            label = f"{space.name}  {legend_text(edf)}"
            axes.fill_between(edf.errors, edf.lower, edf.upper, step="post", color=paint, alpha=shade, lw=0)
            axes.step(edf.errors, edf.shares, dashes(index), where="post", color=paint, label=label, lw=1.7)
        axes.set(xlim=(study.window.low, study.window.high), ylim=(0, 1.02))
        axes.set(xlabel=ERROR_LABEL, ylabel="share of models with a lower error")
        axes.set_title(_caption(study), loc="left", color="#555555", fontsize=8)
        if study.spaces:
            title = "space  n | min | mean error [%]"
            figure.legend(
                title=title, loc="outside lower center", ncols=2, alignment="left", title_fontsize=8
            )
        return figure


def legend_text(edf: ErrorDistribution) -> str:
    """`n | min | mean`, and which of the n have no error, and how many models are still to run."""
    text = f"{edf.n} | {edf.min:.1f} | {edf.mean:.1f}" if edf.counts.done else f"{edf.n} | - | -"
    return f"{text}  {without_error(edf.counts)}".rstrip()


def _caption(study: StudyAnalysis) -> str:
    if not study.spaces:
        return "no models"
    caption = f"shaded: {100 * study.spaces[0].edf.confidence:.0f} % DKW band (simultaneous)"
    if beyond := study.window.beyond:
        caption += f"; {beyond} model{'s' * (beyond != 1)} beyond the right edge"
    if any(space.edf.counts.diverged or space.edf.counts.failed for space in study.spaces):
        caption += "\ndiverged and failed models count in n and never reach an error"
    return caption
