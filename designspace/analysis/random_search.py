"""Random-search curves: the best error that m models drawn at random from a space reach on average.

Of n models with a verdict, every subset of m is equally likely (without replacement), so the best is the
i-th best of all with probability C(n - i, m - 1) / C(n, m), and the expectation is an exact weighted sum of
the sorted errors. It estimates the expected best of m fresh models of the space without bias, for m <= n;
drawing with replacement would be too pessimistic, because it draws the same model twice.

A diverged or failed model is a draw that gives nothing: it counts with an error of 100 percent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from scipy.special import gammaln

from designspace.analysis.results import WORST, Counts, count_statuses, outcomes
from designspace.networks.architecture import FloatArray, IntArray

CONFIDENCE = 0.95
LARGEST_SHARE = 1 / 8  # of the models in a draw, up to which the interval is given


@dataclass(frozen=True, eq=False)
class RandomSearchCurve:
    """Expected best error of m draws, arrays [k]; empty without models.

    The interval is pointwise, over the choice of the models: Student's with the jackknife's standard error,
    which covered better here than bootstraps (percentile, BCa). It is NaN where m is more than an eighth of
    the models: there the curve hangs on the very best ones, and every such interval is too short.
    """

    space: str
    draws: IntArray  # [k] m = 1, 2, 4, ..., n
    best: FloatArray  # [k] expected least top-1 error in percent of m draws
    low: FloatArray  # [k]
    high: FloatArray  # [k]
    confidence: float
    counts: Counts

    @property
    def n(self) -> int:
        """Models with a verdict: done, diverged or failed."""
        return self.counts.n


def random_search_curve(
    space: str, runs: pd.DataFrame, *, confidence: float = CONFIDENCE
) -> RandomSearchCurve:
    """The curve of one space from its rows of the runs; those not run yet count nowhere."""
    values = outcomes(runs)
    values = np.sort(values[~np.isnan(values)])
    n, counts = len(values), count_statuses(runs)
    draws = powers_of_two(n)
    best = expected_best(values, draws) if n else np.zeros(0)
    half = np.full(len(draws), np.nan)
    if n > 1:
        given = draws <= max(1, LARGEST_SHARE * n)
        half[given] = stats.t.ppf((1 + confidence) / 2, n - 1) * _standard_error(values, draws[given])
    low, high = np.maximum(best - half, 0), np.minimum(best + half, WORST)
    return RandomSearchCurve(space, draws, best, low, high, confidence, counts)


def _standard_error(errors: FloatArray, draws: IntArray) -> FloatArray:
    """Jackknife standard error of the expected best, [k]; errors [n] increasing, n > 1, draws below n."""
    n = len(errors)
    weights = _weights(n - 1, draws)
    kept = np.cumsum(errors[:-1, None] * weights, axis=0)  # of the errors before the one left out
    moved = np.cumsum((errors[1:, None] * weights)[::-1], axis=0)[::-1]  # one rank up, of those behind it
    none = np.zeros((1, weights.shape[1]))
    best = np.concatenate([none, kept]) + np.concatenate([moved, none])  # row i lacks error i
    error: FloatArray = np.sqrt((n - 1) * best.var(axis=0))
    return error


def expected_best(errors: FloatArray, draws: npt.ArrayLike) -> FloatArray:
    """Expected least of m of the n increasing errors [..., n], without replacement, [..., k] for m [k]."""
    result: FloatArray = errors @ _weights(errors.shape[-1], draws)
    return result


def _weights(n: int, draws: npt.ArrayLike) -> FloatArray:
    """Probability that each of n ranks is that of the least of m, for draws [k]: [n, k].

    The least of m has a rank beyond i with probability C(n - i, m) / C(n, m).
    """
    i, m = np.arange(n + 1)[:, None], np.asarray(draws, dtype=float)
    rest = np.maximum(n - i - m, 0)  # where it is cut, the probability is 0
    log_beyond = gammaln(n - i + 1) - gammaln(rest + 1) - gammaln(n + 1) + gammaln(n - m + 1)
    beyond = np.where(n - i >= m, np.exp(log_beyond), 0.0)
    weights: FloatArray = -np.diff(beyond, axis=0)
    return weights


def powers_of_two(n: int) -> IntArray:
    """1, 2, 4, ... below n, and n itself; empty for n = 0."""
    powers = 2 ** np.arange(max(n - 1, 0).bit_length(), dtype=np.int64)
    return np.append(powers, n) if n else powers[:0]
