"""Intervals and corrections against SciPy, brute force and simulation."""

import itertools

import numpy as np
import pytest
from scipy import stats

from designspace.analysis.statistics import (
    Interval,
    holm,
    mean_interval,
    median_interval,
    weighted_percentiles,
    wilson,
)
from designspace.networks.architecture import FloatArray


def skewed(n: int, seed: int = 0) -> FloatArray:
    return 17 + np.random.default_rng(seed).gamma(2.0, 0.7, n)


def ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


@pytest.mark.parametrize("n", [8, 20, 100])
def test_the_interval_of_a_mean_is_scipys_bca_of_many_resamples(n: int) -> None:
    errors = skewed(n)
    expected = stats.bootstrap((errors,), np.mean, n_resamples=400_000, method="BCa", batch=20_000, rng=1)
    found = mean_interval(errors)
    assert found.method == "BCa"
    width = found.high - found.low
    assert ends(found) == pytest.approx(tuple(expected.confidence_interval), abs=0.01 * width)


@pytest.mark.parametrize(("n", "m"), [(8, 30), (60, 40)])
def test_the_interval_of_a_difference_is_scipys_bca_of_many_resamples(n: int, m: int) -> None:
    a, b = skewed(n), 0.5 + 2 * skewed(m, seed=1)
    expected = stats.bootstrap(
        (a, b), lambda x, y, axis: x.mean(axis) - y.mean(axis),
        n_resamples=400_000, method="BCa", batch=20_000, rng=2,
    )  # fmt: skip
    found = mean_interval(a, b)
    width = found.high - found.low
    assert ends(found) == pytest.approx(tuple(expected.confidence_interval), abs=0.01 * width)


def test_a_difference_from_the_other_side_has_the_other_sign() -> None:
    a, b = skewed(30), skewed(40, seed=1)
    here, there = mean_interval(a, b), mean_interval(b, a)
    assert ends(here) == pytest.approx((-there.high, -there.low))


def test_intervals_move_and_scale_with_the_errors() -> None:
    errors = skewed(25)
    low, high = ends(mean_interval(errors))
    assert ends(mean_interval(100 + 3 * errors)) == pytest.approx((100 + 3 * low, 100 + 3 * high))


@pytest.mark.parametrize("errors", [[20.0, 21.0], [20.0, 20.0, 21.0], [20.0] * 30 + [95.0]])
def test_few_or_strange_errors_have_an_interval_among_them(errors: list[float]) -> None:
    with np.errstate(all="raise"):
        for interval in (mean_interval(np.array(errors)), median_interval(np.array(errors))):
            assert min(errors) <= interval.low <= interval.high <= max(errors)


def test_without_spread_or_number_there_is_no_width_or_no_interval() -> None:
    assert ends(mean_interval(np.full(9, 20.0))) == (20, 20)
    assert ends(mean_interval(np.full(9, 20.0), np.full(9, 18.0))) == (2, 2)
    assert ends(median_interval(np.full(9, 20.0))) == (20, 20)
    for interval in (
        mean_interval(np.ones(1)),
        mean_interval(np.ones(5), np.ones(1)),
        median_interval(np.ones(1)),
    ):
        assert np.isnan(ends(interval)).all()


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_law_of_a_resampled_median_is_that_of_all_resamples(n: int) -> None:
    errors = np.sort(skewed(n))
    medians = np.sort([np.median(drawn) for drawn in itertools.product(errors, repeat=n)])
    for confidence in (0.5, 0.8, 0.95):
        tails = [(1 - confidence) / 2, (1 + confidence) / 2]
        expected = np.quantile(medians, tails, method="inverted_cdf")
        assert ends(median_interval(errors, confidence=confidence)) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("n", [20, 100])
def test_intervals_hold_the_truth(n: int) -> None:
    truth, held = stats.gamma(2.0, loc=17, scale=0.7), np.zeros(2)
    for seed in range(1_000):
        errors = skewed(n, seed)
        for i, (interval, value) in enumerate(
            ((mean_interval(errors), truth.mean()), (median_interval(errors), truth.median()))
        ):
            held[i] += interval.low <= value <= interval.high
    assert (held >= 900).all()  # of few and skewed errors, bootstrap intervals are a little short
    assert (held <= 975).all()


def test_wilson_is_scipys() -> None:
    for k, n in ((0, 7), (3, 7), (50, 100), (100, 100)):
        expected = stats.binomtest(k, n).proportion_ci(method="wilson")
        assert tuple(map(float, wilson(k / n, n))) == pytest.approx((expected.low, expected.high))


def test_weighted_percentiles_of_equal_weights_are_numpys() -> None:
    values = skewed(37)
    expected = np.percentile(values, [2.5, 50, 97.5], method="inverted_cdf")
    assert weighted_percentiles(values, np.full(37, 1 / 37), [2.5, 50, 97.5]) == pytest.approx(expected)


def test_holm_on_a_textbook_example() -> None:
    corrected = holm(np.array([0.01, 0.04, np.nan, 0.03, 0.005]))
    np.testing.assert_allclose(corrected, [0.03, 0.06, np.nan, 0.06, 0.02])


def test_no_tests() -> None:
    assert holm(np.zeros(0)).tolist() == []
    assert np.isnan(holm(np.array([np.nan, np.nan]))).all()
