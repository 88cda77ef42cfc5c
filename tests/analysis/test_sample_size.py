import numpy as np
import pytest
from scipy import stats
from synthetic import make_runs

from designspace.analysis.sample_size import (
    beating,
    models_needed,
    separation,
    separations,
    subsample_curve,
)
from designspace.report.tables.sample_size import (
    CURVE_COLUMNS,
    SEPARATION_COLUMNS,
    sample_size_table,
    separation_table,
)
from designspace.report.text.sample_size import separation_words


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_same_distances_and_widths_as_drawing_literally() -> None:
    runs = make_runs("a", ["done"] * 27 + ["diverged"] * 3, seed=3)
    runs["error"] = runs["error"].round()  # with ties
    curve = subsample_curve("a", runs, rng=rng(), sizes=[10], repeats=4000)
    values = runs["error"].fillna(1e9).to_numpy()
    generator, distances, means, medians = np.random.default_rng(6), [], [], []
    for _ in range(700):
        draw = generator.choice(values, 10)
        at = np.unique(values)  # both functions step only there
        distance = stats.ecdf(draw).cdf.evaluate(at) - stats.ecdf(values).cdf.evaluate(at)
        distances.append(np.abs(distance).max())
        means.append(draw[draw < 1e9].mean())
        medians.append(np.median(draw[draw < 1e9]))
    assert curve.ks_mean[0] == pytest.approx(np.mean(distances), abs=0.012)
    assert [curve.ks_low[0], curve.ks_high[0]] == pytest.approx(
        np.quantile(distances, [0.025, 0.975]).tolist(), abs=0.04
    )
    assert curve.mean_width[0] == pytest.approx(np.ptp(np.quantile(means, [0.025, 0.975])), rel=0.1)
    assert curve.median_width[0] == pytest.approx(np.ptp(np.quantile(medians, [0.025, 0.975])), abs=0.51)


def test_theory_of_the_distance_and_of_the_mean() -> None:
    """sqrt(m) D has mean sqrt(pi / 2) ln 2 (Kolmogorov); the mean's interval is 2 * 1.96 std / sqrt(m)."""
    runs = make_runs("a", ["done"] * 3000)
    runs["error"] = np.random.default_rng(0).normal(20, 2, 3000)
    curve = subsample_curve("a", runs, rng=rng(), sizes=[64, 256])
    expected = np.sqrt(np.pi / 2) * np.log(2) / np.sqrt(curve.sizes)
    np.testing.assert_allclose(curve.ks_mean, expected, rtol=0.05)
    np.testing.assert_allclose(
        curve.mean_width, 2 * 1.96 * runs["error"].std() / np.sqrt(curve.sizes), rtol=0.12
    )
    np.testing.assert_allclose(curve.median_width / curve.mean_width, np.sqrt(np.pi / 2), rtol=0.2)


def test_of_two_models_the_median_is_the_mean() -> None:
    curve = subsample_curve("a", make_runs("a", ["done"] * 30), rng=rng(), sizes=[1, 2, 3])
    np.testing.assert_allclose(curve.median_width[:2], curve.mean_width[:2])
    assert curve.median_width[2] != pytest.approx(curve.mean_width[2])


@pytest.mark.parametrize(("shift", "spread"), [(0.5, 1.0), (0.8, 1.0), (0.6, 2.5)])
def test_so_many_models_give_the_power_that_was_asked_for(shift: float, spread: float) -> None:
    """Spaces that differ in spread as well, where Noether's own formula is off."""
    generator, repeats = np.random.default_rng(7), 3000
    pools = generator.normal(0, 1, 4000), generator.normal(shift, spread, 4000)
    needed = separation("a", "b", *pools).needed
    x = generator.normal(0, 1, (repeats, int(needed)))
    y = generator.normal(shift, spread, (repeats, int(needed)))
    power = (stats.mannwhitneyu(x, y, axis=1, method="asymptotic").pvalue < 0.05).mean()
    assert 0.76 < power < 0.84


def test_noether_for_equal_variances() -> None:
    """Noether's total of (z + z)^2 / (12 c (1 - c) (p - 1/2)^2) for shares c = 1/2, half in each space."""
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert models_needed(0.6, 1 / 6) == np.ceil(z**2 / (3 * 0.1**2) / 2) == 131
    assert models_needed(0.5, 1 / 6) == np.inf
    assert models_needed(1.0, 0.0) == 4  # fewer are never significant at 5 %
    assert stats.mannwhitneyu([1, 2, 3], [4, 5, 6], method="exact").pvalue > 0.05
    assert stats.mannwhitneyu([1, 2, 3, 4], [5, 6, 7, 8], method="exact").pvalue < 0.05


def test_probability_of_beating_is_mann_whitneys_u() -> None:
    generator = np.random.default_rng(8)
    x, y = generator.integers(0, 20, 40).astype(float), generator.integers(3, 25, 70).astype(float)
    p, variance, _ = beating(x, y)
    assert p == pytest.approx(stats.mannwhitneyu(y, x).statistic / (40 * 70))
    assert p == pytest.approx(np.mean((x[:, None] < y) + 0.5 * (x[:, None] == y)))
    assert beating(y, x)[:2] == pytest.approx((1 - p, variance))


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_interval_of_the_probability_covers_as_often_as_it_says(shift: float) -> None:
    generator, repeats = np.random.default_rng(9), 1500
    truth, held = stats.norm.cdf(shift / np.sqrt(2)), 0
    for _ in range(repeats):
        interval = beating(generator.normal(0, 1, 30), generator.normal(shift, 1, 50))[2]
        held += interval.low <= truth <= interval.high
    assert 0.925 < held / repeats < 0.975


def test_no_more_is_said_than_the_data_tell() -> None:
    generator = np.random.default_rng(10)
    same = separation("a", "b", generator.normal(20, 1, 60), generator.normal(20, 1, 60))
    assert same.p_interval.low < 0.5 < same.p_interval.high
    assert same.models.high == np.inf
    assert separation_words(same) == f"not separable below {same.models.low:.0f}"
    apart = separation("a", "b", generator.normal(20, 1, 60), generator.normal(21, 1, 60))
    assert 4 <= apart.models.low < apart.needed < apart.models.high < np.inf
    assert (
        separation_words(apart) == f"{apart.needed:.0f} ({apart.models.low:.0f} to "
        f"{'over 10,000' if apart.models.high > 10_000 else f'{apart.models.high:,.0f}'})"
    )


@pytest.mark.parametrize(
    "statuses", [[], ["missing"], ["done"], ["done"] * 2, ["diverged"] * 5, ["failed", "done", "missing"]]
)
def test_degenerate_populations(statuses: list[str]) -> None:
    few, many = make_runs("a", statuses), make_runs("b", ["done"] * 12)
    curve = subsample_curve("a", few, rng=rng(), repeats=50)
    some = any(status != "missing" for status in statuses)
    assert np.isnan(curve.ks_mean).all() != some
    assert np.isnan(curve.mean_width).all() == ("done" not in statuses)
    (pair,) = separations({"a": few, "b": many})
    assert (separation_words(pair) == "unknown") != some
    assert not some or 0 <= pair.p_interval.low <= pair.p_beats <= pair.p_interval.high <= 1
    assert separations({"a": few}) == ()


def test_equal_errors() -> None:
    runs = make_runs("a", ["done"] * 9).assign(error=20.0)
    curve = subsample_curve("a", runs, rng=rng())
    assert (curve.ks_mean == 0).all()
    assert (curve.mean_width == 0).all()
    (pair,) = separations({"a": runs, "b": runs})
    assert pair.p_beats == 0.5
    assert pair.needed == pair.models.high == np.inf


def test_diverged_models_lose_against_all_others() -> None:
    pair = separations({"a": make_runs("a", ["done"] * 9), "b": make_runs("b", ["diverged"] * 9)})[0]
    assert pair.p_beats == 1


def test_tables() -> None:
    runs = {name: make_runs(name, ["done"] * 8 + ["diverged"], seed=i) for i, name in enumerate("abc")}
    curves = [subsample_curve(name, frame, rng=rng(), repeats=20) for name, frame in runs.items()]
    table = sample_size_table(curves)
    assert tuple(table) == CURVE_COLUMNS == tuple(sample_size_table([]))
    assert len(table) == 30
    pairs = separation_table(separations(runs))
    assert tuple(pairs) == SEPARATION_COLUMNS == tuple(separation_table([]))
    assert (pairs["first"] + pairs["second"]).tolist() == ["ab", "ac", "bc"]
