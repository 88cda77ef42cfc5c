"""Complexity-normalised error distributions (Radosavovic et al., ICCV 2019, section 4).

A space whose models have more parameters may be better for that reason alone. Here the models of each space
are weighted so that complexity (flops, params or acts) is spread alike in all compared spaces: the range of
complexity they share is cut into bins of equal width in log complexity, since params and acts spread
over more than a decade, and a model gets

    weight = (share of the range that its bin covers) / (models of its space in the bin),

which is 1 / bins / (models in the bin) for bins of equal width. Bins that are empty, or hold fewer than
LEAST models, in any of the spaces are merged with the next ones, for all spaces alike, and keep their share
of the range. Models outside the range have weight 0. Diverged and failed models are weighted like others
and never reach an error; models not run yet count nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from designspace.analysis.results import Counts, count_statuses
from designspace.analysis.statistics import NAN, Estimate, Interval
from designspace.networks.architecture import FloatArray, IntArray

BINS = 10
LEAST = 2  # models of every space in every bin: one alone has no variance that could be estimated
CONFIDENCE = 0.95
RESAMPLES = 2_000


@dataclass(frozen=True, eq=False)
class NormalizedDistribution:
    """Weighted EDF of one space: on (errors[i], errors[i + 1]] F is shares[i], strict as in `edf`.

    The band is pointwise: Clopper and Pearson's binomial interval with Kish's effective n in the place of n.
    The mean is over the models that are done, by weight; its interval is a 95 % percentile bootstrap that
    draws from each bin all but one of its models with replacement (which makes its variance unbiased).
    Everything is NaN where the comparison gives a reason.
    """

    space: str
    counts: Counts  # of all models of the space
    complexity: FloatArray  # [n] of the models with a verdict, increasing
    inside: int  # of these within the common range
    below: int
    above: int
    effective_n: float  # (sum of weights)^2 / sum of squared weights
    errors: FloatArray  # [steps] top-1 percent, from 0 to 100
    shares: FloatArray  # [steps] in 0..1
    lower: FloatArray  # [steps]
    upper: FloatArray  # [steps]
    share_without_error: float  # weight of the diverged and failed models
    plain_mean: float  # top-1 percent of all models that are done, without weights
    mean: float  # with weights
    mean_interval: Interval
    resampled_means: FloatArray  # [resamples] that the interval comes from; empty where it is NaN


@dataclass(frozen=True, eq=False)
class NormalizedComparison:
    """Spaces on equal terms in one measure of complexity."""

    by: str  # flops, params or acts
    edges: FloatArray  # [bins + 1] of the bins after merging; empty where there is a reason
    bins_before: int  # number of bins of equal width
    spaces: tuple[NormalizedDistribution, ...]
    reason: str  # why there is no comparison; empty if there is one
    confidence: float

    @property
    def merged(self) -> int:
        """How many bins vanished in their neighbours."""
        return self.bins_before - (len(self.edges) - 1) if len(self.edges) else 0

    @property
    def shares(self) -> FloatArray:
        """Share of the range that each bin covers, [bins]; equal for bins that were not merged."""
        widths = np.diff(np.log(self.edges))
        return widths / widths.sum() if widths.sum() > 0 else np.ones(len(widths))


def normalize(
    populations: Mapping[str, pd.DataFrame],
    *,
    by: str,
    rng: np.random.Generator,
    bins: int = BINS,
    least: int = LEAST,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> NormalizedComparison:
    """Compare the spaces, runs by name, with `by` (flops, params or acts) spread alike over all of them.

    Spaces without any verdict take no part. Where the others have no range in common there is no
    comparison, and `reason` says why.
    """
    judged = {name: runs[runs["status"] != "missing"] for name, runs in populations.items()}
    values = {name: runs[by].to_numpy(dtype=float) for name, runs in judged.items()}
    some = {name: complexity for name, complexity in values.items() if len(complexity)}
    reason = _no_common_range(some, by)
    edges = np.zeros(0) if reason else _merge(_edges(list(some.values()), bins), list(some.values()), least)
    before = bins if len(edges) > 2 or (len(edges) and edges[0] < edges[-1]) else 1
    comparison = NormalizedComparison(by, edges, before, (), reason, confidence)
    spaces = tuple(
        _distribution(name, populations[name], judged[name], comparison, rng=rng, resamples=resamples)
        for name in populations
    )
    return NormalizedComparison(by, edges, before, spaces, reason, confidence)


def weights(complexity: FloatArray, comparison: NormalizedComparison) -> FloatArray:
    """Weight of each model [n] of one space; 0 outside the common range. They sum to 1."""
    where = bin_numbers(complexity, comparison.edges)
    inside = where >= 0
    models = np.bincount(where[inside], minlength=len(comparison.edges) - 1)
    result = np.zeros(len(complexity))
    result[inside] = (comparison.shares / np.maximum(models, 1))[where[inside]]
    return result


def bin_numbers(complexity: FloatArray, edges: FloatArray) -> npt.NDArray[np.int64]:
    """Bin of each model, [n]; -1 outside. A bin holds its lower edge, the last one also its upper."""
    where = np.minimum(np.searchsorted(edges, complexity, side="right") - 1, len(edges) - 2)
    return np.where((complexity < edges[0]) | (complexity > edges[-1]), -1, where)


def _no_common_range(values: Mapping[str, FloatArray], by: str) -> str:
    """Why the spaces cannot be compared, or nothing."""
    if not values:
        return "no models"
    latest = max(values, key=lambda name: values[name].min())
    earliest = min(values, key=lambda name: values[name].max())
    low, high = values[latest].min(), values[earliest].max()
    if low > high:
        return f"no {by} in common: {latest} starts at {low:,.0f}, {earliest} ends at {high:,.0f}"
    for name, complexity in values.items():
        if not ((complexity >= low) & (complexity <= high)).any():
            return f"{name} has no model within the range of {by} of all spaces, {low:,.0f} to {high:,.0f}"
    return ""


def _edges(values: Sequence[FloatArray], bins: int) -> FloatArray:
    """Edges [bins + 1] of equal width in the logarithm; a single bin where the range is one point."""
    low, high = max(v.min() for v in values), min(v.max() for v in values)
    if low == high:
        return np.array([low, high])
    edges = np.geomspace(low, high, bins + 1)
    edges[[0, -1]] = low, high  # exactly, so that rounding leaves no model outside
    return edges


def _merge(edges: FloatArray, values: Sequence[FloatArray], least: int) -> FloatArray:
    """Leave out edges, from the left, until every bin holds `least` models of every space, or one is left."""
    if len(edges) == 2:
        return edges
    below = np.array([np.searchsorted(np.sort(v), edges, side="left") for v in values])  # [spaces, edges]
    below[:, -1] = [np.searchsorted(np.sort(v), edges[-1], side="right") for v in values]
    kept = [0]
    for edge in range(1, len(edges)):
        if (below[:, edge] - below[:, kept[-1]] >= least).all():
            kept.append(edge)
    kept[max(1, len(kept) - 1) :] = [len(edges) - 1]  # what is left over joins the last bin
    return edges[kept]


def _distribution(
    name: str,
    runs: pd.DataFrame,
    judged: pd.DataFrame,
    comparison: NormalizedComparison,
    *,
    rng: np.random.Generator,
    resamples: int,
) -> NormalizedDistribution:
    complexity = judged[comparison.by].to_numpy(dtype=float)
    errors = judged["error"].to_numpy(dtype=float, na_value=np.nan)
    steps = np.unique(np.concatenate([[0.0, 100.0], errors[~np.isnan(errors)]]))
    weight = np.zeros(len(errors)) if comparison.reason else weights(complexity, comparison)
    shares, lower, upper = _weighted_edf(errors, weight, steps, comparison.confidence)
    mean, resampled = NAN, np.zeros(0)
    if weight.sum() > 0:
        bins = bin_numbers(complexity, comparison.edges)
        mean = _weighted_mean(errors, weight)
        resampled = _resampled_means(errors, weight, bins, rng, resamples)
    edges = comparison.edges if len(comparison.edges) else np.array([np.nan, np.nan])
    return NormalizedDistribution(
        space=name,
        counts=count_statuses(runs),
        complexity=np.sort(complexity),
        inside=int((weight > 0).sum()),
        below=int((complexity < edges[0]).sum()),
        above=int((complexity > edges[-1]).sum()),
        effective_n=effective_n(weight),
        errors=steps,
        shares=shares,
        lower=lower,
        upper=upper,
        share_without_error=float(weight[np.isnan(errors)].sum()) if weight.any() else NAN,
        plain_mean=float(np.nanmean(errors)) if not np.isnan(errors).all() else NAN,
        mean=mean,
        mean_interval=_percentiles(resampled, comparison.confidence),
        resampled_means=resampled,
    )


def effective_n(weight: FloatArray) -> float:
    """Kish's number of equally weighted models that would be as informative; NaN without weights."""
    return float(weight.sum() ** 2 / (weight @ weight)) if weight.any() else NAN


def _weighted_edf(
    errors: FloatArray, weight: FloatArray, steps: FloatArray, confidence: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """F just right of each step, and its pointwise band; models without an error (NaN) are never reached."""
    if not weight.any():
        nothing = np.full(len(steps), np.nan)
        return nothing, nothing, nothing
    done = ~np.isnan(errors)
    order = np.argsort(errors[done], kind="stable")
    cumulated = np.concatenate([[0.0], np.cumsum(weight[done][order])])
    shares = np.minimum(cumulated[np.searchsorted(errors[done][order], steps, side="right")], 1)
    n, tail = effective_n(weight), (1 - confidence) / 2
    hits = shares * n
    misses = np.maximum(n - hits, 0)
    with np.errstate(invalid="ignore"):  # at 0 and n the interval reaches the end
        lower = np.where(hits > 0, stats.beta.ppf(tail, hits, misses + 1), 0.0)
        upper = np.where(misses > 1e-9, stats.beta.ppf(1 - tail, hits + 1, misses), 1.0)
    return shares, lower, upper


def _weighted_mean(errors: FloatArray, weight: FloatArray) -> float:
    done = ~np.isnan(errors)
    return float(np.average(errors[done], weights=weight[done])) if weight[done].any() else NAN


def _resampled_means(
    errors: FloatArray, weight: FloatArray, bins: IntArray, rng: np.random.Generator, resamples: int
) -> FloatArray:
    """Bootstrap within the bins, whose share of the range is given: their counts stay as they are."""
    if (weight > 0).sum() < 2:
        return np.zeros(0)
    done = ~np.isnan(errors)
    sums, totals = np.zeros((2, resamples))
    for number in np.unique(bins[bins >= 0]).tolist():
        rows = np.flatnonzero(bins == number)
        take = max(1, len(rows) - 1)
        drawn = rows[rng.integers(len(rows), size=(resamples, take))]
        share = weight[rows].sum() / take
        sums += share * np.where(done[drawn], errors[drawn], 0.0).sum(axis=1)
        totals += share * done[drawn].sum(axis=1)
    return np.asarray(sums[totals > 0] / totals[totals > 0])


def _percentiles(resampled: FloatArray, confidence: float) -> Interval:
    if len(resampled) == 0:
        return Interval(NAN, NAN)
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Interval(float(low), float(high), "percentile")


def lead(comparison: NormalizedComparison, first: str, second: str) -> Estimate:
    """By how many points the normalised mean of the first space is below that of the second."""
    spaces = {space.space: space for space in comparison.spaces}
    ahead, behind = spaces[first], spaces[second]
    draws = min(len(ahead.resampled_means), len(behind.resampled_means))
    differences = behind.resampled_means[:draws] - ahead.resampled_means[:draws]
    return Estimate(behind.mean - ahead.mean, _percentiles(differences, comparison.confidence))
