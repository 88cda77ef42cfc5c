"""Proposed restrictions: planted truths are found, chance is not, and p values are those of chance."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import make_runs

from designspace.analysis import proposals
from designspace.analysis.best_values import best_value
from designspace.analysis.compare import Comparison, compare
from designspace.analysis.proposals import (
    _PermutationTest,
    _Range,
    propose,
)
from designspace.analysis.statistics import BETTER, FEWEST, TOO_FEW, UNDECIDED, Interval
from designspace.report.tables.refinement import PROPOSALS, proposal_table
from designspace.spaces.load import load_space
from designspace.spaces.restrictions import Restriction


def unknown() -> Comparison:
    """Of two groups that do not differ."""
    runs = make_runs("a", ["done"] * 20).assign(error=np.arange(20.0))
    return compare("kept", "rest", runs, runs, resamples=9)


def population(space: str, n: int, seed: int = 0) -> pd.DataFrame:
    """Networks of a space with errors that have nothing to do with them."""
    rng = np.random.default_rng(seed)
    draws = load_space(space).draw(rng, 100 * n)
    columns = draws.take(np.arange(n)).columns()
    runs = pd.DataFrame({name: values.tolist() for name, values in columns.items()})
    return runs.assign(
        model_id=[f"{i:04d}" for i in range(n)], space=space, flops=1, params=1, acts=1,
        status="done", error=rng.normal(20, 1, n),
    )  # fmt: skip


def proposed(runs: pd.DataFrame, permutations: int = 999):  # type: ignore[no-untyped-def]
    space = load_space(str(runs["space"].iloc[0]))
    found = propose(space, runs, seed=0, permutations=permutations)
    return {(p.restriction.parameter, p.restriction.kind): p for p in found}


def test_a_planted_bottleneck_and_a_planted_order_come_first() -> None:
    runs = population("anynetx_c", 200)
    b = runs["bottleneck_ratios"].str[0]
    rising = np.array([w == sorted(w) for w in runs["widths"]])
    assert rising.sum() >= FEWEST
    found = proposed(runs.assign(error=runs["error"] + 2.0 * (b == 4) - 3.0 * rising))
    first, second = list(found.values())[:2]
    assert {str(first.restriction), str(second.restriction)} == {
        "bottleneck_ratios: [1.0, 2.0]",
        "widths: non_decreasing",
    }
    assert first.verdict == second.verdict == BETTER
    order = found["widths", "non_decreasing"]
    assert (order.kept, order.n) == (rising.sum(), 200)
    assert order.difference.mean.interval.low < -3 < order.difference.mean.interval.high


def test_a_planted_width_of_regnet() -> None:
    runs = population("regnetx", 200)
    far = np.abs(np.log(runs["w0"].astype(float) / 24))
    w0 = proposed(runs.assign(error=runs["error"] + 3 * far))["w0", "range"]
    assert w0.verdict == BETTER
    assert 8 < w0.restriction.low <= 24 <= w0.restriction.high < 100


def test_what_a_space_has_already_is_not_proposed() -> None:
    assert ("widths", "non_decreasing") not in proposed(population("anynetx_d", 60), 99)
    kinds = proposed(population("anynetx_a", 400, seed=1), 9)
    assert {("bottleneck_ratios", "shared"), ("group_widths", "shared")} <= kinds.keys()
    assert not any(kind == "shared" for _, kind in proposed(population("anynetx_c", 60), 99))


def test_an_end_that_leaves_out_no_model_is_that_of_the_space() -> None:
    runs = population("anynetx_c", 100)
    depth = np.array([sum(d) for d in runs["depths"]])
    low = proposed(runs.assign(error=runs["error"] + 0.5 * depth), 99)["depth", "range"].restriction
    assert low.low == 4
    assert low.high < 40


def test_chance_is_rarely_called_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "compare", lambda *groups, seed: unknown())  # slow, and not asked here
    rng, runs = np.random.default_rng(0), population("anynetx_c", 60)
    wrong = 0
    for _ in range(60):
        found = proposed(runs.assign(error=rng.normal(20, 1, 60)), 99).values()
        wrong += any(p.verdict == BETTER for p in found)
        assert len(found) > 3
    assert wrong <= 8  # of a binomial with 60 * 0.05 = 3 expected, fewer than one in 200 exceed it


def test_p_allows_for_the_choice_of_the_range() -> None:
    """Without any relation p is uniform, while a rank test that takes the range as given is not."""
    rng = np.random.default_rng(1)
    values = rng.integers(1, 40, (60, 1)).astype(float)
    p, naive = [], []
    for _ in range(200):
        errors = rng.normal(size=60)
        test, candidate = _PermutationTest(errors, rng, 99), _Range("depth", values, Interval(0, 100))
        _, keep = candidate.observed(test)
        p.append(test.p_value(candidate, keep))
        if 1 < keep.sum() < 59:
            naive.append(stats.mannwhitneyu(errors[keep], errors[~keep], alternative="less").pvalue)
    assert stats.kstest(np.array(p) - rng.random(200) / 100, "uniform").pvalue > 0.001
    assert np.mean(np.array(p) <= 0.05) < 0.12
    assert np.mean(np.array(naive) < 0.5) > 0.75


def test_p_of_a_given_group_is_that_of_the_rank_test() -> None:
    runs = population("anynetx_c", 120)
    rising = np.array([d == sorted(d) for d in runs["depths"]])
    runs["error"] += -0.5 * rising
    found = proposed(runs, 9_999)["depths", "non_decreasing"]
    expected = stats.mannwhitneyu(runs["error"][rising], runs["error"][~rising], alternative="less").pvalue
    assert found.p == pytest.approx(expected, abs=0.015)


def test_a_proposed_range_is_that_of_the_best_values() -> None:
    rng = np.random.default_rng(3)
    errors, values = rng.normal(size=40), rng.integers(1, 20, 40).astype(float)
    best = best_value(values, errors)
    test = _PermutationTest(errors, rng, 1)
    restriction, _ = _Range("depth", values[:, None], Interval(-1, 99)).observed(test)
    low = -1 if best.low == values.min() else best.low
    high = 99 if best.high == values.max() else best.high
    assert restriction == Restriction("depth", "range", low, high)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 30])
@pytest.mark.parametrize("status", ["done", "diverged", "missing"])
def test_populations_of_which_little_is_known(n: int, status: str) -> None:
    runs = population("anynetx_c", n).assign(status=status, error=20.0 if status == "done" else np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = propose(load_space("anynetx_c"), runs, seed=0, permutations=99)
        assert tuple(proposal_table(found)) == PROPOSALS
    assert all(p.verdict in (TOO_FEW, UNDECIDED) for p in found)
    assert status == "done" or found == ()
