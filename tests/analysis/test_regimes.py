"""Studies side by side: planted trends come out, and what is no trend does not."""

import warnings

import numpy as np
import pandas as pd
import pytest
from synthetic import make_runs

from designspace.analysis.regimes import regimes
from designspace.analysis.study import analyze
from designspace.report.tables.regimes import POINTS, TRENDS, regime_table, trend_table


def study(flops: float, n: int = 300, exponent: float = 0.5, seed: int = 0) -> pd.DataFrame:
    """Best where w0 = 24 (flops / 200 million)^exponent and depth = 20, whatever the flops."""
    rng = np.random.default_rng([seed, int(flops)])
    runs = make_runs("regnetx", ["done"] * n, seed=seed)
    w0, depth = 8.0 * rng.integers(1, 32, n), rng.integers(4, 64, n)
    best = 24 * (flops / 2e8) ** exponent
    error = 20 + 3 * np.abs(np.log(w0 / best)) + 2 * np.abs(np.log(depth / 20)) + rng.normal(0, 0.1, n)
    return runs.assign(
        w0=w0, wa=rng.uniform(8, 255, n), wm=rng.uniform(1.5, 3, n), error=error,
        depths=[[d - 3, 1, 1, 1] for d in depth], flops=(flops * rng.uniform(0.97, 1.0, n)).astype(int),
    )  # fmt: skip


REGIMES = (2e8, 4e8, 8e8, 1.6e9)


def test_planted_trends() -> None:
    found = regimes([(f"{flops:.0f}", study(flops)) for flops in reversed(REGIMES)])
    assert found.by_flops
    assert found.studies == tuple(f"{flops:.0f}" for flops in REGIMES)
    trends = {trend.parameter: trend for trend in found.trends}
    assert trends["w0"].median == pytest.approx(0.5, abs=0.1)
    assert 0.2 < trends["w0"].low < trends["w0"].high < 0.8
    for name in ("depth", "wa", "wm"):
        assert trends[name].low < 0 < trends[name].high
    assert abs(trends["depth"].median) < 0.1
    for point, flops in zip(found.of("regnetx", "w0"), REGIMES, strict=True):
        assert point.value.low <= 24 * (flops / 2e8) ** 0.5 <= point.value.high
        assert 0.97 * flops <= point.flops_low < point.flops < point.flops_high <= flops


def test_the_exponent_is_that_of_a_line_through_the_medians() -> None:
    exact = [(str(f), study(f, 40).assign(w0=10 * (f / 2e8) ** 0.3)) for f in REGIMES]
    found = regimes(exact)
    trend = next(t for t in found.trends if t.parameter == "w0")
    x = np.log([p.flops for p in found.of("regnetx", "w0")])
    y = np.log([p.value.median for p in found.of("regnetx", "w0")])
    assert (trend.low, trend.median, trend.high) == pytest.approx((np.polyfit(x, y, 1)[0],) * 3)


def test_ranges_are_those_of_the_study_itself() -> None:
    runs = study(2e8)
    alone = analyze(runs).spaces[0].best_values
    for point in regimes([("s", runs)]).points:
        assert point.value.best == alone[point.parameter].best
        assert point.value.median == pytest.approx(alone[point.parameter].median, rel=0.15)


def test_studies_of_the_same_flops_have_an_order_but_no_trend() -> None:
    found = regimes([("z", study(4.06e8)), ("a", study(4e8, seed=1)), ("small", study(2e8))])
    assert found.studies == ("small", "z", "a")
    assert not found.by_flops
    assert found.trends == ()


def test_one_regime_and_several_spaces() -> None:
    runs = pd.concat([study(2e8, 30), make_runs("anynetx_c", ["done"] * 10)], ignore_index=True)
    found = regimes([("s", runs)])
    assert found.spaces == ("anynetx_c", "regnetx")
    assert found.of("anynetx_c", "w0") == ()
    assert found.of("anynetx_c", "depth")[0].value.n == 10
    assert found.parameters == ("depth", "b", "g", "wm", "w0", "wa")


def test_same_seed_same_numbers_whatever_the_order_of_rows_and_studies() -> None:
    one = [("a", study(2e8, 50)), ("b", study(4e8, 50))]
    other = [("b", one[1][1].sample(frac=1, random_state=0)), one[0]]
    pd.testing.assert_frame_equal(regime_table(regimes(one)), regime_table(regimes(other)))
    assert not trend_table(regimes(one)).equals(trend_table(regimes(one, seed=1)))


@pytest.mark.parametrize(
    "statuses",
    [["done"], ["done"] * 2, ["diverged"] * 3, ["missing"] * 3, []],
    ids=["one", "two", "all diverged", "no record", "nothing"],
)
def test_studies_of_which_little_is_known(statuses: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        little = make_runs("regnetx", statuses).assign(flops=10)
        found = regimes([("little", little), ("s", study(2e8, 20)), ("t", study(4e8, 20))])
        assert tuple(regime_table(found)) == POINTS
        assert tuple(trend_table(found)) == TRENDS
    assert not statuses or found.of("regnetx", "depth")[0].value.n == statuses.count("done")
    assert regimes([]).points == ()
