import numpy as np
import pytest
from scipy import stats

from designspace.analysis.best_values import best_value
from designspace.analysis.statistics import winner_shares
from designspace.networks.architecture import FloatArray


def winners(errors: FloatArray, draws: int) -> list[int]:
    """Literally: draw a quarter with replacement, take the best, of equal ones any."""
    n, generator = len(errors), np.random.default_rng(11)
    found = []
    for _ in range(draws):
        drawn = generator.permutation(generator.choice(n, size=max(1, round(n / 4)), replace=True))
        best = np.unique(drawn[errors[drawn] == errors[drawn].min()])
        found.append(int(generator.choice(best)))
    return found


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_the_law_is_that_of_drawing(n: int) -> None:
    errors = np.random.default_rng(n).normal(20, 1, n)
    drawn, expected = np.bincount(winners(errors, 10_000), minlength=n), 10_000 * winner_shares(errors)
    often = expected > 5
    assert expected.sum() == pytest.approx(10_000)
    if often.sum() > 1:
        observed = np.append(drawn[often], drawn[~often].sum())
        law = np.append(expected[often], expected[~often].sum())
        kept = law > 0
        assert stats.chisquare(observed[kept], law[kept]).pvalue > 1e-3


def test_the_law_of_ranks_is_the_published_one() -> None:
    n, m = 40, 10
    k = np.arange(n)
    np.testing.assert_allclose(
        winner_shares(np.arange(n, dtype=float)), ((n - k) / n) ** m - ((n - k - 1) / n) ** m
    )


def test_equal_errors_share_equally() -> None:
    shares = winner_shares(np.array([20.0, 19.0, 21.0, 19.0, 22.0, 21.0, 19.0, 25.0]))
    alone = winner_shares(np.arange(8.0))
    np.testing.assert_allclose(shares[[1, 3, 6]], alone[:3].sum() / 3)
    np.testing.assert_allclose(shares[[2, 5]], alone[4:6].sum() / 2)
    assert shares.sum() == pytest.approx(1)


def test_percentiles_are_values_that_occur() -> None:
    errors = np.random.default_rng(0).normal(20, 1, 100)
    values = np.random.default_rng(1).choice([1.0, 2.0, 4.0], 100)
    result = best_value(values, errors)
    shares = winner_shares(errors)
    for percentile, found in ((0.025, result.low), (0.5, result.median), (0.975, result.high)):
        assert found in values
        assert shares[values <= found].sum() >= percentile > shares[values < found].sum()
    assert result.best == values[np.argmin(errors)]


def test_finds_the_value_that_makes_models_good() -> None:
    generator = np.random.default_rng(4)
    values = generator.integers(1, 65, 500).astype(float)
    errors = 20 + np.abs(values - 20) / 10 + generator.normal(0, 0.1, 500)
    result = best_value(values, errors)
    assert 17 <= result.low <= result.median <= result.high <= 23


def test_no_models() -> None:
    nothing = np.zeros(0)
    result = best_value(nothing, nothing)
    assert result.n == 0
    assert np.isnan([result.low, result.median, result.high, result.best]).all()
