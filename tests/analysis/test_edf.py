import numpy as np
import pytest
from scipy import stats

from designspace.analysis.edf import dkw_half_width, error_distribution, error_window
from designspace.analysis.runs import Counts


def all_done(errors: np.ndarray) -> Counts:
    return Counts(done=len(errors), diverged=0, failed=0, missing=0)


def test_strict_where_scipy_is_not() -> None:
    errors = np.round(np.random.default_rng(0).normal(20, 1, 60), 1)  # with ties
    edf = error_distribution(errors, all_done(errors))
    reference = stats.ecdf(errors).cdf
    where = np.unique(np.concatenate([errors, errors + 0.03, [0, 100]]))
    np.testing.assert_allclose(edf.at(where), reference.evaluate(np.nextafter(where, -np.inf)))
    assert edf.at(errors.min()) == 0
    assert edf.at(errors.max()) == np.mean(errors < errors.max()) < 1
    np.testing.assert_allclose(edf.shares, reference.evaluate(edf.errors))  # just right of each step


def test_models_without_error_hold_the_curve_below_one() -> None:
    edf = error_distribution(np.array([10.0, 20.0]), Counts(done=2, diverged=1, failed=1, missing=7))
    assert edf.n == 4
    assert edf.at(100.0) == edf.shares[-1] == 0.5
    assert edf.at([10.0, 10.1, 20.0, 20.1]).tolist() == [0, 0.25, 0.25, 0.5]
    assert (edf.min, edf.mean) == (10, 15)


def test_mean_error_is_the_area_left_of_the_curve() -> None:
    errors = np.random.default_rng(1).uniform(10, 30, 50)
    edf = error_distribution(errors, all_done(errors))
    assert edf.mean == pytest.approx(np.sum((1 - edf.shares[:-1]) * np.diff(edf.errors)))


@pytest.mark.parametrize("n", [5, 30])
def test_band_covers_the_whole_curve_as_often_as_it_says(n: int) -> None:
    rng, repeats, held = np.random.default_rng(2), 2000, 0
    for _ in range(repeats):
        errors = rng.uniform(0, 100, n)
        edf = error_distribution(errors, all_done(errors))
        truth = edf.errors / 100
        held += bool((edf.lower <= truth).all() and (edf.upper[:-1] >= truth[1:]).all())
    assert 0.945 < held / repeats < 0.985  # guaranteed 0.95, slightly conservative for small n


def test_half_width_follows_massart() -> None:
    assert dkw_half_width(500) == pytest.approx(np.sqrt(np.log(40) / 1000))
    assert dkw_half_width(0) == np.inf


@pytest.mark.parametrize("errors", [[], [20.0], [20.0, 20.0], [0.0, 100.0]])
def test_degenerate_populations(errors: list[float]) -> None:
    values = np.array(errors)
    edf = error_distribution(values, Counts(len(errors), 0, 0, 3))
    assert (edf.lower >= 0).all()
    assert (edf.upper <= 1).all()
    assert np.isnan(edf.shares).all() if not errors else edf.shares[-1] == 1
    assert edf.errors[[0, -1]].tolist() == [0, 100]


def test_all_diverged_is_a_flat_line() -> None:
    edf = error_distribution(np.array([]), Counts(0, 5, 0, 0))
    assert (edf.shares == 0).all()
    assert np.isnan(edf.min)


def test_window_leaves_out_the_worst() -> None:
    errors = np.concatenate([np.linspace(15, 20, 99), [90.0]])
    window = error_window(errors)
    assert window.low < 15 < 19.6 < window.high < 21
    assert window.beyond == np.sum(errors > window.high) >= 1
    assert error_window(np.array([])).high == 100
    single = error_window(np.array([20.0]))
    assert single.low < 20 < single.high
