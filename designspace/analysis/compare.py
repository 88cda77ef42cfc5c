"""Is one space better than another, by how much, and how sure is that?

All differences are of the first space minus the second: below 0, the first has the lower errors. What is
resampled are the models; the noise of training is part of each model's error, and so of every interval.

Models that diverged or failed have no error. Tests, probabilities and EDFs count them as worse than all
others; means and quantiles are of the models that are done. Models not run yet count nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
from scipy import stats

from designspace.analysis.results import Counts, count_statuses, finished_errors, outcomes
from designspace.analysis.sample_size import beating
from designspace.analysis.statistics import (
    ALPHA,
    BETTER,
    CONFIDENCE,
    FEWEST,
    NAN,
    NONE,
    QUANTILE_RESAMPLES,
    RESAMPLED_VALUES,
    TAILS,
    TOO_FEW,
    UNDECIDED,
    WORSE,
    Estimate,
    Interval,
    dkw_half_width,
    holm,
    mean_interval,
    named_rng,
)
from designspace.networks.architecture import FloatArray

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75)
EQUAL = 1.2  # flops that differ by a smaller factor are called equal


@dataclass(frozen=True, eq=False)
class EdfDifference:
    """F of the first space minus F of the second; on (errors[i], errors[i + 1]] it is difference[i].

    The band is simultaneous: that of Dvoretzky, Kiefer and Wolfowitz for each space with half of the
    probability to miss, added. Above 0, the first space has more models with an error that low.
    """

    errors: FloatArray  # [steps] top-1 percent, increasing
    difference: FloatArray  # [steps] in -1..1
    half_width: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two spaces; NaN where there are too few models."""

    first: str
    second: str
    counts_first: Counts
    counts_second: Counts
    mean: Estimate  # points of top-1 error
    quantiles: dict[float, Estimate]  # by the share below
    beats: float  # probability that a random model of the first has the lower error; ties count half
    beats_interval: Interval  # 95 percent
    ks: float  # Kolmogorov-Smirnov distance
    ks_p: float
    mann_whitney_p: float
    edf: EdfDifference
    ks_p_holm: float = NAN  # corrected for the number of pairs compared
    mann_whitney_p_holm: float = NAN
    pairs: int = 1  # compared in the same study
    equal_flops: bool = False  # whether the flops of all models differ by less than EQUAL

    @property
    def verdict(self) -> str:
        """BETTER or WORSE, of the first: where mean and ranks both say so; else UNDECIDED or TOO_FEW."""
        if min(self.counts_first.done, self.counts_second.done) < FEWEST:
            return TOO_FEW
        if not self.mann_whitney_p_holm < ALPHA:
            return UNDECIDED
        if self.mean.interval.high < 0 and self.beats > 0.5:
            return BETTER
        if self.mean.interval.low > 0 and self.beats < 0.5:
            return WORSE
        return UNDECIDED

    @property
    def decided(self) -> bool:
        """Whether one of the two is shown to be better."""
        return self.verdict in (BETTER, WORSE)

    @property
    def effective_n(self) -> float:
        """Two groups of this size each would be as informative: the harmonic mean of both numbers."""
        n, m = self.counts_first.n, self.counts_second.n
        return 2 / (1 / n + 1 / m) if min(n, m) else 0.0

    def swapped(self) -> Comparison:
        """The same from the other side."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            counts_first=self.counts_second,
            counts_second=self.counts_first,
            mean=-self.mean,
            quantiles={q: -d for q, d in self.quantiles.items()},
            beats=1 - self.beats,
            beats_interval=Interval(1 - self.beats_interval.high, 1 - self.beats_interval.low),
            edf=replace(self.edf, difference=-self.edf.difference),
        )


def compare_all(populations: Mapping[str, pd.DataFrame], *, seed: int = 0) -> tuple[Comparison, ...]:
    """Every pair of spaces (runs by name), with p values corrected by Holm's method over the pairs."""
    sides = [_side(name, runs, seed, QUANTILE_RESAMPLES) for name, runs in populations.items()]
    found = [_compare(a, b) for a, b in combinations(sides, 2)]
    ks = holm(np.array([c.ks_p for c in found]))
    ranks = holm(np.array([c.mann_whitney_p for c in found]))
    return tuple(
        replace(c, ks_p_holm=float(k), mann_whitney_p_holm=float(r), pairs=len(found))
        for c, k, r in zip(found, ks, ranks, strict=True)
    )


def neighbours(comparisons: Sequence[Comparison], names: Sequence[str]) -> tuple[Comparison, ...]:
    """Each space against the one before it in `names`, in that order: the steps of a refinement."""
    return tuple(between(comparisons, after, before) for before, after in pairwise(names))


def between(comparisons: Sequence[Comparison], first: str, second: str) -> Comparison:
    """The comparison of these two spaces, in this order."""
    (found,) = (c for c in comparisons if {c.first, c.second} == {first, second})
    return found if found.first == first else found.swapped()


def compare(
    first: str,
    second: str,
    runs_first: pd.DataFrame,
    runs_second: pd.DataFrame,
    *,
    seed: int = 0,
    resamples: int = QUANTILE_RESAMPLES,
) -> Comparison:
    """Compare two spaces by their runs (see `results.REQUIRED`); alone, the p values need no correction.

    The same populations give the same numbers from either side, in `analyze` and in `refine`. `seed` and
    `resamples` are those of the intervals of quantiles.
    """
    return _compare(_side(first, runs_first, seed, resamples), _side(second, runs_second, seed, resamples))


@dataclass(frozen=True, eq=False)
class _Side:
    """What a comparison needs of one population."""

    name: str
    counts: Counts
    errors: FloatArray  # [n_done]
    ranked: FloatArray  # [n] of all models with a verdict, 100 percent where they have no error
    resampled: FloatArray  # [quantiles, resamples]; empty below two errors
    flops: FloatArray  # [n] multiply-adds of all models


def _side(name: str, runs: pd.DataFrame, seed: int, resamples: int) -> _Side:
    errors, ranked, rng = finished_errors(runs), outcomes(runs), named_rng(seed, name)
    drawn = [np.zeros((len(QUANTILES), 0))]
    at_once = 1 + RESAMPLED_VALUES // max(1, len(errors))
    for start in range(0, resamples if len(errors) > 1 else 0, at_once):
        rows = rng.integers(len(errors), size=(min(at_once, resamples - start), len(errors)))
        drawn.append(_quantiles(errors[rows]))
    return _Side(
        name=name,
        counts=count_statuses(runs),
        errors=errors,
        ranked=ranked[~np.isnan(ranked)],
        resampled=np.concatenate(drawn, axis=1),
        flops=runs["flops"].to_numpy(dtype=float),
    )


def _compare(first: _Side, second: _Side) -> Comparison:
    x, y = first.ranked, second.ranked
    mean, quantiles = _differences(first, second)
    beats, interval, ks, ks_p, rank_p = NAN, Interval(NAN, NAN), NAN, NAN, NAN
    if min(len(x), len(y)):
        beats, _, interval = beating(x, y)
        ks, ks_p = (float(value) for value in stats.ks_2samp(x, y))
        rank_p = float(stats.mannwhitneyu(x, y).pvalue)
    return Comparison(
        first=first.name,
        second=second.name,
        counts_first=first.counts,
        counts_second=second.counts,
        mean=mean,
        quantiles=quantiles,
        beats=beats,
        beats_interval=interval,
        ks=ks,
        ks_p=ks_p,
        mann_whitney_p=rank_p,
        edf=_edf_difference(first.errors, second.errors, len(x), len(y)),
        ks_p_holm=ks_p,
        mann_whitney_p_holm=rank_p,
        equal_flops=_are_equal(np.concatenate([first.flops, second.flops])),
    )


def _are_equal(flops: FloatArray) -> bool:
    return len(flops) > 0 and bool(flops.max() < EQUAL * flops.min())


def _differences(first: _Side, second: _Side) -> tuple[Estimate, dict[float, Estimate]]:
    """Of the means, and of all quantiles; no interval below two models of each."""
    a, b = first.errors, second.errors
    if min(len(a), len(b)) == 0:
        return NONE, dict.fromkeys(QUANTILES, NONE)
    values = _quantiles(a) - _quantiles(b)
    if min(len(a), len(b)) < 2:
        ends = np.full((2, len(QUANTILES)), NAN)
    else:
        ends = np.quantile(first.resampled - second.resampled, TAILS, axis=-1)
    quantiles = {
        q: Estimate(float(value), Interval(float(low), float(high), "percentile"))
        for q, value, low, high in zip(QUANTILES, values, *ends, strict=True)
    }
    return Estimate(float(a.mean() - b.mean()), mean_interval(a, b)), quantiles


def _quantiles(values: FloatArray) -> FloatArray:
    """Linear between order statistics, [quantiles, ...] of values [..., n]."""
    ordered = np.sort(values, axis=-1)  # once: np.quantile takes several times as long
    place = np.array(QUANTILES) * (ordered.shape[-1] - 1)
    below = place.astype(np.int64)
    above = np.minimum(below + 1, ordered.shape[-1] - 1)
    part = place - below
    return np.asarray(np.moveaxis((1 - part) * ordered[..., below] + part * ordered[..., above], -1, 0))


def _edf_difference(a: FloatArray, b: FloatArray, n: int, m: int) -> EdfDifference:
    """From the errors of the models that are done, a of n and b of m models with a verdict."""
    steps = np.unique(np.concatenate([[0.0, 100.0], a, b]))
    share = [np.searchsorted(np.sort(v), steps, side="right") / max(k, 1) for v, k in ((a, n), (b, m))]
    confidence = 1 - (1 - CONFIDENCE) / 2
    half = dkw_half_width(n, confidence) + dkw_half_width(m, confidence)
    difference = share[0] - share[1] if n and m else np.full(len(steps), np.nan)
    return EdfDifference(steps, difference, half)
