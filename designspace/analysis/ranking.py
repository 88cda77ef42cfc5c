"""Does brief training rank models well? Errors after fewer epochs against errors after more.

Two questions. Within each training: does the error after epoch t rank the models as the error after the last
epoch does? And, where some of the models were trained again for longer: does the brief error rank them as
the longer one? The first is the kinder question: both errors come from one training with one seed, and a
schedule made for all epochs has a learning rate at epoch t that a training of t epochs would not have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

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
    cut_short: int  # of these, finished models
    curve_epochs: int  # of a whole learning curve; 0 without any
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
    has_curves: bool  # whether the runs have learning curves at all
    not_pooled: int  # spaces with another number of epochs than most
    strangers: int  # models of the longer training that are not among the runs
    not_longer: int  # models of the longer training that had no more epochs than before


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
    part is then empty.
    """
    curves = _learning_curves(runs)
    has_curves = "val_errors" in runs
    spaces, parts, key = [], [], draw_key(rng)
    for name in sorted(set(runs["space"])):
        part = runs[runs["space"] == name]
        table, finished = curves[name], int((part["status"] == "done").sum())
        counts = resampled_counts(len(table), resamples, named_rng(key, name))
        sums = _sums(table, counts)
        spaces.append(
            SpaceRanking(
                name=name,
                n=len(table),
                left_out=len(part) - len(table),
                cut_short=finished - len(table) if has_curves else 0,
                curve_epochs=table.shape[1],
                epochs=_by_epoch(sums, len(table)),
            )
        )
        parts.append(sums)
    pooled, not_pooled = _pool(parts, [space.n for space in spaces])
    pairs = _paired(runs, extended)
    longer, agreement = _extended(pairs.table, resamples, key)
    return RankingAnalysis(
        spaces=tuple(spaces),
        pooled=pooled,
        extended=longer,
        pooled_extended=agreement,
        has_curves=has_curves,
        not_pooled=not_pooled,
        strangers=pairs.strangers,
        not_longer=pairs.not_longer,
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


def _learning_curves(runs: pd.DataFrame) -> dict[str, FloatArray]:
    """Validation errors [n, epochs] of every space's finished models with a whole learning curve."""
    curves: dict[str, FloatArray] = {name: np.zeros((0, 0)) for name in set(runs["space"])}
    if "val_errors" not in runs:
        return curves
    for name, part in runs[runs["status"] == "done"].groupby("space"):
        found = [np.asarray(curve, dtype=float) for curve in part["val_errors"] if np.ndim(curve) == 1]
        epochs = _most_common(map(len, found))
        whole = [curve for curve in found if len(curve) == epochs and np.isfinite(curve).all()]
        curves[str(name)] = np.array(whole).reshape(len(whole), epochs)
    return curves


def _most_common(values: Iterable[int]) -> int:
    """Of equally common values the largest; 0 without any."""
    return max(Counter(values).items(), key=lambda item: (item[1], item[0]), default=(0, 0))[0]


def _by_epoch(sums: Sequence[_Sums], n: int) -> tuple[EpochAgreement, ...]:
    return tuple(
        EpochAgreement(epoch, len(sums) + 1, _agreement([part], [n]))
        for epoch, part in enumerate(sums, start=1)
    )


def _pool(parts: Sequence[Sequence[_Sums]], sizes: Sequence[int]) -> tuple[tuple[EpochAgreement, ...], int]:
    """The spaces that were trained for the most common number of epochs together; how many others."""
    usable = [(part, n) for part, n in zip(parts, sizes, strict=True) if part]
    earlier = _most_common(len(part) for part, _ in usable)
    same = [(part, n) for part, n in usable if len(part) == earlier]
    members = [n for _, n in same]
    pooled = (_agreement([part[t] for part, _ in same], members) for t in range(earlier))
    agreements = tuple(EpochAgreement(t, earlier + 1, found) for t, found in enumerate(pooled, start=1))
    return agreements, len(usable) - len(same)


# ---- against a longer training -----------------------------------------------------------------------------


def _extended(
    pairs: pd.DataFrame, resamples: int, key: int
) -> tuple[tuple[ExtendedRanking, ...], Agreement | None]:
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
    return tuple(found), _agreement(sums, [len(part.brief) for part in found]) if found else None


@dataclass(frozen=True, eq=False)
class _Pairs:
    """The longer training beside the brief one; see RankingAnalysis for what is left out."""

    table: pd.DataFrame  # rows of the longer training, with columns of the brief one
    strangers: int
    not_longer: int


def _paired(runs: pd.DataFrame, extended: pd.DataFrame | None) -> _Pairs:
    """Rows of the longer training beside those of the brief one; errors are NaN unless done."""
    if extended is None or len(extended) == 0:
        extended = runs[:0]
    key = ["space", "model_id"]
    tables = [
        table.reindex(columns=[*key, "status", "error", "epochs"]).assign(
            error=lambda rows: rows["error"].where(rows["status"] == "done").astype(float),
            epochs=lambda rows: rows["epochs"].fillna(0),
        )
        for table in (extended.drop_duplicates(key), runs.drop_duplicates(key))
    ]
    pairs = tables[0].merge(tables[1], on=key, suffixes=("", "_brief"))
    known = (pairs["epochs"] > 0) & (pairs["epochs_brief"] > 0)
    not_longer = known & (pairs["epochs"] <= pairs["epochs_brief"])
    return _Pairs(pairs[~not_longer], len(tables[0]) - len(pairs), int(not_longer.sum()))


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
