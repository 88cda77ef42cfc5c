import numpy as np
import pytest
from scipy import stats

from designspace.analysis.edf import BandMethod, band, dkw_half_width, error_distribution, error_window
from designspace.analysis.results import Counts


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
    rng, repeats, held = np.random.default_rng(2), 1000, 0
    for _ in range(repeats):
        errors = rng.uniform(0, 100, n)
        edf = error_distribution(errors, all_done(errors))
        truth = edf.errors / 100
        held += bool((edf.lower <= truth).all() and (edf.upper[:-1] >= truth[1:]).all())
    assert 0.945 < held / repeats < 0.985  # guaranteed 0.95, slightly conservative for small n


def test_wilson_band_is_scipys() -> None:
    reached = np.arange(41)
    found = band(reached, 40, "wilson", confidence=0.9)
    for k in reached.tolist():
        expected = stats.binomtest(k, 40).proportion_ci(0.9, method="wilson")
        assert (found.lower[k], found.upper[k]) == pytest.approx((expected.low, expected.high))


def test_bootstrap_band_is_that_of_resampled_models() -> None:
    rng = np.random.default_rng(3)
    errors = rng.gamma(2.0, 1.0, 30) + 17
    edf = error_distribution(errors, Counts(done=30, diverged=5, failed=0, missing=4))
    models = np.concatenate([errors, np.full(5, np.inf)])
    resampled = rng.choice(models, (4000, 35))
    shares = (resampled[:, :, None] <= edf.errors).mean(axis=1)
    lower, upper = np.quantile(shares, [0.025, 0.975], axis=0, method="inverted_cdf")
    np.testing.assert_allclose(edf.bands["bootstrap"].lower, lower, atol=1.01 / 35)  # one model of sampling
    np.testing.assert_allclose(edf.bands["bootstrap"].upper, upper, atol=1.01 / 35)
    assert np.mean(edf.bands["bootstrap"].lower == lower) > 0.7
    assert not edf.bands["bootstrap"].simultaneous
    assert edf.bands["dkw"].simultaneous


@pytest.mark.parametrize(
    ("method", "near_half", "near_zero"), [("bootstrap", 0.945, 0.71), ("wilson", 0.95, 0.96)]
)
def test_pointwise_bands_cover_points(method: BandMethod, near_half: float, near_zero: float) -> None:
    n, counts = 100, np.arange(101)  # the bootstrap misses a truth near 0 whenever no model is below
    drawn = band(counts, n, method)
    for truth, expected in (
        (np.linspace(0.3, 0.7, 201), near_half),
        (np.linspace(0.01, 0.015, 51), near_zero),
    ):
        holds = (drawn.lower <= truth[:, None]) & (truth[:, None] <= drawn.upper)
        coverage = (stats.binom.pmf(counts, n, truth[:, None]) * holds).sum(axis=1).mean()  # exact
        assert coverage == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("method", ["bootstrap", "wilson"])
def test_pointwise_bands_do_not_cover_curves(method: BandMethod) -> None:
    rng, repeats, held = np.random.default_rng(4), 200, 0
    for _ in range(repeats):
        errors = rng.uniform(0, 100, 100)
        edf = error_distribution(errors, all_done(errors))
        drawn, truth = edf.bands[method], edf.errors / 100
        held += bool((drawn.lower <= truth).all() and (drawn.upper[:-1] >= truth[1:]).all())
    assert held / repeats < 0.7


def test_unfinished_runs_are_bounded_by_what_can_still_come() -> None:
    rng = np.random.default_rng(5)
    errors, later = rng.normal(20, 1, 12), rng.normal(20, 2, 8)
    edf = error_distribution(errors, Counts(done=12, diverged=3, failed=0, missing=8))
    assert edf.worst_case[-1] == 12 / 23
    assert edf.best_case[0] == 8 / 23
    for outcome in (later, later[:5], np.zeros(8), np.zeros(0)):  # the others of the eight diverge
        final = np.concatenate([errors, outcome])
        whole = error_distribution(final, Counts(len(final), 3 + 8 - len(outcome), 0, 0))
        shares = np.concatenate([[0.0], whole.shares])[np.searchsorted(whole.errors, edf.errors, "right")]
        assert (edf.worst_case <= shares + 1e-12).all()
        assert (shares <= edf.best_case + 1e-12).all()
        np.testing.assert_array_equal(whole.best_case, whole.shares)
    nothing = error_distribution(np.zeros(0), Counts(0, 0, 0, 2))
    assert (nothing.worst_case[0], nothing.best_case[0]) == (0, 1)


def test_half_width_follows_massart() -> None:
    assert dkw_half_width(500) == pytest.approx(np.sqrt(np.log(40) / 1000))
    assert dkw_half_width(0) == np.inf


@pytest.mark.parametrize("errors", [[], [20.0], [20.0, 20.0], [0.0, 100.0]])
def test_degenerate_populations(errors: list[float]) -> None:
    values = np.array(errors)
    edf = error_distribution(values, Counts(len(errors), 0, 0, 3))
    for drawn in edf.bands.values():
        assert (drawn.lower >= 0).all()
        assert (drawn.upper <= 1).all()
        assert not errors or (drawn.lower <= edf.shares + 1e-12).all()
        assert not errors or (drawn.upper >= edf.shares - 1e-12).all()
    assert np.isnan(edf.shares).all() if not errors else edf.shares[-1] == 1
    assert edf.errors[[0, -1]].tolist() == [0, 100]


def test_all_diverged_is_a_flat_line() -> None:
    edf = error_distribution(np.array([]), Counts(0, 5, 0, 0))
    assert (edf.shares == 0).all()
    assert np.isnan(edf.min)
    assert edf.share_without_error == 1
    assert error_distribution(np.array([10.0]), Counts(1, 1, 2, 9)).share_without_error == 0.75
    assert np.isnan(error_distribution(np.array([]), Counts(0, 0, 0, 9)).share_without_error)


def test_window_leaves_out_the_worst() -> None:
    errors = np.concatenate([np.linspace(15, 20, 99), [90.0]])
    window = error_window(errors)
    assert window.low < 15 < 19.6 < window.high < 21
    assert window.beyond == np.sum(errors > window.high) >= 1
    assert 16.2 < window.best_quarter < 16.4  # a quarter of the way from 15 to 20, and a little more
    assert error_window(np.array([])).high == 100
    single = error_window(np.array([20.0]))
    assert single.low < 20 < min(single.high, single.best_quarter)
