"""Distributions against the sampling rules that they stand for."""

import numpy as np
import pytest

from designspace.spaces.distributions import Distribution, choice, log_normal, log_uniform, uniform


def log_uniform_draws(low, high, step, n, rng):
    """The rule of the authors' released code: draw, then round up."""
    edge = low - min(step, low / 2)
    return np.ceil(np.exp(rng.uniform(np.log(edge), np.log(high), n)) / step) * step


@pytest.mark.parametrize(
    ("low", "high", "step"), [(1, 16, 1), (8, 1024, 8), (8, 255.9, 0.1), (1.5, 3, 0.001)]
)
def test_log_uniform_is_a_log_uniform_draw_rounded_up(low, high, step):
    distribution = log_uniform(low, high, step)
    draws = log_uniform_draws(low, high, step, 400_000, np.random.default_rng(0))
    empirical = np.searchsorted(np.sort(draws), distribution.values + step / 2) / len(draws)
    assert np.abs(empirical - np.cumsum(distribution.probabilities)).max() < 0.004
    assert distribution.values[0] == low
    assert distribution.values[-1] == high


def test_log_normal_is_a_clipped_log_normal_draw_rounded():
    rng, low, high, step = np.random.default_rng(0), 8, 1024, 8
    sigma = (np.log(high) - np.log(low)) / 6
    draws = rng.lognormal((np.log(low) + np.log(high)) / 2, sigma, 400_000)
    draws = np.rint(draws[(draws >= low) & (draws <= high)] / step) * step
    distribution = log_normal(low, high, step)
    empirical = np.searchsorted(np.sort(draws), distribution.values + step / 2) / len(draws)
    assert np.abs(empirical - np.cumsum(distribution.probabilities)).max() < 0.004


def test_values_are_the_doubles_nearest_to_the_decimals():
    assert 8.3 in log_uniform(8, 255.9, 0.1).values
    assert 2.541 in log_uniform(1.5, 3, 0.001).values


def test_uniform_and_choice_weigh_all_values_equally():
    assert np.allclose(uniform(1, 63, 1).probabilities, 1 / 63)
    assert choice([4, 1, 2]).values.tolist() == [1, 2, 4]
    assert np.allclose(choice([4, 1, 2]).probabilities, 1 / 3)


def test_where_conditions():
    d = log_uniform(1, 16, 1)
    kept = d.where(d.values >= 8)
    assert kept.values.tolist() == list(range(8, 17))
    assert np.allclose(kept.probabilities, d.probabilities[7:] / d.probabilities[7:].sum())


@pytest.mark.parametrize("n", [1, 2, 3, 64, 1000])
def test_invert_finds_the_value_from_the_cumulative_probabilities(n):
    rng = np.random.default_rng(n)
    p = rng.random(n) ** 8  # very unequal
    d = Distribution(np.arange(n) + 0.5, p / p.sum())
    cumulative = np.cumsum(d.probabilities)
    cumulative[-1] = 1.0
    expected = np.searchsorted(cumulative, np.random.default_rng(0).random(10_000), side="right") + 0.5
    assert np.array_equal(d.invert(np.random.default_rng(0).random(10_000)), expected)


def test_invert_is_exact_at_the_borders_between_two_values():
    d = Distribution(np.arange(4.0), np.array([0.25, 0.0, 0.25, 0.5]))
    borders = np.array([0.0, np.nextafter(0.25, 0), 0.25, np.nextafter(0.5, 0), 0.5, np.nextafter(1.0, 0)])
    drawn = d.invert(borders)
    assert drawn.tolist() == [0, 0, 2, 2, 3, 3]


def test_invert_follows_the_probabilities():
    d = log_uniform(1, 16, 1)
    draws = d.invert(np.random.default_rng(0).random(100_000))
    share = np.array([(draws == v).mean() for v in d.values])
    assert np.abs(share - d.probabilities).max() < 0.006


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: log_uniform(16, 1, 1), r"low <= high must hold, but got \(low=16, high=1\)"),
        (lambda: log_uniform(8, 1020, 8), "multiples of step=8"),
        (lambda: log_uniform(0, 8, 1), "low must be positive"),
        (lambda: uniform(1, 8, 0), "step must be positive"),
        (lambda: choice([1, 1]), "different numbers"),
        (lambda: choice([]), "different numbers"),
    ],
)
def test_impossible_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
