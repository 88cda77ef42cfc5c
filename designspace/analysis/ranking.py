"""Does brief training rank models well? Errors after fewer epochs against errors after more.

Two questions. Within each training: does the error after epoch t rank the models as the error after the last
epoch does? And, where some of the models were trained again for longer: does the brief error rank them as
the longer one? The first is the kinder question: both errors come from one training with one seed, and a
schedule made for all epochs has a learning rate at epoch t that a training of t epochs would not have.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from designspace.analysis.statistics import (
    NAN,
    NONE,
    RESAMPLES,
    Estimate,
    draw_key,
    estimate,
    estimate_columns,
    in_words,
    named_rng,
    ratio,
    resampled_counts,
)
from designspace.networks.architecture import FloatArray

TOP_SHARE = 0.1  # of the models: "the best"


@dataclass(frozen=True)
class Agreement:
    """How alike two errors rank the same models; intervals are 95 % percentile bootstrap over the models."""

    n: int
    tau: Estimate  # Kendall's tau-b
    spearman: Estimate
    overlap: Estimate  # share of the best 10 % by the one error that are among the best 10 % by the other
    best: int  # models in each of those two sets; by chance a tenth of them would be shared


@dataclass(frozen=True)
class EpochAgreement:
    """The validation error after `epoch` against that after the last of `epochs`."""

    epoch: int
    epochs: int
    agreement: Agreement


@dataclass(frozen=True)
class SpaceRanking:
    """One space; models that diverged, failed or have no whole learning curve are left out."""

    name: str
    n: int  # models with a learning curve of all epochs
    left_out: int  # models without, whatever their status
    epochs: tuple[EpochAgreement, ...]  # every epoch but the last; empty where there is only one


@dataclass(frozen=True, eq=False)
class ExtendedRanking:
    """Models of one space that were trained briefly, and again for more epochs."""

    name: str
    left_out: int  # models of the longer training without both errors
    brief_epochs: int  # 0 where the tables do not say
    extended_epochs: int
    brief: FloatArray  # [n] top-1 percent
    extended: FloatArray  # [n]
    agreement: Agreement
    regret: Estimate  # extended error of the best by the brief error, minus the least extended error; percent
    regret_top: Estimate  # the same for the best 10 % by the brief error, of which the best is then kept
    regret_random: float  # the same for a model chosen blindly: mean minus least


@dataclass(frozen=True, eq=False)
class RankingAnalysis:
    """All spaces in alphabetical order. `pooled` compares models with models of their own space only."""

    spaces: tuple[SpaceRanking, ...]
    pooled: tuple[EpochAgreement, ...]
    extended: tuple[ExtendedRanking, ...]
    pooled_extended: Agreement | None
    statements: tuple[str, ...]  # in words, for the reader
    notes: tuple[str, ...]  # what is left out, and why


@dataclass(frozen=True, eq=False)
class _Sums:
    """What the agreements are made of, arrays [1 + resamples]; sums over spaces give the pooled values."""

    concordant: FloatArray  # pairs, minus discordant ones
    untied_x: FloatArray  # pairs
    untied_y: FloatArray
    ranks_xy: FloatArray  # products of centred ranks, as shares of n
    ranks_xx: FloatArray
    ranks_yy: FloatArray
    shared: FloatArray  # models among the best by both errors
    best: FloatArray  # models among the best by either


def rank_models(
    runs: pd.DataFrame,
    extended: pd.DataFrame | None = None,
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> RankingAnalysis:
    """Rank correlation of early with final errors, and of brief with extended training.

    `runs` holds one row per model with its `val_errors` (top-1 percent after each epoch); `extended` has the
    same columns for some of the models, trained again for more epochs. Either may lack what is needed: that
    part is then empty, with a note.
    """
    curves, notes = _learning_curves(runs)
    spaces, parts, key = [], [], draw_key(rng)
    for name in sorted(set(runs["space"])):
        table, total = curves[name], int((runs["space"] == name).sum())
        counts = resampled_counts(len(table), resamples, named_rng(key, name))
        sums = _sums(table, counts)
        found = _by_epoch(sums, len(table))
        spaces.append(SpaceRanking(name, len(table), total - len(table), found))
        parts.append(sums)
    pooled, problem = _pool(parts, [space.n for space in spaces])
    longer, agreement, more = _extended(runs, extended, resamples, key)
    statements = (*_epoch_statement(pooled), *_extended_statement(agreement, longer))
    return RankingAnalysis(tuple(spaces), pooled, longer, agreement, statements, (*notes, *problem, *more))


RANKING = (
    *("comparison", "space", "epoch", "of", "n", "tau", "tau_low", "tau_high"),
    *("spearman", "spearman_low", "spearman_high", "n_best", "overlap", "overlap_low", "overlap_high"),
    *("regret", "regret_low", "regret_high", "regret_top", "regret_random"),
)


def ranking_table(ranking: RankingAnalysis) -> pd.DataFrame:
    """One row a comparison and space: after `epoch` against after `of` epochs, 95 % bootstrap intervals.

    `comparison` is "epoch" within one training and "extended" against a longer one. Space "all" pools pairs
    within spaces. Regrets are in percent of error; their range is that over resamples of the models.
    """
    rows = [
        {"comparison": "epoch", "space": name, "epoch": at.epoch, "of": at.epochs} | _columns(at.agreement)
        for name, found in (*((s.name, s.epochs) for s in ranking.spaces), ("all", ranking.pooled))
        for at in found
    ]
    for part in ranking.extended:
        rows.append(
            {"comparison": "extended", "space": part.name}
            | {"epoch": part.brief_epochs, "of": part.extended_epochs}
            | _columns(part.agreement)
            | estimate_columns("regret", part.regret)
            | {"regret_top": part.regret_top.value, "regret_random": part.regret_random}
        )
    if ranking.pooled_extended is not None:
        rows.append({"comparison": "extended", "space": "all"} | _columns(ranking.pooled_extended))
    return pd.DataFrame(rows, columns=RANKING)


def _columns(agreement: Agreement) -> dict[str, Any]:
    return (
        {"n": agreement.n, "n_best": agreement.best}
        | estimate_columns("tau", agreement.tau)
        | estimate_columns("spearman", agreement.spearman)
        | estimate_columns("overlap", agreement.overlap)
    )


# ---- resampling --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Ranked:
    """One column of numbers, ranked within each resample."""

    ranks: FloatArray  # [n, draws] mid-ranks minus their mean
    untied: FloatArray  # [draws] ordered pairs of drawn models with different values
    best: FloatArray  # [n, draws] how often each model is among the best 10 %; equal values share the places


def ranked(values: FloatArray, counts: FloatArray) -> Ranked:
    """Rank values [n] in each resample, counts [n, draws]; a model that is not drawn has any rank."""
    if len(values) == 0:
        none = np.zeros(counts.shape)
        return Ranked(none, np.zeros(counts.shape[1]), none)
    order = np.argsort(values, kind="stable")
    firsts = np.flatnonzero(np.diff(values[order], prepend=np.nan) != 0)  # of each group of equal values
    group = np.empty(len(values), dtype=np.int64)
    group[order] = np.repeat(np.arange(len(firsts)), np.diff(np.append(firsts, len(values))))
    sizes = np.add.reduceat(counts[order], firsts, axis=0)  # [groups, draws]
    ends, total = np.cumsum(sizes, axis=0), len(values)
    free = np.clip(places(total) - (ends - sizes), 0, sizes)
    return Ranked(
        ranks=(ends - (sizes + total) / 2)[group],
        untied=total**2 - np.einsum("gd,gd->d", sizes, sizes),
        best=counts * (free / np.maximum(sizes, 1))[group],
    )


def places(n: int) -> int:
    """Models in the best 10 %, at least one."""
    return max(1, round(TOP_SHARE * n)) if n else 0


def _sums(columns: FloatArray, counts: FloatArray) -> list[_Sums]:
    """Every column but the last against the last, columns [n, errors of one kind]."""
    if columns.shape[1] < 2:
        return []
    n, last = max(len(columns), 1), columns[:, -1]
    y, sign_y = ranked(last, counts), _signs(last)
    weighted, single = counts * y.ranks, counts.astype(np.float32)
    ranks_yy = np.einsum("nd,nd->d", weighted, y.ranks) / n**2
    found = []
    for column in columns.T[:-1]:
        x = ranked(column, counts)
        sums = (_signs(column) * sign_y) @ single  # whole numbers far below 2^24, so exact
        found.append(
            _Sums(
                concordant=np.einsum("nd,nd->d", sums, counts),
                untied_x=x.untied,
                untied_y=y.untied,
                ranks_xy=np.einsum("nd,nd->d", weighted, x.ranks) / n**2,
                ranks_xx=np.einsum("nd,nd,nd->d", counts, x.ranks, x.ranks) / n**2,
                ranks_yy=ranks_yy,
                shared=np.minimum(x.best, y.best).sum(axis=0),
                best=x.best.sum(axis=0),
            )
        )
    return found


def _signs(values: FloatArray) -> npt.NDArray[np.float32]:
    """Which of two models has the larger value, [n, n]; single precision takes half the time."""
    signs: npt.NDArray[np.float32] = np.sign(values[:, None] - values).astype(np.float32)
    return signs


def _agreement(sums: Sequence[_Sums], sizes: Sequence[int]) -> Agreement:
    """Of one space, or of several of which only models of the same space are compared."""
    total = _Sums(*(np.sum([getattr(part, f.name) for part in sums], axis=0) for f in fields(_Sums)))
    n = sum(sizes)
    return Agreement(
        n=n,
        tau=estimate(ratio(total.concordant, np.sqrt(total.untied_x * total.untied_y)), n),
        spearman=estimate(ratio(total.ranks_xy, np.sqrt(total.ranks_xx * total.ranks_yy)), n),
        overlap=estimate(ratio(total.shared, total.best), n) if n > 1 else NONE,
        best=sum(map(places, sizes)),
    )


# ---- within one training -----------------------------------------------------------------------------------


def _learning_curves(runs: pd.DataFrame) -> tuple[dict[str, FloatArray], list[str]]:
    """Validation errors [n, epochs] of every space's finished models, and what is not among them."""
    none: dict[str, FloatArray] = {name: np.zeros((0, 0)) for name in set(runs["space"])}
    if "val_errors" not in runs:
        return none, ["the runs hold no learning curves (val_errors)"]
    done, curves, notes = runs[runs["status"] == "done"], dict(none), []
    for name, part in done.groupby("space"):
        found = [np.asarray(curve, dtype=float) for curve in part["val_errors"] if np.ndim(curve) == 1]
        epochs = _most_common(map(len, found))
        whole = [curve for curve in found if len(curve) == epochs and np.isfinite(curve).all()]
        curves[str(name)] = np.array(whole).reshape(len(whole), epochs)
        if len(whole) < len(part):
            notes.append(f"{name}: {len(part) - len(whole)} finished models lack a curve of {epochs} epochs")
    longest = max((table.shape[1] for table in curves.values()), default=0)
    if longest == 1:
        notes.append("one epoch only: there is no earlier error to compare with the last")
    return curves, notes


def _most_common(values: Iterable[int]) -> int:
    """Of equally common values the largest; 0 without any."""
    return max(Counter(values).items(), key=lambda item: (item[1], item[0]), default=(0, 0))[0]


def _by_epoch(sums: Sequence[_Sums], n: int) -> tuple[EpochAgreement, ...]:
    return tuple(
        EpochAgreement(epoch, len(sums) + 1, _agreement([part], [n]))
        for epoch, part in enumerate(sums, start=1)
    )


def _pool(
    parts: Sequence[Sequence[_Sums]], sizes: Sequence[int]
) -> tuple[tuple[EpochAgreement, ...], list[str]]:
    """The spaces that were trained for the most common number of epochs, together."""
    usable = [(part, n) for part, n in zip(parts, sizes, strict=True) if part]
    earlier = _most_common(len(part) for part, _ in usable)
    same = [(part, n) for part, n in usable if len(part) == earlier]
    other = len(usable) - len(same)
    notes = [f"{other} spaces with another number of epochs are not pooled"] if other else []
    members = [n for _, n in same]
    pooled = (_agreement([part[t] for part, _ in same], members) for t in range(earlier))
    return tuple(EpochAgreement(t, earlier + 1, found) for t, found in enumerate(pooled, start=1)), notes


def _epoch_statement(pooled: Sequence[EpochAgreement]) -> tuple[str, ...]:
    """The earliest and the last but one epoch, in words."""
    if not pooled or math.isnan(pooled[-1].agreement.tau.value):
        return ()
    shown = pooled if len(pooled) == 1 else (pooled[0], pooled[-1])
    parts = [f"{_agreement_in_words(at.agreement)} after epoch {at.epoch}" for at in shown]
    return (
        f"Error during training against the error after epoch {pooled[0].epochs}, among models of one space "
        f"({pooled[0].agreement.n} models): {'; '.join(parts)}.",
    )


def _agreement_in_words(agreement: Agreement) -> str:
    return (
        f"Kendall's tau {in_words(agreement.tau)}, "
        f"{100 * agreement.overlap.value:.0f} % of the best tenth shared (10 % by chance)"
    )


# ---- against a longer training -----------------------------------------------------------------------------


def _extended(
    runs: pd.DataFrame, extended: pd.DataFrame | None, resamples: int, key: int
) -> tuple[tuple[ExtendedRanking, ...], Agreement | None, list[str]]:
    if extended is None or len(extended) == 0:
        return (), None, []
    pairs, notes = _paired(runs, extended)
    found, sums = [], []
    for name, part in pairs.groupby("space"):
        both = part.dropna(subset=["error_brief", "error"])
        counts = resampled_counts(len(both), resamples, named_rng(key, f"{name} extended"))
        brief, longer = both["error_brief"].to_numpy(dtype=float), both["error"].to_numpy(dtype=float)
        sums += _sums(np.column_stack([brief, longer]), counts)
        agreement = _agreement(sums[-1:], [len(both)])
        regret, regret_top, regret_random = _regrets(brief, longer, counts)
        found.append(
            ExtendedRanking(
                name=str(name),
                left_out=len(part) - len(both),
                brief_epochs=_most_common(both["epochs_brief"].astype(int)),
                extended_epochs=_most_common(both["epochs"].astype(int)),
                brief=brief,
                extended=longer,
                agreement=agreement,
                regret=regret,
                regret_top=regret_top,
                regret_random=regret_random,
            )
        )
    if not found:
        return (), None, notes
    return tuple(found), _agreement(sums, [len(part.brief) for part in found]), notes


def _paired(runs: pd.DataFrame, extended: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Rows of the longer training beside those of the brief one; errors are NaN unless done."""
    key = ["space", "model_id"]
    tables = [
        table.reindex(columns=[*key, "status", "error", "epochs"]).assign(
            error=lambda rows: rows["error"].where(rows["status"] == "done").astype(float),
            epochs=lambda rows: rows["epochs"].fillna(0),
        )
        for table in (extended.drop_duplicates(key), runs.drop_duplicates(key))
    ]
    pairs = tables[0].merge(tables[1], on=key, suffixes=("", "_brief"))
    notes = []
    if unknown := len(tables[0]) - len(pairs):
        notes.append(f"{unknown} models of the longer training are not among the runs")
    known = (pairs["epochs"] > 0) & (pairs["epochs_brief"] > 0)
    not_longer = known & (pairs["epochs"] <= pairs["epochs_brief"])
    if not_longer.any():
        notes.append(f"{int(not_longer.sum())} models of the longer training had no more epochs than before")
    return pairs[~not_longer], notes


def _regrets(brief: FloatArray, extended: FloatArray, counts: FloatArray) -> tuple[Estimate, Estimate, float]:
    """Of trusting the brief error: for the first choice, for the best of the best 10 %; and for no choice.

    The ranges are those over resamples of the models. A minimum has no consistent bootstrap: they describe
    how much the regret depends on which models were sampled, and promise no coverage.
    """
    if len(brief) == 0:
        return NONE, NONE, NAN
    n, drawn, longer = len(brief), counts > 0, extended[:, None]
    least = np.where(drawn, longer, np.inf).min(axis=0)
    first = extended[np.where(drawn, brief[:, None], np.inf).argmin(axis=0)]
    best = np.where(ranked(brief, counts).best > 0, longer, np.inf).min(axis=0)
    blind = float(extended.mean() - extended.min())
    return estimate(first - least, n), estimate(best - least, n), blind


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
        f"{_agreement_in_words(agreement)}. Choosing the best by its brief error costs, in points of error "
        f"after the longer training: {regrets}.",
    )
