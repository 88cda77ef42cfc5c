"""Error distributions of models that meet a restriction and of the others; proposed restrictions."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure

from designspace.analysis.edf import ErrorWindow
from designspace.analysis.proposals import Proposal
from designspace.analysis.refinement import Group
from designspace.analysis.statistics import BETTER, TOO_FEW, UNDECIDED
from designspace.report.edf_figure import legend_text
from designspace.report.labels import ERROR_LABEL
from designspace.report.style import COLORS, figure_style
from designspace.report.text.numbers import p_words
from designspace.report.text.refinement import restriction_words

# Colour, dashes and line width of all, kept, rest, and the trained refined space.
STYLES = (("#666666", "-", 1.4), (COLORS[0], "-", 2.0), (COLORS[1], "--", 1.6), (COLORS[2], "-.", 2.0))

PROPOSAL_COLORS = {BETTER: COLORS[0], UNDECIDED: "#8C8C8C", TOO_FEW: "#C8C8C8"}


def refinement_figure(groups: Sequence[Group], window: ErrorWindow, *, title: str, sentence: str) -> Figure:
    """EDFs, all but the first with DKW band; the groups all, kept, rest, and trained if it is there."""
    with figure_style():
        figure = Figure(figsize=(6.8, 5.2), layout="constrained")
        axes = figure.add_subplot()
        for group, (paint, dashes, width) in zip(groups, STYLES, strict=False):
            edf = group.edf
            if not edf.n:
                continue
            if group is not groups[0]:  # it lies between kept and rest
                axes.fill_between(
                    edf.errors, edf.lower, edf.upper, step="post", color=paint, alpha=0.12, lw=0
                )
            axes.step(
                edf.errors, edf.shares, dashes, where="post", color=paint, lw=width,
                label=f"{group.name}  {legend_text(edf)}",
            )  # fmt: skip
        axes.set(xlim=(window.low, window.high), ylim=(0, 1.02))
        axes.set(xlabel=ERROR_LABEL, ylabel="share of models with a lower error")
        figure.suptitle(title, fontsize=10, x=0.01, ha="left")
        axes.set_title(_caption(groups, window, sentence), loc="left", color="#555555", fontsize=8)
        if not axes.get_lines():
            return figure
        figure.legend(
            title="models  n | min | mean error [%]",
            loc="outside lower left", ncols=2, alignment="left", title_fontsize=8,
        )  # fmt: skip
        return figure


def proposals_figure(proposals: Sequence[Proposal], *, title: str) -> Figure:
    """One line a proposed restriction: mean error of the models that it keeps minus that of the rest."""
    with figure_style():
        figure = Figure(figsize=(7.4, 1.5 + 0.34 * len(proposals)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(0, color="#555555", lw=1)
        for row, found in enumerate(proposals):
            mean, interval = found.difference.mean.value, found.difference.mean.interval
            paint = PROPOSAL_COLORS[found.verdict]
            axes.plot([interval.low, interval.high], [row, row], color=paint, lw=2.2, solid_capstyle="butt")
            axes.plot([mean], [row], "o", color=paint, ms=5)
            axes.annotate(
                _evidence(found), (1.02, row), xycoords=("axes fraction", "data"), va="center", fontsize=8
            )
        labels = [restriction_words(found.restriction) for found in proposals]
        axes.set_yticks(range(len(proposals)), labels)
        axes.set_ylim(len(proposals) - 0.4, -0.6)
        axes.set_xlabel("mean error of the models kept minus that of the rest [points]")
        figure.suptitle(title, fontsize=10, x=0.01, ha="left")
        axes.set_title(
            "bars: 95 % interval; optimistic for ranges, which the same errors chose\n"
            "p: permutation test that repeats the choice of the range, Holm's correction",
            loc="left", color="#555555", fontsize=8, x=-0.4,
        )  # fmt: skip
        return figure


def _evidence(found: Proposal) -> str:
    text = f"{found.kept} of {found.n}"
    return f"{text}, too few" if found.verdict == TOO_FEW else f"{text}, {p_words(found.p_holm)}, corrected"


def _caption(groups: Sequence[Group], window: ErrorWindow, sentence: str) -> str:
    band = f"shaded (not for all): {100 * groups[0].edf.confidence:.0f} % DKW bands, simultaneous"
    if window.beyond:
        band += f"; {window.beyond} model{'s' * (window.beyond != 1)} beyond the right edge"
    lines = [*_wrapped(sentence), *_wrapped(band)]
    if any(group.edf.counts.diverged or group.edf.counts.failed for group in groups):
        lines.append("diverged and failed models count in n and never reach an error")
    return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 105)
