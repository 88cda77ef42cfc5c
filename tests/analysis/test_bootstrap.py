import numpy as np
import pytest
from scipy import stats

from designspace.analysis.bootstrap import best_of_draws, best_value


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def slow_winners(errors: np.ndarray, draws: int) -> list[int]:
    """Literally: draw a quarter with replacement, take the first of the best."""
    n, generator = len(errors), np.random.default_rng(11)
    winners = []
    for _ in range(draws):
        drawn = sorted(generator.choice(n, size=max(1, round(n / 4)), replace=True).tolist())
        winners.append(min(drawn, key=lambda row: errors[row]))
    return winners


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_same_distribution_as_drawing_literally(n: int) -> None:
    errors = np.round(np.random.default_rng(n).normal(20, 1, n), 1)
    fast = np.bincount(best_of_draws(errors, rng=rng()), minlength=n)
    slow = np.bincount(slow_winners(errors, 10_000), minlength=n)
    seen = (fast + slow) > 0
    if seen.sum() == 1:
        assert (fast == slow).all()
    else:
        assert stats.chi2_contingency([fast[seen], slow[seen]]).pvalue > 1e-3


def test_exact_distribution_of_the_best_rank() -> None:
    n, draws = 40, 200_000
    winners = best_of_draws(np.arange(n, dtype=float), rng=rng(), draws=draws)
    exact = (1 - np.arange(n) / n) ** 10 - (1 - np.arange(1, n + 1) / n) ** 10
    often = exact * draws > 5
    observed = np.bincount(winners, minlength=n)[often]
    assert (np.abs(observed - draws * exact[often]) < 4.5 * np.sqrt(draws * exact[often])).all()


def test_percentiles_are_values_that_occur() -> None:
    errors = np.random.default_rng(0).normal(20, 1, 100)
    values = np.random.default_rng(1).choice([1.0, 2.0, 4.0], 100)
    winners = best_of_draws(errors, rng=rng())
    result = best_value(values, errors, winners)
    assert {result.low, result.median, result.high} <= {1.0, 2.0, 4.0}
    reference = np.sort(values[winners])
    assert result.low == reference[249]
    assert result.median == reference[4999]
    assert result.high == reference[9749]
    assert result.best == values[np.argmin(errors)]
    assert best_value(values, errors, np.array([values.argmin(), values.argmax()])).median == 1


def test_finds_the_value_that_makes_models_good() -> None:
    generator = np.random.default_rng(4)
    values = generator.integers(1, 65, 500).astype(float)
    errors = 20 + np.abs(values - 20) / 10 + generator.normal(0, 0.1, 500)
    result = best_value(values, errors, best_of_draws(errors, rng=rng()))
    assert 17 <= result.low <= result.median <= result.high <= 23


def test_of_equal_errors_the_first_row_wins() -> None:
    equal = np.full(3, 20.0)
    assert set(best_of_draws(equal, rng=rng(), share=1 / 3).tolist()) == {0, 1, 2}  # one model a draw
    assert set(best_of_draws(equal, rng=rng(), share=20).tolist()) == {0}  # every row is in each draw
    assert set(best_of_draws(np.array([20.0, 19.0, 19.0]), rng=rng(), share=20).tolist()) == {1}


def test_no_models() -> None:
    nothing = np.zeros(0)
    result = best_value(nothing, nothing, best_of_draws(nothing, rng=rng()))
    assert result.n == 0
    assert np.isnan([result.low, result.median, result.high, result.best]).all()
