"""Is one space better than another, by how much, and how sure is that?

All differences are of the first space minus the second: below 0, the first has the lower errors. What is
resampled are the models; the noise of training is part of each model's error, and so of every interval.

Models that diverged or failed have no error. Tests, probabilities and EDFs count them as worse than all
others; means and quantiles are of the models that are done. Models not run yet count nowhere.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from designspace.analysis.bootstrap import named_rng
from designspace.analysis.edf import dkw_half_width
from designspace.analysis.holm import holm
from designspace.analysis.results import Counts, count_statuses, finished_errors, outcomes
from designspace.analysis.sample_size import beating
from designspace.analysis.summary import NAN, RESAMPLED_VALUES, Interval
from designspace.networks.architecture import FloatArray

CONFIDENCE = 0.95
ALPHA = 0.05
RESAMPLES = 1_999
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75)
FEWEST = 5  # models of each space, below which nothing is concluded

COLUMNS = (
    *("first", "second", "n_first", "n_second", "without_error_first", "without_error_second"),
    *("mean", "mean_low", "mean_high"),
    *(f"q{round(100 * q):02d}{end}" for q in QUANTILES for end in ("", "_low", "_high")),
    *("p_beats", "p_beats_low", "p_beats_high", "ks", "ks_p", "ks_p_holm"),
    *("mann_whitney_p", "mann_whitney_p_holm", "verdict", "sentence"),
)


@dataclass(frozen=True)
class Difference:
    """A statistic of the first space minus that of the second, in points of top-1 error."""

    value: float
    interval: Interval  # 95 percent, BCa bootstrap of both populations


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
    mean: Difference
    quantiles: dict[float, Difference]  # by the share below
    beats: float  # probability that a random model of the first has the lower error; ties count half
    beats_interval: Interval  # 95 percent
    ks: float  # Kolmogorov-Smirnov distance
    ks_p: float
    mann_whitney_p: float
    edf: EdfDifference
    ks_p_holm: float = NAN  # corrected for the number of pairs compared
    mann_whitney_p_holm: float = NAN
    pairs: int = 1  # compared in the same study

    @property
    def verdict(self) -> str:
        """`first` or `second`: the better one, where mean and ranks both say so; else `undecided`."""
        if min(self.counts_first.done, self.counts_second.done) < FEWEST:
            return "undecided"
        if not self.mann_whitney_p_holm < ALPHA:
            return "undecided"
        if self.mean.interval.high < 0 and self.beats > 0.5:
            return "first"
        if self.mean.interval.low > 0 and self.beats < 0.5:
            return "second"
        return "undecided"

    @property
    def sentence(self) -> str:
        """The result in words that can be quoted, no stronger than the numbers."""
        a, b = self.first, self.second
        if min(self.counts_first.done, self.counts_second.done) < FEWEST:
            return (
                f"{a} and {b} cannot be compared: {self.counts_first.done} and "
                f"{self.counts_second.done} of their models have an error."
            )
        if self.verdict == "second":
            return self.swapped().sentence
        chance = f"{self.beats:.2f} ({self.beats_interval.low:.2f} to {self.beats_interval.high:.2f})"
        low, high = self.mean.interval.low, self.mean.interval.high
        tested = f"{_p(self.mann_whitney_p_holm)}, Mann-Whitney"
        if self.pairs > 1:
            tested += f" with Holm's correction for {self.pairs} pairs"
        if self.verdict == "first":
            return (
                f"{a} is better than {b}: its mean error is {-self.mean.value:.2f} points lower "
                f"(95 % interval {-high:.2f} to {-low:.2f}), and a random model of {a} beats one of {b} with "
                f"probability {chance}; {tested}{self._without_error()}."
            )
        hints = low > 0 or high < 0 or self.mann_whitney_p < ALPHA
        start = (
            "It is not settled whether {a} and {b} differ"
            if hints
            else "No difference of {a} and {b} is shown"
        )
        return (
            f"{start.format(a=a, b=b)}: the mean errors differ by {self.mean.value:+.2f} points "
            f"(95 % interval {low:+.2f} to {high:+.2f}), and a random model of {a} beats one of {b} with "
            f"probability {chance}; {tested}{self._without_error()}."
        )

    def _without_error(self) -> str:
        lost = [c.n - c.done for c in (self.counts_first, self.counts_second)]
        return (
            f"; {lost[0]} and {lost[1]} models without an error count in the ranks alone" if any(lost) else ""
        )

    def swapped(self) -> Comparison:
        """The same from the other side."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            counts_first=self.counts_second,
            counts_second=self.counts_first,
            mean=_swapped(self.mean),
            quantiles={q: _swapped(d) for q, d in self.quantiles.items()},
            beats=1 - self.beats,
            beats_interval=Interval(1 - self.beats_interval.high, 1 - self.beats_interval.low),
            edf=replace(self.edf, difference=-self.edf.difference),
        )


def compare_all(populations: Mapping[str, pd.DataFrame], *, seed: int = 0) -> tuple[Comparison, ...]:
    """Every pair of spaces (runs by name), with p values corrected by Holm's method over the pairs."""
    found = [
        compare(a, b, populations[a], populations[b], rng=named_rng(seed, f"{a}|{b}"))
        for a, b in combinations(populations, 2)
    ]
    ks = holm(np.array([c.ks_p for c in found]))
    ranks = holm(np.array([c.mann_whitney_p for c in found]))
    return tuple(
        replace(c, ks_p_holm=float(k), mann_whitney_p_holm=float(r), pairs=len(found))
        for c, k, r in zip(found, ks, ranks, strict=True)
    )


def neighbours(comparisons: Sequence[Comparison], names: Sequence[str]) -> tuple[Comparison, ...]:
    """Each space against the one before it in `names`, in that order: the steps of a refinement."""
    pairs = {(c.first, c.second): c for c in comparisons}
    pairs |= {(c.second, c.first): c.swapped() for c in comparisons}
    return tuple(pairs[after, before] for before, after in pairwise(names))


def compare(
    first: str,
    second: str,
    runs_first: pd.DataFrame,
    runs_second: pd.DataFrame,
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two spaces by their runs (see `runs.REQUIRED`); alone, the p values need no correction."""
    a, b = finished_errors(runs_first), finished_errors(runs_second)
    x, y = (values[~np.isnan(values)] for values in map(outcomes, (runs_first, runs_second)))
    mean, *quantiles = _differences(a, b, rng, resamples)
    beats, interval, ks, ks_p, rank_p = NAN, Interval(NAN, NAN), NAN, NAN, NAN
    if min(len(x), len(y)):
        beats, _, interval = beating(x, y, CONFIDENCE)
        ks, ks_p = (float(value) for value in stats.ks_2samp(x, y))
        rank_p = float(stats.mannwhitneyu(x, y).pvalue)
    return Comparison(
        first=first,
        second=second,
        counts_first=count_statuses(runs_first),
        counts_second=count_statuses(runs_second),
        mean=mean,
        quantiles=dict(zip(QUANTILES, quantiles, strict=True)),
        beats=beats,
        beats_interval=interval,
        ks=ks,
        ks_p=ks_p,
        mann_whitney_p=rank_p,
        edf=_edf_difference(a, b, len(x), len(y)),
        ks_p_holm=ks_p,
        mann_whitney_p_holm=rank_p,
    )


def _differences(a: FloatArray, b: FloatArray, rng: np.random.Generator, resamples: int) -> list[Difference]:
    """Of the means and all quantiles, from the same resamples; no interval below two models of each."""
    if min(len(a), len(b)) == 0:
        return [Difference(NAN, Interval(NAN, NAN))] * (1 + len(QUANTILES))
    values = _statistics(a, b)
    if min(len(a), len(b)) < 2:
        return [Difference(float(value), Interval(NAN, NAN)) for value in values]
    if np.ptp(a) == np.ptp(b) == 0:
        return [Difference(float(value), Interval(float(value), float(value))) for value in values]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy warns and returns NaN where BCa is undefined
        result = stats.bootstrap(
            (a, b),
            _statistics,
            n_resamples=resamples,
            batch=1 + RESAMPLED_VALUES // max(len(a), len(b)),
            confidence_level=CONFIDENCE,
            method="BCa",
            rng=rng,
        )
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    plain = np.quantile(result.bootstrap_distribution, tails, axis=-1)
    ends = np.array(result.confidence_interval)
    low, high = np.where(np.isfinite(ends).all(axis=0), ends, plain)
    return [
        Difference(float(v), Interval(float(x), float(y))) for v, x, y in zip(values, low, high, strict=True)
    ]


def _statistics(a: FloatArray, b: FloatArray, axis: int = -1) -> Any:
    """Differences of mean and quantiles, [1 + quantiles, ...]."""
    return _location(a, axis) - _location(b, axis)


def _location(values: FloatArray, axis: int) -> FloatArray:
    """Mean and quantiles (linear between order statistics), [1 + quantiles, ...]."""
    ordered = np.sort(np.moveaxis(values, axis, -1))  # once: np.quantile takes several times as long
    place = np.array(QUANTILES) * (ordered.shape[-1] - 1)
    below = place.astype(np.int64)
    above = np.minimum(below + 1, ordered.shape[-1] - 1)
    part = place - below
    quantiles = (1 - part) * ordered[..., below] + part * ordered[..., above]
    return np.concatenate([ordered.mean(axis=-1)[None], np.moveaxis(quantiles, -1, 0)])


def _edf_difference(a: FloatArray, b: FloatArray, n: int, m: int) -> EdfDifference:
    """From the errors of the models that are done, a of n and b of m models with a verdict."""
    steps = np.unique(np.concatenate([[0.0, 100.0], a, b]))
    share = [np.searchsorted(np.sort(v), steps, side="right") / max(k, 1) for v, k in ((a, n), (b, m))]
    confidence = 1 - (1 - CONFIDENCE) / 2
    half = dkw_half_width(n, confidence) + dkw_half_width(m, confidence)
    difference = share[0] - share[1] if n and m else np.full(len(steps), np.nan)
    return EdfDifference(steps, difference, half)


def _swapped(difference: Difference) -> Difference:
    interval = difference.interval
    return Difference(-difference.value, Interval(-interval.high, -interval.low))


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"


def comparison_table(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """One row a pair; differences in points of top-1 error, first minus second."""
    rows = []
    for c in comparisons:
        row: dict[str, Any] = {
            "first": c.first,
            "second": c.second,
            "n_first": c.counts_first.n,
            "n_second": c.counts_second.n,
            "without_error_first": c.counts_first.n - c.counts_first.done,
            "without_error_second": c.counts_second.n - c.counts_second.done,
            "p_beats": c.beats,
            "p_beats_low": c.beats_interval.low,
            "p_beats_high": c.beats_interval.high,
            "ks": c.ks,
            "ks_p": c.ks_p,
            "ks_p_holm": c.ks_p_holm,
            "mann_whitney_p": c.mann_whitney_p,
            "mann_whitney_p_holm": c.mann_whitney_p_holm,
            "verdict": {"first": c.first, "second": c.second}.get(c.verdict, c.verdict),
            "sentence": c.sentence,
        }
        for name, d in [("mean", c.mean), *((f"q{round(100 * q):02d}", d) for q, d in c.quantiles.items())]:
            row |= {name: d.value, f"{name}_low": d.interval.low, f"{name}_high": d.interval.high}
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)
