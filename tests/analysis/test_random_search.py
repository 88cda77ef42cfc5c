from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import make_runs

from designspace.analysis.random_search import (
    expected_best,
    powers_of_two,
    random_search_curve,
)
from designspace.analysis.results import outcomes
from designspace.report.tables.random_search import COLUMNS, random_search_table


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_the_mean_over_every_subset(n: int) -> None:
    errors = np.sort(np.round(np.random.default_rng(n).normal(20, 2, n)))  # with ties
    draws = np.arange(1, n + 1)
    by_hand = [np.mean([min(chosen) for chosen in combinations(errors, m)]) for m in draws]
    np.testing.assert_allclose(expected_best(errors, draws), by_hand)


def test_drawing_literally_from_500() -> None:
    rng = np.random.default_rng(0)
    errors = np.sort(rng.gamma(2, 2, 500))
    drawn = np.array([rng.choice(errors, 16, replace=False).min() for _ in range(4000)])
    assert expected_best(errors, [16])[0] == pytest.approx(drawn.mean(), abs=4 * drawn.std() / np.sqrt(4000))
    assert expected_best(errors, [1, 500]) == pytest.approx([errors.mean(), errors.min()])


def test_unbiased_for_fresh_models_of_the_space() -> None:
    """The least of m uniform numbers is 1 / (m + 1) on average, which with replacement would be missed."""
    errors = np.sort(np.random.default_rng(1).uniform(0, 1, (20_000, 16)), axis=1)
    means = expected_best(errors, [1, 4, 16]).mean(axis=0)
    np.testing.assert_allclose(means, [1 / 2, 1 / 5, 1 / 17], atol=0.003)


def test_interval_covers_as_often_as_it_says() -> None:
    rng, repeats, n = np.random.default_rng(2), 400, 64
    truth = np.array([rng.gamma(2, 1, (100_000, m)).min(axis=1).mean() for m in (1, 2, 4, 8)])
    frame = make_runs("a", ["done"] * n)
    held = np.zeros(4)
    for _ in range(repeats):
        curve = random_search_curve("a", frame.assign(error=rng.gamma(2, 1, n)))
        held += (curve.low[:4] <= truth) & (truth <= curve.high[:4])
    assert (held / repeats > 0.90).all()
    assert (held / repeats < 0.98).all()


@pytest.mark.parametrize("n", [5, 9, 40])
def test_interval_is_that_of_the_jackknife_by_hand(n: int) -> None:
    errors = np.sort(np.round(np.random.default_rng(n).normal(20, 2, n)))  # with ties
    curve = random_search_curve("a", make_runs("a", ["done"] * n).assign(error=errors))
    known = np.isfinite(curve.low)
    without = np.stack([expected_best(np.delete(errors, i), curve.draws[known]) for i in range(n)])
    by_hand = np.sqrt((n - 1) / n * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    width = 2 * stats.t.ppf(0.975, n - 1) * by_hand
    np.testing.assert_allclose(
        (curve.high - curve.low)[known], np.minimum(width, 2 * (100 - curve.best[known]))
    )


def test_no_interval_where_none_would_hold() -> None:
    curve = random_search_curve("a", make_runs("a", ["done"] * 64))
    assert curve.draws.tolist() == [1, 2, 4, 8, 16, 32, 64]
    assert np.isfinite(curve.low).tolist() == [True] * 4 + [False] * 3
    assert (np.diff(curve.best) < 0).all()


def test_a_failure_is_a_draw_that_gives_nothing() -> None:
    runs = make_runs("a", ["done", "done", "diverged", "failed", "missing"])
    errors = runs["error"].to_numpy()[:2]
    expected = [*errors, 100, 100]
    np.testing.assert_array_equal(outcomes(runs), [*expected, np.nan])
    curve = random_search_curve("a", runs)
    assert curve.n == 4
    assert curve.best[0] == pytest.approx(np.mean(expected))
    assert curve.best[1] == pytest.approx(np.mean([min(pair) for pair in combinations(expected, 2)]))


def test_draws_are_powers_of_two_and_all() -> None:
    tried = [powers_of_two(n).tolist() for n in range(6)]
    assert tried == [[], [1], [1, 2], [1, 2, 3], [1, 2, 4], [1, 2, 4, 5]]


@pytest.mark.parametrize("statuses", [[], ["missing"], ["done"], ["done"] * 2, ["diverged"] * 3])
def test_degenerate_populations(statuses: list[str]) -> None:
    runs = make_runs("a", statuses)
    curve = random_search_curve("a", runs)
    judged = [status for status in statuses if status != "missing"]
    assert curve.n == len(judged)
    if judged:
        assert curve.best[-1] == np.nanmin(outcomes(runs))
    if judged == ["diverged"] * 3:
        assert (curve.best == 100).all()


def test_table() -> None:
    curves = [random_search_curve(name, make_runs(name, ["done"] * 5 + ["failed"])) for name in "ab"]
    table = random_search_table(curves)
    assert tuple(table) == COLUMNS == tuple(random_search_table([]))
    assert table["draws"].tolist() == [1, 2, 4, 6] * 2
    assert set(table["n_without_error"]) == {1}
    assert isinstance(table, pd.DataFrame)
