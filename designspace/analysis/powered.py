"""Powered estimates: errors of a space from its trained models and predictions for networks nobody trained.

    estimate = mean(error - w * (held-out prediction - the same fit's mean over the pool))

This is cross-prediction (Zrnic and Candes 2023, arXiv 2309.16598; prediction-powered inference, arXiv
2301.09633), with a weight w in 0..1 per space that adapts to the worth of the predictor (PPI++, arXiv
2311.01453). The bracket has mean 0 whatever the predictor, since the prediction of a model comes from a fit
that did not see it, so a bad predictor costs width and never validity. The weight of a model comes from the
models of the other folds (whose predictions have seen it), and is shrunk towards 0 by its own uncertainty:
tuned on the same few models it would cost more than it brings.

A population has no network twice, so a model of a fold is a draw from the law of the space given that it is
none of the networks of the other folds, T. With the probabilities pi of T among the pool's draws,

    value of a model = sum of pi * error over T
                       + (1 - pi(T)) * (error - w * (prediction - mean over the pool without T))

has the mean of the space's law as its expectation (Des Raj 1956); where the window is wide, pi is 0.

One estimator gives estimate, interval and p: the Student statistic of these values, made symmetric by
Hall's transformation (1992), which corrects for the skewness of errors as far as it is known. Student's law
is that of normal values, and fits share the models that they are tested on, so variances are multiplied by
1 + extra / n, with extra from simulation (scripts/benchmark/powered_coverage.py); where the powered variance
is not the smaller one, the estimate is the plain one. Intervals of shares are Wilson's at the number of
trainings that they are worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from designspace.analysis.statistics import CONFIDENCE, NAN, NONE, Estimate, Interval, wilson
from designspace.networks.architecture import FloatArray, IntArray

FOLDS = 10
FEWEST_EVENTS = 5  # models on each side of a point of the EDF
PLAIN_EXTRA, POWERED_EXTRA = 1.0, 5.0  # variance times 1 + this / n
NOT_ASKED = "not asked for"  # reason why an estimate is plain
SHRINK = 2.0  # squared t value of its slope up to which a weight is 0


@dataclass(frozen=True, eq=False)
class Sample:
    """Values of the models of one space whose mean is estimated, with what predictions say of them."""

    outcomes: FloatArray  # [n]
    controls: FloatArray  # [n] held-out prediction less the mean over the pool; mean 0 in expectation
    folds: IntArray  # [n] in 0 .. FOLDS - 1
    seen_share: FloatArray  # [FOLDS] probability of the networks of the other folds
    seen_total: FloatArray  # [FOLDS] sum of their probability times outcome
    pool_variance: float  # of the mean over the pool of the predictions
    reason: str = ""  # why predictions are not used; empty if they are

    @property
    def n(self) -> int:
        return len(self.outcomes)

    @cached_property
    def weights(self) -> FloatArray:
        """[n] of the predictions, of every model from those of the other folds."""
        if self.reason:
            return np.zeros(self.n)
        kept = (self.folds != np.arange(FOLDS)[:, None]).astype(float)  # [FOLDS, n]
        size = np.maximum(kept.sum(axis=1), 1)

        def moment(a: FloatArray, b: FloatArray) -> FloatArray:
            return np.asarray(kept @ (a * b) / size - (kept @ a) * (kept @ b) / size**2)

        c, y = self.controls, self.outcomes
        cc, cy, yy = moment(c, c), moment(c, y), moment(y, y)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope, r2 = cy / cc, cy**2 / (cc * yy)
            t2 = r2 * (size - 2) / (1 - r2)
            weights = np.clip(slope, 0, 1) * np.maximum(1 - SHRINK / t2, 0)
        return np.asarray(np.nan_to_num(weights, nan=0.0, posinf=0.0)[self.folds])

    @cached_property
    def values(self) -> FloatArray:
        """[n] whose mean is the powered estimate."""
        unseen = 1 - self.seen_share[self.folds]
        rest = self.outcomes - self.weights * self.controls
        return np.asarray(self.seen_total[self.folds] + unseen * rest)

    @cached_property
    def powered(self) -> Moments:
        weight = float(self.weights.mean()) if self.n else 0.0
        return moments(self.values, weight**2 * self.pool_variance, extra=POWERED_EXTRA)

    @cached_property
    def plain(self) -> Moments:
        return moments(self.outcomes)

    @property
    def helped(self) -> bool:
        """Whether predictions are used and made the estimate more certain."""
        return not self.reason and self.powered.variance < self.plain.variance

    @property
    def best(self) -> Moments:
        return self.powered if self.helped else self.plain


def plain_sample(outcomes: FloatArray, reason: str) -> Sample:
    """Values of models [n] of which predictions say nothing, and why."""
    nothing = np.zeros(FOLDS)
    folds = np.zeros(len(outcomes), dtype=np.int64)
    return Sample(outcomes, np.zeros(len(outcomes)), folds, nothing, nothing, 0.0, reason)


@dataclass(frozen=True)
class Moments:
    """Of a mean, or of a difference of means."""

    value: float
    variance: float
    third: float  # central moment
    third_noise: float  # variance of that of a normal sample of the size
    freedom: float  # degrees, of the variance

    def __sub__(self, other: Moments) -> Moments:
        """Of the difference of two independent means; degrees of freedom by Welch and Satterthwaite."""
        variance = self.variance + other.variance
        spread = self.variance**2 / self.freedom + other.variance**2 / other.freedom
        freedom = variance**2 / spread if spread > 0 else self.freedom + other.freedom
        noise = self.third_noise + other.third_noise
        return Moments(self.value - other.value, variance, self.third - other.third, noise, freedom)

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """The values that `p` does not reject at 1 - confidence."""
        half = float(stats.t.ppf((1 + confidence) / 2, self.freedom))
        low, high = (self.value - math.sqrt(self.variance) * self._original(t) for t in (half, -half))
        return Interval(low, high, "Student, Hall's transformation")

    def p(self, hypothesis: float = 0.0) -> float:
        """Two-sided p value of the hypothesis that the mean is this."""
        difference = self.value - hypothesis
        if self.variance == 0:
            return float(difference == 0)
        t = self._symmetric(difference / math.sqrt(self.variance))
        return float(2 * stats.t.sf(abs(t), self.freedom))

    @property
    def skewness(self) -> float:
        """Shrunk towards 0 by its noise, as James and Stein do."""
        if self.variance == 0 or self.third == 0:
            return 0.0
        noise = self.third_noise / self.third**2
        return float(self.third / self.variance**1.5 * max(0.0, 1 - noise))

    def _symmetric(self, t: float) -> float:
        """Hall's cubic transformation of the studentised mean, increasing everywhere."""
        a = self.skewness
        return t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6

    def _original(self, t: float) -> float:
        """The inverse of it."""
        a = self.skewness
        if abs(a) < 1e-6:
            return t
        return 3 / a * (float(np.cbrt(1 + a * (t - a / 6))) - 1)


def moments(values: FloatArray, further_variance: float = 0.0, *, extra: float = PLAIN_EXTRA) -> Moments:
    """Of the mean of values [n], with a variance times 1 + extra / n; NaN below two."""
    n = len(values)
    if n < 2:
        return Moments(float(values.mean()) if n else NAN, NAN, NAN, NAN, NAN)
    centred = values - values.mean()
    variance = (float(centred @ centred) / (n - 1) / n + further_variance) * (1 + extra / n)
    third = float((centred**3).sum()) / n**3
    return Moments(float(values.mean()), variance, third, 6 * variance**3 / n**2, n - 1)


# ---- estimates ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PoweredEstimate:
    """An estimate with its interval and test, which agree: p < 0.05 just where the interval leaves out 0."""

    estimate: Estimate
    p: float  # two-sided, of the hypothesis 0; NaN for one mean or share, whose 0 is no question
    plain: Estimate  # from the trained models alone, by the same method
    plain_p: float
    worth: (
        float  # variance of the plain estimate over that of this one: so many times the trainings; 1 if plain
    )
    reason: str  # why predictions are not used, for one space at least; empty if they are


def mean_estimate(sample: Sample) -> PoweredEstimate:
    """The mean over the law of the space; its p is NaN."""
    return _estimate(sample.best, sample.plain, _reason(sample), tested=False)


def difference_estimate(first: Sample, second: Sample) -> PoweredEstimate:
    """The difference of the means of two spaces, first less second; a space without use stays plain in it."""
    reason = "; ".join(dict.fromkeys(filter(None, map(_reason, (first, second)))))
    return _estimate(first.best - second.best, first.plain - second.plain, reason, tested=True)


def _reason(sample: Sample) -> str:
    return sample.reason or ("" if sample.helped else "predictions say nothing of these errors")


def _estimate(best: Moments, plain: Moments, reason: str, *, tested: bool) -> PoweredEstimate:
    if math.isnan(plain.variance):
        nothing = Estimate(plain.value, NONE.interval)
        return PoweredEstimate(nothing, NAN, nothing, NAN, NAN, reason)
    return PoweredEstimate(
        Estimate(best.value, best.interval()),
        best.p() if tested else NAN,
        Estimate(plain.value, plain.interval()),
        plain.p() if tested else NAN,
        plain.variance / best.variance if best.variance > 0 else 1.0,
        reason,
    )


@dataclass(frozen=True)
class ShareEstimate:
    """A point of an EDF, with Wilson's interval at n * worth models."""

    estimate: Estimate
    plain: Estimate
    worth: float  # as many times the trainings
    n: int  # models
    reason: str

    def p(self, hypothesis: float) -> float:
        """Two-sided p value, by Wilson's score test, of the hypothesis 0..1 that the share is this."""
        scale = math.sqrt(hypothesis * (1 - hypothesis) / (self.n * self.worth))
        return float(2 * stats.norm.sf(abs(self.estimate.value - hypothesis) / scale))


def share_estimate(sample: Sample) -> ShareEstimate:
    """The mean of outcomes 0 and 1, as a share; plain where there are few of one of them."""
    n, share = sample.n, sample.plain.value
    reason = _reason(sample)
    if not sample.reason and min(sample.outcomes.sum(), n - sample.outcomes.sum()) < FEWEST_EVENTS:
        reason = f"fewer than {FEWEST_EVENTS} models on one side"
    plain = _share(share, n)
    if n < 2 or reason:
        return ShareEstimate(plain, plain, 1.0, n, reason)
    worth = sample.plain.variance / sample.powered.variance
    value = min(max(sample.powered.value, 0.0), 1.0)
    return ShareEstimate(_share(value, n * worth), plain, worth, n, "")


def _share(share: float, n: float) -> Estimate:
    if n == 0:
        return NONE
    low, high = wilson(np.array(share), n)
    return Estimate(share, Interval(float(low), float(high), "Wilson"))
