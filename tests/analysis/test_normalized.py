import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import make_runs

from designspace.analysis.edf import error_distribution
from designspace.analysis.normalized import (
    NormalizedComparison,
    bin_numbers,
    effective_n,
    normalize,
    weights,
)
from designspace.analysis.results import Counts
from designspace.report.tables.normalized import (
    EDF_COLUMNS,
    SUMMARY_COLUMNS,
    normalized_edf_table,
    normalized_table,
)


def population(params: np.ndarray, errors: np.ndarray | None = None, status: str = "done") -> pd.DataFrame:
    runs = make_runs("x", [status] * len(params)).assign(params=params)
    return runs if errors is None else runs.assign(error=errors)


def compare(bins: int = 10, **populations: pd.DataFrame) -> NormalizedComparison:
    rng = np.random.default_rng(0)
    return normalize(populations, by="params", rng=rng, bins=bins, resamples=400)


def test_complexity_is_uniform_over_the_bins() -> None:
    rng = np.random.default_rng(1)
    populations = {name: population(np.exp(rng.normal(at, 0.7, 80))) for name, at in (("a", 10), ("b", 10.6))}
    comparison = compare(bins=20, **populations)
    assert comparison.merged > 0
    before = np.geomspace(comparison.edges[0], comparison.edges[-1], 21)  # the bins of equal width in log
    assert all(np.isclose(before, edge).any() for edge in comparison.edges)
    for runs in populations.values():
        params = runs["params"].to_numpy()
        weight = weights(params, comparison)
        assert weight.sum() == pytest.approx(1)
        held, _ = np.histogram(params, comparison.edges, weights=weight)
        np.testing.assert_allclose(held, np.diff(np.log(comparison.edges)) / np.ptp(np.log(comparison.edges)))
        outside = (params < comparison.edges[0]) | (params > comparison.edges[-1])
        assert (weight[outside] == 0).all()
        assert (weight[~outside] > 0).all()
        for number in range(len(comparison.edges) - 1):
            equal = weight[bin_numbers(params, comparison.edges) == number]
            assert len(equal) >= 2
            assert np.ptp(equal) < 1e-15


def test_weights_of_the_paper_where_no_bin_is_merged() -> None:
    """1 / (models in the bin) / (bins), with the counts of NumPy's histogram."""
    rng = np.random.default_rng(2)
    params = np.exp(rng.uniform(5, 9, (2, 300)))
    comparison = compare(bins=5, a=population(params[0]), b=population(params[1]))
    assert comparison.merged == 0
    counts, edges = np.histogram(params[0], comparison.edges)
    where = np.digitize(params[0], edges) - 1
    inside = (params[0] >= edges[0]) & (params[0] < edges[-1])
    weight = weights(params[0], comparison)
    np.testing.assert_allclose(weight[inside], 1 / counts[where[inside]] / 5)


def test_planted_confounder_disappears() -> None:
    """Errors depend on params alone and the spaces differ in params alone: on equal terms they are equal."""
    rng = np.random.default_rng(3)
    spaces = {}
    for name, power in (("small", 2.0), ("large", 0.5)):
        share = rng.uniform(0, 1, 2000) ** power
        params = np.exp(8 + 2 * share)
        spaces[name] = population(params, 30 - 5 * share + rng.normal(0, 0.5, 2000))
    small, large = compare(bins=20, **spaces).spaces
    assert small.plain_mean - large.plain_mean > 1.5
    assert abs(small.mean - large.mean) < 0.1
    assert small.mean == pytest.approx(27.5, abs=0.1)  # uniform over the range: the middle
    grid = np.linspace(22, 33, 50)
    at = [s.shares[np.searchsorted(s.errors, grid, side="right") - 1] for s in (small, large)]
    assert np.abs(at[0] - at[1]).max() < 0.05


def test_equal_complexity_gives_the_plain_distribution() -> None:
    """All models in one bin: weights are equal, and F, mean and effective n those without weights."""
    rng = np.random.default_rng(4)
    errors = rng.normal(20, 1, 40)
    space = compare(a=population(np.full(40, 7), errors)).spaces[0]
    plain = error_distribution(errors, Counts(40, 0, 0, 0))
    np.testing.assert_allclose(space.shares, plain.shares)
    np.testing.assert_array_equal(space.errors, plain.errors)
    assert space.effective_n == pytest.approx(40)
    assert space.mean == pytest.approx(plain.mean)
    exact = stats.binomtest(10, 40).proportion_ci(method="exact")
    assert [space.lower[10], space.upper[10]] == pytest.approx([exact.low, exact.high])
    assert (space.lower[0], space.upper[-1]) == (0, 1)


def test_band_and_interval_cover_as_often_as_they_say() -> None:
    """Params are skewed, so weights differ; the truth has them uniform."""
    rng, repeats, n = np.random.default_rng(5), 200, 100
    held_mean = held_share = 0
    ends = population(np.exp([8.0, 8.0, 9.0, 9.0]))  # fixes the range
    ends = pd.concat([ends, population(np.exp(np.linspace(8, 9, 60)))], ignore_index=True)
    for _ in range(repeats):
        share = rng.uniform(0, 1, n) ** 1.5
        share[:2], share[2:4] = 0, 1
        runs = population(np.exp(8 + share), 20 + 2 * share + rng.normal(0, 0.5, n))
        space = normalize({"a": runs, "b": ends}, by="params", rng=rng, bins=5, resamples=300).spaces[0]
        held_mean += space.mean_interval.low <= 21 <= space.mean_interval.high
        step = np.searchsorted(space.errors, 21, side="right") - 1
        held_share += space.lower[step] <= 0.5 <= space.upper[step]  # symmetric: half are below 21
    assert 0.9 < held_mean / repeats < 0.985
    assert held_share / repeats > 0.94


def test_no_common_complexity() -> None:
    comparison = compare(a=population(np.arange(10, 20)), b=population(np.arange(30, 40)))
    assert comparison.reason == "no params in common: b starts at 30, a ends at 19"
    for space in comparison.spaces:
        assert np.isnan(space.shares).all()
        assert np.isnan([space.mean, space.effective_n, space.mean_interval.low]).all()
        assert (space.inside, space.below, space.above) == (0, 0, 0)
        assert np.isfinite(space.plain_mean)
    table = normalized_table([comparison])
    assert (table["reason"] == comparison.reason).all()
    assert (table["n_inside"] == 0).all()


def test_a_space_with_a_gap_where_the_others_are() -> None:
    gap = population(np.array([1.0, 2.0, 90.0, 91.0]))
    comparison = compare(gap=gap, middle=population(np.arange(10, 20)))
    assert comparison.reason == "gap has no model within the range of params of all spaces, 10 to 19"


def test_diverged_models_have_weight_and_never_reach_an_error() -> None:
    params = np.full(4, 7)
    runs = population(params, np.array([10.0, 20.0, np.nan, np.nan]))
    runs["status"] = ["done", "done", "diverged", "missing"]
    space = compare(a=runs).spaces[0]
    assert space.inside == 3
    assert space.shares[-1] == pytest.approx(2 / 3)
    assert space.share_without_error == pytest.approx(1 / 3)
    assert space.mean == 15
    assert space.counts == Counts(2, 1, 0, 1)


@pytest.mark.parametrize(
    "statuses", [[], ["missing"] * 2, ["done"], ["done"] * 2, ["diverged"] * 3, ["diverged", "done"]]
)
def test_degenerate_populations(statuses: list[str]) -> None:
    few, many = make_runs("a", statuses).assign(params=50), make_runs("b", ["done"] * 20)
    many["params"] = np.arange(41, 61)
    comparison = normalize({"a": few, "b": many}, by="params", rng=np.random.default_rng(0), resamples=50)
    space = comparison.spaces[0]
    judged = [status for status in statuses if status != "missing"]
    assert comparison.reason == ""
    assert space.inside == len(judged)
    assert np.isnan(space.mean) == ("done" not in judged)
    assert np.isnan(space.shares).all() == (not judged)
    if judged:
        assert space.shares[-1] == pytest.approx(judged.count("done") / len(judged))
        assert (space.lower <= space.shares).all()
        assert (space.upper >= space.shares).all()
    assert normalize({"a": make_runs("a", [])}, by="acts", rng=np.random.default_rng(0)).reason == "no models"
    assert normalize({}, by="acts", rng=np.random.default_rng(0)).spaces == ()


def test_effective_n_of_kish() -> None:
    assert effective_n(np.full(7, 0.3)) == pytest.approx(7)
    assert effective_n(np.array([1.0, 1.0, 2.0])) == pytest.approx(16 / 6)
    assert np.isnan(effective_n(np.zeros(3)))


def test_tables() -> None:
    comparison = compare(a=population(np.arange(10, 40)), b=population(np.arange(20, 60)))
    table, curve = normalized_table([comparison]), normalized_edf_table([comparison])
    assert tuple(table) == SUMMARY_COLUMNS == tuple(normalized_table([]))
    assert tuple(curve) == EDF_COLUMNS == tuple(normalized_edf_table([]))
    assert table[["n_inside", "n_below", "n_above"]].to_numpy().tolist() == [[20, 10, 0], [20, 0, 20]]
    assert table[["range_low", "range_high"]].to_numpy().tolist() == [[20, 39]] * 2
    assert len(curve) == sum(len(space.errors) for space in comparison.spaces)
