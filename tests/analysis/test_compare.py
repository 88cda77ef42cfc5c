"""Comparisons of spaces against SciPy, simulation and hand-made populations."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import make_runs

from designspace.analysis.compare import (
    QUANTILES,
    compare,
    compare_all,
    neighbours,
)
from designspace.analysis.statistics import BETTER, TOO_FEW, UNDECIDED, WORSE
from designspace.networks.architecture import FloatArray
from designspace.report.tables.compare import COLUMNS, comparison_table
from designspace.report.text.compare import comparison_sentence


def runs_of(name: str, errors: FloatArray | list[float], *, lost: int = 0, missing: int = 0) -> pd.DataFrame:
    """Runs with these errors, then some that diverged, then some that were not run yet."""
    statuses = ["done"] * len(errors) + ["diverged"] * lost + ["missing"] * missing
    runs = make_runs(name, statuses)
    runs["error"] = [*errors, *[np.nan] * (lost + missing)]
    return runs


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def errors_of(n: int, shift: float = 0.0, seed: int = 0) -> FloatArray:
    """Skewed, as errors are."""
    return 17 + shift + np.random.default_rng(seed).gamma(2.0, 0.7, n)


def test_numbers_are_those_of_numpy_and_scipy() -> None:
    a, b = errors_of(80), errors_of(60, 0.5, seed=1)
    found = compare("a", "b", runs_of("a", a), runs_of("b", b))
    assert found.mean.value == pytest.approx(a.mean() - b.mean())
    for q in QUANTILES:
        assert found.quantiles[q].value == pytest.approx(np.quantile(a, q) - np.quantile(b, q))
    assert (found.ks, found.ks_p) == pytest.approx(tuple(stats.ks_2samp(a, b)))
    assert found.mann_whitney_p == pytest.approx(stats.mannwhitneyu(a, b).pvalue)
    assert found.beats == pytest.approx((a[:, None] < b).mean())
    expected = stats.bootstrap((a, b), lambda x, y, axis: x.mean(axis) - y.mean(axis), rng=rng())
    low, high = expected.confidence_interval
    assert (found.mean.interval.low, found.mean.interval.high) == pytest.approx((low, high), abs=0.03)
    both = np.sort(np.concatenate([a, b]))
    steps = np.searchsorted(found.edf.errors, both)
    exact = stats.ecdf(a).cdf.evaluate(both) - stats.ecdf(b).cdf.evaluate(both)
    assert found.edf.difference[steps] == pytest.approx(exact)
    assert np.abs(found.edf.difference).max() == pytest.approx(found.ks)


def test_models_without_an_error_lose_against_all_and_missing_ones_count_nowhere() -> None:
    a, b = [float(i) for i in range(8)], [float(i) for i in range(8, 16)]
    found = compare("a", "b", runs_of("a", a, lost=8, missing=50), runs_of("b", b))
    assert found.beats == 0.5
    assert found.mean.value == -8
    assert found.edf.difference.max() == 0.5
    assert found.edf.difference[-1] == -0.5
    assert "8 and 0 models without an error count in the ranks alone" in comparison_sentence(found)
    both = compare("a", "b", runs_of("a", a, lost=8), runs_of("b", b, lost=8))
    assert both.beats == pytest.approx(1 - (0.5 * 0.5 + 0.5 * 0.25))  # of two without one, ties count half


def test_a_clear_difference_is_called_one_and_from_both_sides_alike() -> None:
    better, worse = runs_of("b", errors_of(100)), runs_of("a", errors_of(100, 1.0, seed=1))
    found = compare("a", "b", worse, better)
    assert found.verdict == WORSE
    assert comparison_sentence(found).startswith("b is better than a at equal flops: its mean error is ")
    assert comparison_sentence(found) == comparison_sentence(found.swapped())
    other = found.swapped()
    assert (other.first, other.verdict, other.mean.value) == ("b", BETTER, -found.mean.value)
    assert other.mean.interval.low == -found.mean.interval.high
    assert other.beats == 1 - found.beats
    assert f"({other.beats_interval.low:.2f} to {other.beats_interval.high:.2f})" in comparison_sentence(
        found
    )


def test_equal_spaces_are_rarely_called_different() -> None:
    wrong = 0
    for seed in range(200):
        spaces = {name: runs_of(name, errors_of(30, seed=10 * seed + i)) for i, name in enumerate("abc")}
        found = compare_all(spaces, seed=seed)
        wrong += any(c.decided for c in found)
    assert wrong <= 16  # 5 % of 200 are 10; above 16 with a probability of 2 % if it were 5 %


def test_sentences_are_no_stronger_than_the_numbers() -> None:
    same = compare("a", "b", runs_of("a", errors_of(50)), runs_of("b", errors_of(50, seed=1)))
    assert comparison_sentence(same).startswith("No difference of a and b is shown")
    outlier = [*errors_of(30), 90.0]  # moves the mean, not the ranks
    found = compare("a", "b", runs_of("a", errors_of(31)), runs_of("b", outlier))
    assert found.verdict == UNDECIDED
    assert "better" not in comparison_sentence(found)
    shifts = {"a": 0.0, "b": 0.45, "c": 0.0}
    pairs = compare_all({n: runs_of(n, errors_of(40, s, i)) for i, (n, s) in enumerate(shifts.items())})
    weak = pairs[0]
    assert weak.mann_whitney_p < 0.05 < weak.mann_whitney_p_holm
    assert comparison_sentence(weak).startswith("It is not settled whether a and b differ")
    assert "Holm's correction for 3 pairs" in comparison_sentence(weak)


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_few_models_are_not_compared(n: int) -> None:
    few, many = runs_of("a", errors_of(n), missing=3), runs_of("b", errors_of(50, 5.0))
    for found in (compare("a", "b", few, many), compare("b", "a", many, few)):
        assert found.verdict == TOO_FEW
        assert "cannot be compared" in comparison_sentence(found)
    assert math.isnan(compare("a", "b", few, many).mean.interval.low) == (n < 2)


def test_populations_without_spread_or_without_any_error() -> None:
    flat = compare("a", "b", runs_of("a", [20.0] * 9), runs_of("b", [20.0] * 9))
    assert (flat.mean.interval.low, flat.mean.interval.high, flat.beats) == (0, 0, 0.5)
    assert flat.verdict == UNDECIDED
    lost = compare("a", "b", runs_of("a", [], lost=9), runs_of("b", errors_of(9)))
    assert lost.beats == 0
    assert math.isnan(lost.mean.value)
    assert compare_all({"a": runs_of("a", errors_of(9))}) == ()
    assert tuple(comparison_table([])) == COLUMNS


def test_a_pair_depends_on_its_own_spaces_and_the_seed_alone() -> None:
    spaces = {name: runs_of(name, errors_of(20, seed=i)) for i, name in enumerate("abc")}
    pair = {name: spaces[name] for name in "ac"}
    alone, among = compare_all(pair)[0], compare_all(spaces)[1]
    assert (alone.first, alone.second) == (among.first, among.second) == ("a", "c")
    assert alone.mean == among.mean
    other = compare_all(pair, seed=1)[0]
    assert (other.mean, other.verdict) == (alone.mean, alone.verdict)
    assert comparison_sentence(other) == comparison_sentence(alone)
    assert alone.quantiles == among.quantiles != other.quantiles
    every = compare_all(spaces)
    down, up = neighbours(every, ["c", "b", "a"]), neighbours(every, ["a", "b", "c"])
    assert [(step.first, step.second) for step in down] == [("b", "c"), ("a", "b")]
    assert [(step.first, step.second) for step in up] == [("b", "a"), ("c", "b")]
    assert down[0].mean.value == -up[1].mean.value == every[2].mean.value


def test_the_band_of_the_difference_holds_the_truth() -> None:
    grid = np.linspace(17, 25, 400)
    truth = stats.gamma(2, 17, 0.7).cdf(grid) - stats.gamma(2, 17.4, 0.7).cdf(grid)
    held = 0
    for seed in range(200):
        a, b = errors_of(40, seed=2 * seed), errors_of(30, 0.4, seed=2 * seed + 1)
        edf = compare("a", "b", runs_of("a", a), runs_of("b", b), resamples=9).edf
        at = edf.difference[np.searchsorted(edf.errors, grid, side="right") - 1]
        held += bool((np.abs(at - truth) <= edf.half_width).all())
    assert held >= 190


def test_only_models_of_about_the_same_flops_are_compared_at_equal_flops() -> None:
    low, high = runs_of("a", errors_of(50)), runs_of("b", errors_of(50, 2.0, seed=1))
    far = high.assign(flops=2 * high["flops"])
    assert "at equal flops" in comparison_sentence(compare("a", "b", low, high))
    assert "at equal flops" not in comparison_sentence(compare("a", "b", low, far))
