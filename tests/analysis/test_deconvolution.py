from collections.abc import Callable

import numpy as np
import pytest

from designspace.analysis.deconvolution import deconvolve, true_error

Population = Callable[[int, np.random.Generator], np.ndarray]


def skewed(n: int, generator: np.random.Generator) -> np.ndarray:
    return 15.5 + generator.gamma(2, 1.2, n)


def normal(n: int, generator: np.random.Generator) -> np.ndarray:
    return generator.normal(18, 1, n)


@pytest.mark.parametrize("population", [normal, skewed])
def test_the_corrected_distribution_spreads_like_the_true_errors(population: Population) -> None:
    generator, n = np.random.default_rng(5), 250
    spreads = []
    for _ in range(12):
        truth = population(n, generator)
        errors = truth + generator.normal(0, 0.7, n)
        corrected = deconvolve(errors, 0.7, 60, rng=generator)
        assert (np.argsort(corrected, kind="stable") == np.argsort(errors, kind="stable")).mean() > 0.9
        spreads.append(
            [(x.std(), np.ptp(np.quantile(x, [0.05, 0.5])), x.mean()) for x in (errors, corrected, truth)]
        )
    observed, corrected, true = np.mean(spreads, axis=0)
    np.testing.assert_allclose(corrected, true, rtol=0.08)
    assert (observed[:2] > 1.08 * true[:2]).all()  # so that the correction has something to do


@pytest.mark.parametrize("population", [normal, skewed])
def test_what_the_best_model_owes_to_luck(population: Population) -> None:
    """Observed, the best model is more than 0.9 points too good; expected, right to a quarter of a point."""
    generator, n = np.random.default_rng(6), 120
    surprise, luck, held = [], [], 0
    for _ in range(60):
        truth = population(n, generator)
        errors = truth + generator.normal(0, 0.7, n)
        best = int(errors.argmin())
        seed_std = 0.7 * np.sqrt(generator.chisquare(60) / 60)
        expected = true_error(errors[best], errors, seed_std, 60, rng=generator)
        surprise.append(truth[best] - expected.value)
        luck.append(truth[best] - errors[best])
        held += expected.interval.low <= truth[best] <= expected.interval.high
    assert np.mean(luck) > 0.9
    assert abs(np.mean(surprise)) < 0.25
    assert held >= 51
