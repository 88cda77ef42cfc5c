"""Powered estimates: errors of a space from its trained models and predictions for networks nobody trained.

    estimate = mean(error - w * (held-out prediction - the same fit's mean over the pool))

This is cross-prediction (Zrnic and Candes 2023, arXiv 2309.16598; prediction-powered inference, arXiv
2301.09633), with a weight w in 0..1 per space that adapts to the worth of the predictor (PPI++, arXiv
2311.01453). The bracket has mean 0 whatever the predictor, since the prediction of a model comes from a fit
that did not see it, so a bad predictor costs width and never validity. The weight of a model comes from the
models of the other folds, and is shrunk towards 0 by its own uncertainty: tuned on the same few models it
would cost more than it brings.

A population has no network twice, so a model of a fold is a draw from the law of the space given that it is
none of the networks of the other folds, T. With the probabilities pi of T among the pool's draws,

    value of a model = sum of pi * error over T
                       + (1 - pi(T)) * (error - w * (prediction - mean over the pool without T))

has the mean of the space's law as its expectation (Des Raj 1956); where the window is wide, pi is 0.

One estimator gives estimate, interval and p: the Student statistic of these values, made symmetric by Hall's
transformation (1992), which corrects for the skewness of errors. Intervals of shares are Wilson's at the
number of trainings that they are worth.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from designspace.analysis.powered_features import Pool
from designspace.analysis.predictor import Basis, Fit, assign_folds, fit, make_basis
from designspace.analysis.results import BoolArray
from designspace.analysis.statistics import CONFIDENCE, NAN, NONE, Estimate, Interval, named_rng, wilson
from designspace.networks.architecture import FloatArray, IntArray

FOLDS = 10
FEWEST_POWERED = 20  # finished models of a space; with fewer the weight is mostly noise
MOST_UNFINISHED = 0.02  # share of failed and diverged models up to which the narrower interval is claimed
FEWEST_EVENTS = 5  # models on each side of a point of the EDF
SHRINK = 2.0  # squared t value of its slope up to which a weight is 0
POOL_QUANTILES = 400  # that stand for the pool's predictions where their law is needed


@dataclass(frozen=True, eq=False)
class Trained:
    """The models of one space that have a verdict."""

    keys: Sequence[Hashable]  # [n] of the networks, as in the pool
    features: FloatArray  # [n, features]
    errors: FloatArray  # [n] top-1 percent, NaN where failed or diverged


@dataclass(frozen=True, eq=False)
class DesignedPool:
    """A pool in the columns of a basis."""

    pool: Pool
    design: FloatArray  # [m, columns]

    @cached_property
    def mean(self) -> FloatArray:
        """[columns] over draws."""
        return np.asarray(self.pool.counts @ self.design / self.pool.draws)

    @cached_property
    def covariance(self) -> FloatArray:
        """[columns, columns] over draws."""
        x = self.design - self.mean
        return np.asarray((x * self.pool.counts[:, None]).T @ x / self.pool.draws)


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
        return moments(self.values, weight**2 * self.pool_variance)

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

    @property
    def duplicates_shift(self) -> float:
        """How much the plain mean would move as the mean of the space's law, which has networks twice."""
        moved = self.seen_total - self.seen_share * self.outcomes.mean()
        return float(moved[self.folds].mean())


@dataclass(frozen=True)
class Moments:
    """Of a mean: value, variance of it, third central moment of it, degrees of freedom."""

    value: float
    variance: float
    third: float
    freedom: float

    def __sub__(self, other: Moments) -> Moments:
        """Of the difference of two independent means; degrees of freedom by Welch and Satterthwaite."""
        variance = self.variance + other.variance
        spread = self.variance**2 / self.freedom + other.variance**2 / other.freedom
        freedom = variance**2 / spread if spread > 0 else self.freedom + other.freedom
        return Moments(self.value - other.value, variance, self.third - other.third, freedom)

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
        return self.third / self.variance**1.5 if self.variance > 0 else 0.0

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


def moments(values: FloatArray, further_variance: float = 0.0) -> Moments:
    """Of the mean of values [n]; NaN below two."""
    n = len(values)
    if n < 2:
        return Moments(float(values.mean()) if n else NAN, NAN, NAN, NAN)
    centred = values - values.mean()
    variance = float(centred @ centred) / (n - 1) / n + further_variance
    third = float((centred**3).sum()) / n**3
    return Moments(float(values.mean()), variance, third, n - 1)


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


# ---- cross-fitting -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CrossFits:
    """The predictors of a study, each fitted to the models of all spaces that are not in its fold."""

    design: FloatArray  # [n, columns] of the finished models of all spaces
    errors: FloatArray  # [n]
    folds: IntArray  # [n]
    every: tuple[Fit, ...]  # [FOLDS]

    @cached_property
    def residuals(self) -> tuple[FloatArray, ...]:
        """[FOLDS] of every fit on its own models, each left out in its turn, in increasing order."""
        found = []
        for k, fitted in enumerate(self.every):
            rows = self.folds != k
            found.append(np.sort(fitted.left_out_residuals(self.design[rows], self.errors[rows])))
        return tuple(found)


@dataclass(frozen=True, eq=False)
class PoweredSpace:
    """One space after cross-fitting, ready to be asked for estimates."""

    trained: Trained
    design: FloatArray  # [n, columns] of the trained
    folds: IntArray  # [n]
    pool: DesignedPool
    fits: CrossFits
    seen: tuple[IntArray, ...]  # [FOLDS] rows of the pool that models of the other folds are, of any space
    seen_errors: tuple[FloatArray, ...]  # [FOLDS] their errors
    reason: str  # why predictions are not used; empty if they are

    @property
    def finished(self) -> BoolArray:
        return np.isfinite(self.trained.errors)

    def mean(self) -> Sample:
        """For the mean error of the models that finish."""
        errors, done = self.trained.errors, self.finished
        return self._sample(errors[done], self.folds[done], *self._predicted_means(done), self.seen_errors)

    def below(self, error: float) -> Sample:
        """For the EDF at one error: the share of models below it; failed and diverged ones never are."""
        outcomes = np.where(self.finished, self.trained.errors < error, False).astype(float)
        seen = tuple((errors < error).astype(float) for errors in self.seen_errors)
        return self._sample(outcomes, self.folds, *self._predicted_shares(error), seen)

    def _sample(
        self,
        outcomes: FloatArray,
        folds: IntArray,
        controls: FloatArray,
        variance: float,
        seen: Sequence[FloatArray],
    ) -> Sample:
        counts, draws = self.pool.pool.counts, self.pool.pool.draws
        shares = [counts[rows] / draws for rows in self.seen]
        total = np.array([share @ values for share, values in zip(shares, seen, strict=True)])
        share = np.array([share.sum() for share in shares])
        return Sample(outcomes, controls, folds, share, total, variance, self.reason)

    def _predicted_means(self, done: BoolArray) -> tuple[FloatArray, float]:
        """Controls of the finished models, and variance of the mean over the pool."""
        controls = np.zeros(len(done))
        spread = 0.0
        for k, fitted in enumerate(self.fits.every):
            held = self.folds == k
            controls[held] = fitted.predict(self.design[held]) - fitted.predict(self._unseen_mean(k))
            spread += float(fitted.coefficients @ self.pool.covariance @ fitted.coefficients) / FOLDS
        return controls[done], spread / self.pool.pool.draws

    def _unseen_mean(self, fold: int) -> FloatArray:
        """[columns] over the draws of the pool that no other fold has trained."""
        counts, draws = self.pool.pool.counts, self.pool.pool.draws
        rows = self.seen[fold]
        left = draws - counts[rows].sum()
        return np.asarray((draws * self.pool.mean - counts[rows] @ self.pool.design[rows]) / max(left, 1))

    @cached_property
    def _pool_predictions(self) -> tuple[FloatArray, ...]:
        """[FOLDS] of [POOL_QUANTILES] quantiles of the predictions over the draws that are not seen."""
        levels = (np.arange(POOL_QUANTILES) + 0.5) / POOL_QUANTILES
        found = []
        for fitted, rows in zip(self.fits.every, self.seen, strict=True):
            counts = self.pool.pool.counts.copy()
            counts[rows] = 0
            predicted = fitted.predict(self.pool.design)
            order = np.argsort(predicted, kind="stable")
            places = np.searchsorted(np.cumsum(counts[order]), levels * counts.sum())
            found.append(predicted[order][places])
        return tuple(found)

    def _predicted_shares(self, error: float) -> tuple[FloatArray, float]:
        """Chances that an error is below this, less their mean over the pool; as `_predicted_means`."""
        controls = np.zeros(len(self.folds))
        spread = 0.0
        for k, (fitted, residuals) in enumerate(zip(self.fits.every, self.fits.residuals, strict=True)):
            held = self.folds == k
            pool = _share_below(error - self._pool_predictions[k], residuals)
            controls[held] = _share_below(error - fitted.predict(self.design[held]), residuals) - pool.mean()
            spread += float(pool.var()) / FOLDS
        return controls, spread / self.pool.pool.draws


def _share_below(values: FloatArray, ordered: FloatArray) -> FloatArray:
    """Share of the ordered residuals below each value."""
    return np.asarray(np.searchsorted(ordered, values) / len(ordered))


def design_pools(pools: Mapping[str, Pool], *, seed: int) -> tuple[Basis, dict[str, DesignedPool]]:
    """A basis for the spaces of a study, and their pools in it."""
    basis = make_basis([pool.features for pool in pools.values()], named_rng(seed, "landmarks"))
    return basis, {name: DesignedPool(pool, basis.design(pool.features)) for name, pool in pools.items()}


def cross_fit(
    spaces: Mapping[str, Trained], pools: Mapping[str, DesignedPool], basis: Basis, *, seed: int
) -> dict[str, PoweredSpace]:
    """Predict every model of a study from a fit on the other folds of all spaces."""
    designs = {name: basis.design(trained.features) for name, trained in spaces.items()}
    return cross_fit_designs(spaces, designs, pools, named_rng(seed, "folds"))


def cross_fit_designs(
    spaces: Mapping[str, Trained],
    designs: Mapping[str, FloatArray],
    pools: Mapping[str, DesignedPool],
    rng: np.random.Generator,
) -> dict[str, PoweredSpace]:
    """`cross_fit` of models whose rows of the design, [n, columns] a space, are known."""
    folds = assign_folds([trained.keys for trained in spaces.values()], FOLDS, rng)
    design = np.concatenate([designs[name] for name in spaces])
    errors = np.concatenate([trained.errors for trained in spaces.values()])
    keys = [key for trained in spaces.values() for key in trained.keys]
    fold, done = np.concatenate(folds), np.isfinite(errors)
    fits = _fit_all(design[done], errors[done], fold[done])
    result = {}
    for (name, trained), own in zip(spaces.items(), folds, strict=True):
        seen = _seen(pools[name].pool, keys, errors, fold)
        result[name] = PoweredSpace(
            trained,
            designs[name],
            own,
            pools[name],
            fits,
            tuple(rows for rows, _ in seen),
            tuple(values for _, values in seen),
            _why_plain(trained.errors),
        )
    return result


def _fit_all(design: FloatArray, errors: FloatArray, folds: IntArray) -> CrossFits:
    fits = []
    for k in range(FOLDS):
        rows = folds != k
        if not rows.any():
            raise ValueError(f"cross-fitting needs finished models outside fold {k}, but there is none")
        fits.append(fit(design[rows], errors[rows]))
    return CrossFits(design, errors, folds, tuple(fits))


def _seen(
    pool: Pool, keys: Sequence[Hashable], errors: FloatArray, folds: IntArray
) -> list[tuple[IntArray, FloatArray]]:
    """For each fold: rows of the pool that finished models of other folds are, and their errors."""
    found: dict[int, list[int]] = {}
    for model, key in enumerate(keys):
        if (row := pool.places.get(key)) is not None and np.isfinite(errors[model]):
            found.setdefault(row, []).append(model)
    rows = np.array(list(found), dtype=np.int64)
    means = np.array([errors[models].mean() for models in found.values()])
    fold = np.array([folds[models[0]] for models in found.values()], dtype=np.int64)
    return [(rows[fold != k], means[fold != k]) for k in range(FOLDS)]


def _why_plain(errors: FloatArray) -> str:
    """Reason why the predictions for a space are not used; empty if they are."""
    done = int(np.isfinite(errors).sum())
    if done < FEWEST_POWERED:
        return f"only {done} finished models, of {FEWEST_POWERED} that it takes"
    unfinished = 1 - done / len(errors)
    if unfinished > MOST_UNFINISHED:
        return f"{unfinished:.1%} of the models failed or diverged, more than {MOST_UNFINISHED:.0%}"
    return ""
