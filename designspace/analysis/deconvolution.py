"""True errors from noisy ones: how they are distributed, and what to expect of one good model.

An observed error is a true error plus noise, as in `noise`. Both functions use the density of true errors
that, blurred by the noise, explains the observed errors best: its logarithm is a spline of few pieces
(g-modelling: Efron, Biometrika 2016), fitted to the better 95 % of the models. They are approximations, as
good as that model and the smoothness.

- `deconvolve` gives the quantiles of this density: how true errors are spread, not which model has which.
  Shrinking all errors by one factor would be simpler, but one model that failed to learn makes the variance
  of errors so large that noise seems to be nothing.
- `true_error` is a posterior mean. A normal distribution would misjudge the luck of the best, since errors
  have a long right and a short left tail. The posterior is averaged over resamples of the models and draws
  of the noise's variance (Laird and Louis 1987): with both taken as known, its interval is too short.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import optimize

from designspace.analysis.statistics import FEWEST, NONE, TAILS, Estimate, Interval
from designspace.networks.architecture import FloatArray

_KNOTS = (0.05, 0.25, 0.5, 0.75, 0.95)  # quantiles of the errors, where the log density may bend
_FITTED = 0.95  # share of the errors that the density is fitted to: the worst say nothing about the best
_PENALTY = 0.1  # on the squared coefficients of the log density
_GRID = (101, 401)  # least and largest number of true errors that are considered
_REFITS = 50  # densities that the posterior is averaged over


def deconvolve(errors: FloatArray, seed_std: float, freedom: int, *, rng: np.random.Generator) -> FloatArray:
    """Errors [n] replaced by as many quantiles of the density of true errors, in the same order.

    The worst 5 % are not fitted and stay as they are. NaN where the density cannot be estimated.
    """
    fitted = _fitted(errors, seed_std)
    if len(fitted) == 0:
        return np.full(len(errors), np.nan)
    if seed_std == 0:
        return errors
    points = np.linspace(fitted.min() - 3 * seed_std, fitted.max() + 3 * seed_std, 1_001)
    density = np.zeros(len(points))
    for log, _ in _priors(fitted, seed_std, freedom, points, rng):
        part = np.exp(log - log.max())
        density += part / part.sum()
    shares = np.cumsum(density) / density.sum()
    quantiles = np.interp((np.arange(len(fitted)) + 0.5) / len(fitted), shares, points)
    order, corrected = np.argsort(errors, kind="stable"), errors.copy()
    corrected[order[: len(fitted)]] = np.minimum(quantiles, errors[order[len(fitted) :]].min(initial=np.inf))
    return corrected


def _fitted(errors: FloatArray, seed_std: float) -> FloatArray:
    """The better 95 % of the errors; none where they, or the noise, do not allow for a density."""
    if len(errors) < FEWEST or math.isnan(seed_std):
        return errors[:0]
    better = errors[errors <= np.quantile(errors, _FITTED, method="inverted_cdf")]
    return better if np.ptp(better) > 0 else errors[:0]


def true_error(
    observed: float, errors: FloatArray, seed_std: float, freedom: int, *, rng: np.random.Generator
) -> Estimate:
    """Posterior mean and 95 % interval of a good model's true error, from its single observed error.

    The prior is the density of true errors that explains the errors [n] of its population; noise is normal,
    its standard deviation estimated with the given degrees of freedom. The worst 5 % of the errors are not
    fitted, so a model among them has no estimate.
    """
    fitted = _fitted(errors, seed_std)
    if len(fitted) == 0 or observed > fitted.max():
        return NONE
    if seed_std == 0:
        return Estimate(observed, Interval(observed, observed))
    near = observed + seed_std * np.linspace(-4, 6, 1_001)
    mass = np.zeros(len(near))
    for prior, noise in _priors(fitted, seed_std, freedom, near, rng):
        log = prior - ((near - observed) / noise) ** 2 / 2
        posterior = np.exp(log - log.max())
        mass += posterior / posterior.sum() / _REFITS
    low, high = near[np.searchsorted(np.cumsum(mass), TAILS)]
    return Estimate(float(near @ mass), Interval(float(low), float(high)))


def _priors(
    errors: FloatArray, seed_std: float, freedom: int, at: FloatArray, rng: np.random.Generator
) -> Iterator[tuple[FloatArray, float]]:
    """Log density of true errors at the given points, and the noise it was fitted with, for each refit."""
    low, high = float(errors.min()) - 3 * seed_std, float(errors.max()) + 3 * seed_std
    grid = np.linspace(low, high, int(np.clip((high - low) / seed_std * 4, *_GRID)))
    step = float(grid[1] - grid[0])
    nearest = np.rint((errors - low) / step).astype(np.int64)  # a quarter of the noise wide, at most
    knots = np.quantile(errors, _KNOTS)
    reference = _basis(errors, knots)
    # uncorrelated columns of variance 1: the penalty then means the same for every population
    whiten = np.linalg.pinv(np.linalg.cholesky(np.cov(reference.T) + 1e-9 * np.eye(reference.shape[1])).T)
    on_grid, on_points = ((_basis(x, knots) - reference.mean(axis=0)) @ whiten for x in (grid, at))
    weights = np.zeros(on_grid.shape[1])
    for _ in range(_REFITS):
        drawn = np.bincount(rng.choice(nearest, len(nearest)), minlength=len(grid)).astype(float)
        noise = seed_std * math.sqrt(freedom / rng.chisquare(freedom))
        weights = _fit_density(drawn, grid, on_grid, max(noise, step), weights)
        yield on_points @ weights, noise


def _fit_density(
    drawn: FloatArray, grid: FloatArray, basis: FloatArray, noise: float, start: FloatArray
) -> FloatArray:
    """Coefficients of the log density of true errors on the grid, by penalised maximum likelihood.

    `drawn` [grid] counts the observed errors at each point, `basis` is [grid, coefficients].
    """
    seen = np.flatnonzero(drawn)
    likelihood = np.exp(-(((grid[seen, None] - grid) / noise) ** 2) / 2)  # [seen, grid]
    counts = drawn[seen]

    def cost(weights: FloatArray) -> tuple[float, FloatArray]:
        log = basis @ weights
        density = np.exp(log - log.max())
        density /= density.sum()
        evidence = likelihood @ density
        surplus = density * ((counts / evidence) @ likelihood - counts.sum())
        value = _PENALTY * float(weights @ weights) - float(counts @ np.log(evidence))
        return value, 2 * _PENALTY * weights - surplus @ basis

    weights: FloatArray = optimize.minimize(cost, start, jac=True, method="L-BFGS-B").x
    return weights


def _basis(values: FloatArray, knots: FloatArray) -> FloatArray:
    """Natural cubic splines without the constant, [n, knots - 1]: linear beyond the outer knots."""
    scale = max(float(knots[-1] - knots[0]), 1e-9)
    x, at = (values - knots[0]) / scale, (knots - knots[0]) / scale
    gaps = np.maximum(at[-1] - at, 1e-9)
    cubes = np.maximum(x[:, None] - at, 0) ** 3
    slopes = (cubes[:, :-1] - cubes[:, -1:]) / gaps[:-1]
    return np.column_stack([x, slopes[:, :-1] - slopes[:, -1:]])
