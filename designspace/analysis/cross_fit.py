"""Errors of trained models predicted by fits that saw neither them nor their networks."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from designspace.analysis.powered import FOLDS, Sample
from designspace.analysis.powered_features import Pool
from designspace.analysis.predictor import Basis, Fit, assign_folds, fit, make_basis
from designspace.analysis.results import BoolArray
from designspace.analysis.statistics import named_rng
from designspace.networks.architecture import FloatArray, IntArray

FEWEST_POWERED = 20  # finished models of a space; with fewer the weight is mostly noise
MOST_UNFINISHED = 0.02  # share of failed and diverged models up to which the narrower interval is claimed
BINS = 1_000  # of the pool's predictions, where their law is needed


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
    def _pool_predictions(self) -> tuple[FloatArray, FloatArray]:
        """Errors predicted for the draws that are not seen, and the share of each, [FOLDS, BINS] both."""
        fits = self.fits.every
        coefficients = np.stack([fitted.coefficients for fitted in fits], axis=1)
        centres = np.array([fitted.intercept - fitted.centre @ fitted.coefficients for fitted in fits])
        predicted = self.pool.design @ coefficients + centres
        low = predicted.min(axis=0)
        width = np.maximum((predicted.max(axis=0) - low) / BINS, 1e-9)
        bins = np.minimum(((predicted - low) / width).astype(np.int64), BINS - 1)
        shares = np.empty((FOLDS, BINS))
        for k, rows in enumerate(self.seen):
            counts = self.pool.pool.counts.astype(float)
            counts[rows] = 0
            shares[k] = np.bincount(bins[:, k], counts, BINS) / max(counts.sum(), 1)
        return low[:, None] + width[:, None] * (np.arange(BINS) + 0.5), shares

    def _predicted_shares(self, error: float) -> tuple[FloatArray, float]:
        """Chances that an error is below this, less their mean over the pool; as `_predicted_means`."""
        controls = np.zeros(len(self.folds))
        spread = 0.0
        for k, (fitted, residuals) in enumerate(zip(self.fits.every, self.fits.residuals, strict=True)):
            held = self.folds == k
            values, shares = self._pool_predictions[0][k], self._pool_predictions[1][k]
            chances = _share_below(error - values, residuals)
            mean = shares @ chances
            own = _share_below(error - fitted.predict(self.design[held]), residuals)
            controls[held] = own - mean
            spread += float(shares @ (chances - mean) ** 2) / FOLDS
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


def few_finished(done: int) -> str:
    """Why a space with so few finished models stays plain."""
    return f"only {done} finished models, of {FEWEST_POWERED} that it takes"


def _why_plain(errors: FloatArray) -> str:
    """Reason why the predictions for a space are not used; empty if they are."""
    done = int(np.isfinite(errors).sum())
    if done < FEWEST_POWERED:
        return few_finished(done)
    unfinished = 1 - done / len(errors)
    if unfinished > MOST_UNFINISHED:
        return f"{unfinished:.1%} of the models failed or diverged, more than {MOST_UNFINISHED:.0%}"
    return ""
