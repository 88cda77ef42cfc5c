"""Is one space better than another, by how much, and how sure is that?

All differences are of the first space minus the second: below 0, the first has the lower errors. What is
resampled are the models; the noise of training is part of each model's error, and so of every interval.

The verdict is that of the difference of means: one estimator gives it, its interval and its p value (see
`powered`), from predictions for untrained networks too where there are any. Ranks describe.

Models that diverged or failed have no error. Rank tests, probabilities and EDFs count them as worse than all
others; means and quantiles are of the models that are done, so where more than a few have no error the ranks
must agree with the means. Models not run yet count nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
from scipy import stats

from designspace.analysis.cross_fit import MOST_UNFINISHED
from designspace.analysis.powered import NOT_ASKED, Sample, difference_estimate, plain_sample
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
    mean: Estimate  # points of top-1 error; powered where it can be
    p: float  # of its test, which agrees with its interval
    plain: Estimate  # from the trained models alone, by the same method
    worth: float  # so many times the trainings would take the plain one to be as certain
    reason: str  # why it is not powered on one side at least; empty if it is
    quantiles: dict[float, Estimate]  # by the share below
    beats: float  # probability that a random model of the first has the lower error; ties count half
    beats_interval: Interval  # 95 percent
    ks: float  # Kolmogorov-Smirnov distance
    ks_p: float
    mann_whitney_p: float
    edf: EdfDifference
    p_holm: float = NAN  # corrected for the number of pairs compared
    ks_p_holm: float = NAN  # the same
    mann_whitney_p_holm: float = NAN
    pairs: int = 1  # compared in the same study
    equal_flops: bool = False  # whether the flops of all models differ by less than EQUAL

    @property
    def verdict(self) -> str:
        """BETTER or WORSE, of the first: where their means differ; else UNDECIDED or TOO_FEW."""
        if min(self.counts_first.done, self.counts_second.done) < FEWEST:
            return TOO_FEW
        if not self.p_holm < ALPHA or self.contradicted:
            return UNDECIDED
        return BETTER if self.mean.value < 0 else WORSE

    @property
    def contradicted(self) -> bool:
        """Whether many models have no error, and the ranks, which count them, do not say what means do."""
        if all(c.n - c.done <= MOST_UNFINISHED * c.n for c in (self.counts_first, self.counts_second)):
            return False
        agree = (self.beats > 0.5) == (self.mean.value < 0) and self.beats != 0.5
        return not (agree and self.mann_whitney_p_holm < ALPHA)

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
            plain=-self.plain,
            quantiles={q: -d for q, d in self.quantiles.items()},
            beats=1 - self.beats,
            beats_interval=Interval(1 - self.beats_interval.high, 1 - self.beats_interval.low),
            edf=replace(self.edf, difference=-self.edf.difference),
        )


def compare_all(
    populations: Mapping[str, pd.DataFrame], *, seed: int = 0, samples: Mapping[str, Sample] | None = None
) -> tuple[Comparison, ...]:
    """Every pair of spaces (runs by name), with p values corrected by Holm's method over the pairs.

    `samples` are those of `powered_study.mean_samples`; without one, the estimates of a space are plain.
    """
    known = samples or {}
    sides = [
        _side(name, runs, seed, QUANTILE_RESAMPLES, known.get(name)) for name, runs in populations.items()
    ]
    found = [_compare(a, b) for a, b in combinations(sides, 2)]
    means = holm(np.array([c.p for c in found]))
    ks = holm(np.array([c.ks_p for c in found]))
    ranks = holm(np.array([c.mann_whitney_p for c in found]))
    return tuple(
        replace(c, p_holm=float(m), ks_p_holm=float(k), mann_whitney_p_holm=float(r), pairs=len(found))
        for c, m, k, r in zip(found, means, ks, ranks, strict=True)
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
    samples: Mapping[str, Sample] | None = None,
) -> Comparison:
    """Compare two spaces by their runs (see `results.REQUIRED`); alone, the p values need no correction.

    The same populations give the same numbers from either side, in `analyze` and in `refine`. `seed` and
    `resamples` are those of the intervals of quantiles, `samples` as in `compare_all`.
    """
    known = samples or {}
    return _compare(
        _side(first, runs_first, seed, resamples, known.get(first)),
        _side(second, runs_second, seed, resamples, known.get(second)),
    )


@dataclass(frozen=True, eq=False)
class _Side:
    """What a comparison needs of one population."""

    name: str
    counts: Counts
    errors: FloatArray  # [n_done]
    ranked: FloatArray  # [n] of all models with a verdict, 100 percent where they have no error
    resampled: FloatArray  # [quantiles, resamples]; empty below two errors
    flops: FloatArray  # [n] multiply-adds of all models
    sample: Sample  # for the mean


def _side(name: str, runs: pd.DataFrame, seed: int, resamples: int, sample: Sample | None) -> _Side:
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
        sample=sample or plain_sample(errors, NOT_ASKED),
    )


def _compare(first: _Side, second: _Side) -> Comparison:
    x, y = first.ranked, second.ranked
    mean = difference_estimate(first.sample, second.sample)
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
        mean=mean.estimate,
        p=mean.p,
        plain=mean.plain,
        worth=mean.worth,
        reason=mean.reason,
        quantiles=_quantile_differences(first, second),
        beats=beats,
        beats_interval=interval,
        ks=ks,
        ks_p=ks_p,
        mann_whitney_p=rank_p,
        edf=_edf_difference(first.errors, second.errors, len(x), len(y)),
        p_holm=mean.p,
        ks_p_holm=ks_p,
        mann_whitney_p_holm=rank_p,
        equal_flops=_are_equal(np.concatenate([first.flops, second.flops])),
    )


def _are_equal(flops: FloatArray) -> bool:
    return len(flops) > 0 and bool(flops.max() < EQUAL * flops.min())


def _quantile_differences(first: _Side, second: _Side) -> dict[float, Estimate]:
    """Of all quantiles; no interval below two models of each."""
    a, b = first.errors, second.errors
    if min(len(a), len(b)) == 0:
        return dict.fromkeys(QUANTILES, NONE)
    values = _quantiles(a) - _quantiles(b)
    if min(len(a), len(b)) < 2:
        ends = np.full((2, len(QUANTILES)), NAN)
    else:
        ends = np.quantile(first.resampled - second.resampled, TAILS, axis=-1)
    return {
        q: Estimate(float(value), Interval(float(low), float(high), "percentile"))
        for q, value, low, high in zip(QUANTILES, values, *ends, strict=True)
    }


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
