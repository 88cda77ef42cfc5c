"""Does brief training rank models well? Early against final errors, and brief against longer training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from designspace.analysis.ranking import (
    Agreement,
    EpochAgreement,
    ExtendedRanking,
    RankingAnalysis,
)
from designspace.analysis.statistics import Estimate
from designspace.report.labels import ERROR_LABEL
from designspace.report.style import color, dashes, figure_style
from designspace.report.text.numbers import estimate_words
from designspace.report.text.ranking import ranking_notes

GREY = "#555555"
COLUMNS = 3
MEASURES: tuple[tuple[str, str, Callable[[Agreement], Estimate]], ...] = (
    ("Kendall's tau with the last epoch's error", "0: no better than chance", lambda at: at.tau),
    ("Spearman's correlation with the last epoch's", "0: no better than chance", lambda at: at.spearman),
    ("share of the best 10 % that is the same", "0.1: no better than chance", lambda at: at.overlap),
)


def ranking_figure(ranking: RankingAnalysis) -> Figure:
    """Agreement with the final error after every epoch; below, brief against longer training where known."""
    rows = math.ceil(len(ranking.extended) / COLUMNS)
    with figure_style():
        figure = Figure(figsize=(11, 3.9 + 3.1 * rows), layout="constrained")
        figure.suptitle(_caption(ranking), fontsize=9)
        grid = figure.subplots(1 + rows, COLUMNS, squeeze=False)
        for axes, (label, chance, measure) in zip(grid[0], MEASURES, strict=True):
            _draw_measure(axes, ranking, label, chance, measure)
        _draw_legend(grid[0, 0], ranking)
        places = [space.name for space in ranking.spaces]
        for axes, part in zip(grid[1:].flat, ranking.extended, strict=False):
            _draw_extended(axes, part, color(places.index(part.name)))
        for axes in grid[1:].flat[len(ranking.extended) :]:
            axes.set_axis_off()
        return figure


def _caption(ranking: RankingAnalysis) -> str:
    lines = [
        "black: all spaces, models compared with models of their own space; bars: 95 % bootstrap intervals"
    ]
    left_out = sum(space.left_out for space in ranking.spaces)
    if ranking.extended:
        lines.append(
            "below: the circled model is the best by its brief error, the dotted line the least error after "
            "the longer training, their distance the regret"
        )
    if left_out:
        lines.append(f"{left_out} models without a whole learning curve (not finished) are left out")
    return "\n".join([*lines, *ranking_notes(ranking)])


def _draw_measure(
    axes: Axes, ranking: RankingAnalysis, label: str, chance: str, measure: Callable[[Agreement], Estimate]
) -> None:
    chance_level = 0.1 if chance.startswith("0.1") else 0.0
    for index, space in enumerate(ranking.spaces):
        values = [measure(at.agreement).value for at in space.epochs]
        epochs = [at.epoch for at in space.epochs]
        axes.plot(epochs, values, dashes(index), marker="o", ms=3, color=color(index), lw=1.3, alpha=0.9)
    _draw_pooled(axes, ranking.pooled, measure)
    axes.axhline(chance_level, color=GREY, lw=0.8)
    axes.set(xlabel="epoch", title=label)
    axes.set_ylim(top=1.03)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    if not any(space.epochs for space in ranking.spaces):
        axes.set_axis_off()
        axes.text(0.5, 0.5, "nothing to compare", ha="center", color=GREY, transform=axes.transAxes)
        return
    axes.margins(x=0.12)
    axes.text(
        1, chance_level + 0.01, chance, ha="right", va="bottom", color=GREY, fontsize=7,
        transform=axes.get_yaxis_transform(),
    )  # fmt: skip


def _draw_pooled(
    axes: Axes, pooled: Sequence[EpochAgreement], measure: Callable[[Agreement], Estimate]
) -> None:
    found = [(at.epoch, measure(at.agreement)) for at in pooled]
    axes.plot([epoch for epoch, _ in found], [at.value for _, at in found], "-", color="black", lw=2)
    for epoch, at in found:
        axes.plot([epoch, epoch], [at.interval.low, at.interval.high], color="black", lw=1.2)
        axes.plot([epoch], [at.value], "o", color="black", ms=5)


def _draw_legend(axes: Axes, ranking: RankingAnalysis) -> None:
    if not any(space.epochs for space in ranking.spaces):
        return
    for index, space in enumerate(ranking.spaces):
        label = f"{space.name}  {space.n}"
        axes.plot([], [], dashes(index), marker="o", ms=3, color=color(index), lw=1.3, label=label)
    n = ranking.pooled[0].agreement.n if ranking.pooled else 0
    axes.plot([], [], "-o", color="black", ms=5, lw=2, label=f"within spaces  {n}")
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.legend(
        title="space  models with a whole learning curve", loc="outside lower center", ncols=4,
        title_fontsize=8,
    )  # fmt: skip


def _draw_extended(axes: Axes, part: ExtendedRanking, paint: str) -> None:
    """Error after the longer training against that after the brief one; the chosen model is marked."""
    axes.scatter(part.brief, part.extended, s=12, color=paint, alpha=0.65, lw=0)
    n = len(part.brief)
    epochs = f"{part.extended_epochs} epochs" if part.extended_epochs else "longer training"
    axes.set(xlabel=f"{ERROR_LABEL} after {part.brief_epochs or 'few'} epochs")
    axes.set_ylabel(f"{ERROR_LABEL} after {epochs}")
    shown = f"{n} models" + (f", {part.left_out} without both errors" if part.left_out else "")
    tau = estimate_words(part.agreement.tau)
    axes.set_title(f"{part.name}: {shown}\ntau {tau}, regret {part.regret.value:.2f} points", fontsize=8)
    if n:
        chosen = int(part.brief.argmin())
        axes.plot(part.brief[chosen], part.extended[chosen], "o", ms=9, mfc="none", color="black")
        axes.axhline(part.extended.min(), color=GREY, lw=0.8, ls=":")
