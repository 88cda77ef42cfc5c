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
