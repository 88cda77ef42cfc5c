"""The one home of estimates: intervals, tests, resampling and named streams of random numbers.

What is resampled are the models of a population, so intervals cover the choice of the models; the noise of
training is part of each model's error, and so of every interval. Verdicts, and the intervals of means and
medians that are printed, need no random numbers: no digit of theirs depends on a seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from designspace.networks.architecture import FloatArray

NAN = float("nan")
CONFIDENCE = 0.95
TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
ALPHA = 1 - CONFIDENCE  # level of the tests
FEWEST = 8  # models; with fewer an interval, a density or a verdict would only look like one
BETTER, WORSE, UNDECIDED, TOO_FEW = "better", "worse", "undecided", "too few"  # verdicts on the first of two

RESAMPLES = 1_000  # of correlations and shares, each of which takes a sweep over all pairs of models
QUANTILE_RESAMPLES = 9_999
RESAMPLED_VALUES = 20_000_000  # at a time, 160 MB
BEST_SHARE = 0.25  # of the models in each draw of the paper's bootstrap


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both ends NaN where the data cannot give one."""

    low: float
    high: float
    method: str = ""  # "BCa" or "percentile", where it comes from a bootstrap


@dataclass(frozen=True)
class Estimate:
    """A number and its interval, both NaN where the data cannot give them."""

    value: float
    interval: Interval

    def __neg__(self) -> Estimate:
        interval = self.interval
        return Estimate(-self.value, Interval(-interval.high, -interval.low, interval.method))


NONE = Estimate(NAN, Interval(NAN, NAN))


def named_rng(seed: int, name: str) -> np.random.Generator:
    """A stream of its own for each space, pair or topic, whatever others there are."""
    return np.random.default_rng([seed, *name.encode()])


# ---- bootstrap intervals without resampling ----------------------------------------------------------------


def mean_interval(*samples: FloatArray, confidence: float = CONFIDENCE) -> Interval:
    """BCa bootstrap interval of the mean of a sample [n], or of the difference of the means of two.

    Bias-corrected and accelerated (Efron 1987), each sample resampled with replacement on its own. The law of
    the resampled means comes from its saddlepoint approximation (Lugannani and Rice 1980; Davison and Hinkley
    1988 for the bootstrap) instead of from random numbers, whose noise in 9,999 resamples moves the second
    decimal of an error. NaN if a sample has fewer than two values, of length 0 if nothing varies.
    """
    if min(map(len, samples)) < 2:
        return Interval(NAN, NAN)
    signed = [sign * sample for sign, sample in zip((1, -1), samples, strict=False)]
    value = float(sum(sample.mean() for sample in signed))
    if all(np.ptp(sample) == 0 for sample in samples):
        return Interval(value, value, "BCa")
    centred = [sample - sample.mean() for sample in signed]
    variance = sum(float(x @ x) / len(x) ** 2 for x in centred)
    skewness = sum(float((x**3).sum()) / len(x) ** 3 for x in centred) / variance**1.5
    means, shares = _law_of_resampled_means(centred, variance)
    bias = float(stats.norm.ppf(0.5 + skewness / (6 * math.sqrt(2 * math.pi))))  # P(resampled < observed)
    z = bias + stats.norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    ends = stats.norm.cdf(bias + z / (1 - skewness / 6 * z))
    low, high = value + np.interp(ends, shares, means)
    return Interval(float(low), float(high), "BCa")


def _law_of_resampled_means(
    centred: list[FloatArray], variance: float, points: int = 2_000
) -> tuple[FloatArray, FloatArray]:
    """Values and their distribution function, [points] each, of the sum of the samples' resampled means."""
    tilts = np.linspace(-12, 12, points) / math.sqrt(variance)  # an even number: none of them is 0
    generating, mean, spread = np.zeros((3, points))
    for x in centred:
        exponents = np.outer(tilts, x / len(x))
        highest = exponents.max(axis=1, keepdims=True)
        weights = np.exp(exponents - highest)
        total = weights.sum(axis=1)
        first, second = weights @ x / total, weights @ x**2 / total
        generating += len(x) * (np.log(total / len(x)) + highest[:, 0])
        mean += first
        spread += (second - first**2) / len(x)
    w = np.sign(tilts) * np.sqrt(2 * np.maximum(tilts * mean - generating, 0))
    u = tilts * np.sqrt(np.maximum(spread, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = stats.norm.cdf(w) + stats.norm.pdf(w) * (1 / w - 1 / u)
    known = np.isfinite(shares)  # far out, where a tilted sample is a single value, they are not
    return mean[known], np.maximum.accumulate(np.clip(shares[known], 0, 1))


def median_interval(errors: FloatArray, *, confidence: float = CONFIDENCE) -> Interval:
    """Percentile bootstrap interval of the median of errors [n], from the exact law of resampled medians.

    BCa is not defined for most medians. NaN below two values.
    """
    n = len(errors)
    if n < 2:
        return Interval(NAN, NAN)
    ordered, ranks = np.sort(errors), np.arange(1, n + 1)
    middle = (n + 1) // 2  # the resample's median is this order statistic, or the mean of it and the next
    reached = stats.binom.sf(middle - 1, n, ranks / n)  # P(the order statistic is of at most this rank)
    marginal = np.diff(reached, prepend=0.0)
    if n % 2:
        values, shares = ordered, marginal
    else:
        low = np.diff((ranks / n) ** middle, prepend=0.0)  # the highest of the lower half has this rank
        high = -np.diff(((n - ranks + 1) / n) ** middle, append=0.0)  # the lowest of the upper half
        joint = np.triu(math.comb(n, middle) * low[:, None] * high, k=1)
        joint[np.diag_indices(n)] = np.maximum(marginal - joint.sum(axis=1), 0)
        values, shares = ((ordered[:, None] + ordered) / 2).ravel(), joint.ravel()
    tail = 50 * (1 - confidence)
    low_end, high_end = weighted_percentiles(values, shares / shares.sum(), [tail, 100 - tail])
    return Interval(float(low_end), float(high_end), "percentile")


# ---- intervals from one set of resamples for many statistics -----------------------------------------------


def draw_key(rng: np.random.Generator) -> int:
    """A number from which the spaces' own generators follow."""
    return int(rng.integers(2**63))


def resampled_counts(n: int, resamples: int, rng: np.random.Generator) -> FloatArray:
    """How often each of n models is in each resample, [n, 1 + resamples]; column 0 is the sample itself.

    Counts instead of the models themselves, so that ranks come from cumulative sums and concordant pairs from
    a matrix product.
    """
    counts = np.ones((n, 1 + resamples))
    if n:
        drawn = rng.integers(n, size=(n, resamples)) * resamples + np.arange(resamples)
        counts[:, 1:] = np.bincount(drawn.ravel(), minlength=n * resamples).reshape(n, resamples)
    return counts


def ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Quotient with NaN where the denominator is 0 (a resample of equal values has no correlation)."""
    result: FloatArray = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return result


def estimate(draws: FloatArray, n: int, *, confidence: float = CONFIDENCE) -> Estimate:
    """Value on the sample, draws[0], and percentile interval of the others; none below FEWEST models."""
    value, others = float(draws[0]), draws[1:][np.isfinite(draws[1:])]
    if n < FEWEST or math.isnan(value) or len(others) == 0:
        return Estimate(value, NONE.interval)
    tail = (1 - confidence) / 2
    low, high = np.quantile(others, [tail, 1 - tail])
    return Estimate(value, Interval(float(low), float(high), "percentile"))


# ---- exact intervals and tests -----------------------------------------------------------------------------


def wilson(shares: Any, n: Any, *, confidence: float = CONFIDENCE) -> tuple[FloatArray, FloatArray]:
    """Ends of Wilson's score interval of binomial shares of n: within 0..1, with a width at 0 and 1."""
    z2 = float(stats.norm.ppf((1 + confidence) / 2)) ** 2
    center = (shares + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (shares * (1 - shares) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return np.maximum(center - half, 0.0), np.minimum(center + half, 1.0)


def dkw_half_width(n: int, confidence: float = CONFIDENCE) -> float:
    """Half-width of the Dvoretzky-Kiefer-Wolfowitz band, sqrt(ln(2 / (1 - confidence)) / (2 n)).

    Simultaneous: with at least this probability, the population's whole F lies within the band, for any n
    and any distribution (Massart 1990 gave the constant). Infinite without models.
    """
    return float(np.sqrt(np.log(2 / (1 - confidence)) / (2 * n))) if n else float("inf")


def holm(p_values: FloatArray) -> FloatArray:
    """p values [m] corrected by Holm's step-down method (Holm 1979), in the order given.

    The chance of one or more false rejections at a level alpha is at most alpha, whatever the dependence of
    the tests. NaN stays NaN and is no test.
    """
    corrected, known = np.full(len(p_values), np.nan), np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(1, np.maximum.accumulate(factors * p_values[order]))
    return corrected


# ---- the best of a random quarter --------------------------------------------------------------------------


def winner_shares(errors: FloatArray) -> FloatArray:
    """Probability that each model, of errors [n], is the best of a random quarter of the models, [n].

    The paper's bootstrap (Section 3.2) draws m = round(n / 4) models with replacement and keeps the best one.
    The k-th best of all, k from 0, is the least of m uniform ranks with probability
    ((n - k) / n)^m - ((n - k - 1) / n)^m: what infinitely many draws would give. Models of equal error share
    their probability equally.
    """
    n = len(errors)
    if n == 0:
        return np.zeros(0)
    above = (np.arange(n, -1, -1) / n) ** max(1, round(BEST_SHARE * n))
    by_rank = above[:-1] - above[1:]
    _, group, sizes = np.unique(errors, return_inverse=True, return_counts=True)
    first = np.cumsum(sizes) - sizes
    return np.asarray((np.add.reduceat(by_rank, first) / sizes)[group])


def weighted_percentiles(values: FloatArray, shares: FloatArray, percentiles: Any) -> FloatArray:
    """Percentiles of values [n] with probabilities [n]: values that occur, never between two."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(shares[order])
    places = np.searchsorted(cumulative, np.asarray(percentiles) / 100 - 1e-12)
    return values[order][np.minimum(places, len(values) - 1)]
