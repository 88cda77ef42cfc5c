"""Whether brief training ranks models well, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from designspace.analysis.ranking import Agreement, EpochAgreement, ExtendedRanking, RankingAnalysis
from designspace.report.text.numbers import estimate_words


def ranking_statements(ranking: RankingAnalysis) -> tuple[str, ...]:
    """About early against final errors, and about brief against longer training."""
    return (
        *_epoch_statement(ranking.pooled),
        *_extended_statement(ranking.pooled_extended, ranking.extended),
    )


def faithfulness(ranking: RankingAnalysis) -> str:
    """How well the brief training ranks networks as longer training does; or that nothing tells."""
    pooled = ranking.pooled_extended
    parts = [part for part in ranking.extended if not math.isnan(part.agreement.tau.value)]
    if pooled is None or math.isnan(pooled.tau.value):
        return (
            "How well this brief training ranks networks as longer training would is not known: "
            "train some of them longer as well (extended_epochs)."
        )
    words = f"Kendall's tau {estimate_words(pooled.tau)}, Spearman's rho {estimate_words(pooled.spearman)}"
    spaces = "; ".join(f"{part.name} {estimate_words(part.agreement.tau)}" for part in parts)
    beside = f"; tau of each space: {spaces}" if len(parts) > 1 else ""
    return (
        f"The brief training ranks networks of one space as training of {_lengths(parts)} does with {words} "
        f"({pooled.n} networks{beside})."
    )


def _lengths(parts: Sequence[ExtendedRanking]) -> str:
    """So many times as long, where it is known and the same for all spaces."""
    lengths = {(part.brief_epochs, part.extended_epochs) for part in parts}
    brief, extended = lengths.pop() if len(lengths) == 1 else (0, 0)
    return f"{extended} epochs instead of {brief}" if brief else "more epochs"


def ranking_notes(ranking: RankingAnalysis) -> tuple[str, ...]:
    """What is left out, and why."""
    return tuple(_notes(ranking))


def _notes(ranking: RankingAnalysis) -> Iterator[str]:
    if not ranking.has_curves:
        yield "the runs hold no learning curves (val_errors)"
    for space in ranking.spaces:
        if space.cut_short:
            yield (
                f"{space.name}: {space.cut_short} finished models lack a curve of {space.curve_epochs} epochs"
            )
    if max((space.curve_epochs for space in ranking.spaces), default=0) == 1:
        yield "one epoch only: there is no earlier error to compare with the last"
    if ranking.not_pooled:
        yield f"{ranking.not_pooled} spaces with another number of epochs are not pooled"
    if ranking.strangers:
        yield f"{ranking.strangers} models of the longer training are not among the runs"
    if ranking.not_longer:
        yield f"{ranking.not_longer} models of the longer training had no more epochs than before"


def _epoch_statement(pooled: Sequence[EpochAgreement]) -> tuple[str, ...]:
    """The earliest and the last but one epoch."""
    if not pooled or math.isnan(pooled[-1].agreement.tau.value):
        return ()
    shown = pooled if len(pooled) == 1 else (pooled[0], pooled[-1])
    parts = [f"{_agreement_words(at.agreement)} after epoch {at.epoch}" for at in shown]
    return (
        f"Error during training against the error after epoch {pooled[0].epochs}, among models of one space "
        f"({pooled[0].agreement.n} models): {'; '.join(parts)}.",
    )


def _extended_statement(agreement: Agreement | None, parts: Sequence[ExtendedRanking]) -> tuple[str, ...]:
    if agreement is None or math.isnan(agreement.tau.value):
        return ()
    regrets = ", ".join(
        f"{part.name} {part.regret.value:.2f} (a blind choice: {part.regret_random:.2f})"
        for part in parts
        if len(part.brief)
    )
    return (
        f"Brief against longer training, among models of one space ({agreement.n} models): "
        f"{_agreement_words(agreement)}. Choosing the best by its brief error costs, in points of error "
        f"after the longer training: {regrets}.",
    )


def _agreement_words(agreement: Agreement) -> str:
    return (
        f"Kendall's tau {estimate_words(agreement.tau)}, "
        f"{100 * agreement.overlap.value:.0f} % of the best tenth shared (10 % by chance)"
    )
