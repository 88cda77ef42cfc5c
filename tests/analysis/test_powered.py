"""Powered estimates: planted truths, useless predictors, folds, and the agreement of interval and p."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats

from designspace.analysis.cross_fit import DesignedPool, PoweredSpace, Trained, cross_fit, design_pools
from designspace.analysis.powered import (
    FOLDS,
    Moments,
    Sample,
    difference_estimate,
    mean_estimate,
    moments,
    share_estimate,
)
from designspace.analysis.powered_features import Pool, draw_networks, features
from designspace.analysis.predictor import Basis, assign_folds, fit
from designspace.networks.architecture import Architecture, Architectures, FloatArray
from designspace.networks.settings import NetworkSettings
from designspace.spaces.load import load_space
from designspace.spaces.sampling import BudgetSettings, network_keys, sample, sample_with_duplicates

BUDGET = BudgetSettings(flops=[900_000, 1_000_000], resolution=32)
NETWORK = NetworkSettings(stem_width=16)
SLOPE = np.array([2.0, -1.0, 0.5])


def pool_of(x: FloatArray) -> Pool:
    """Networks that are equally likely, and drawn so often that their means are known."""
    return Pool(list(range(len(x))), x, np.full(len(x), 100))


@cache
def world() -> tuple[Basis, dict[str, DesignedPool]]:
    """Two spaces of 500 networks each."""
    rng = np.random.default_rng(0)
    return design_pools({name: pool_of(rng.normal(size=(500, 3))) for name in "ab"}, seed=1)


def study(n: int, slope: FloatArray, *, seed: int = 0, shift: float = 0.0) -> dict[str, PoweredSpace]:
    """Errors linear in the features, of mean 20 and, in the second space, 20 + shift; plus noise."""
    rng = np.random.default_rng(seed)
    basis, pools = world()
    spaces = {}
    for name, more in (("a", 0.0), ("b", shift)):
        x = pools[name].pool.features
        rows = rng.integers(500, size=n)
        errors = 20 + more + (x[rows] - x.mean(axis=0)) @ slope + rng.normal(0, 0.5, n)
        spaces[name] = Trained([(name, i) for i in range(n)], x[rows], errors)
    return cross_fit(spaces, pools, basis, seed=seed)


def test_a_known_function_narrows_the_interval_and_it_holds_the_truth() -> None:
    held, widths = [], []
    for seed in range(300):
        estimate = mean_estimate(study(60, SLOPE, seed=seed)["a"].mean())
        held.append(estimate.estimate.interval.low <= 20 <= estimate.estimate.interval.high)
        plain = estimate.plain.interval
        widths.append(
            (estimate.estimate.interval.high - estimate.estimate.interval.low) / (plain.high - plain.low)
        )
        assert estimate.worth > 2
    assert 0.92 <= np.mean(held) <= 0.985
    assert np.mean(widths) < 0.45


def test_a_useless_predictor_keeps_the_plain_estimate() -> None:
    ratios = []
    for seed in range(25):
        estimate = mean_estimate(study(50, np.zeros(3), seed=seed)["a"].mean())
        ends, plain = estimate.estimate.interval, estimate.plain.interval
        ratios.append((ends.high - ends.low) / (plain.high - plain.low))
        if estimate.reason:
            assert (estimate.estimate, estimate.worth) == (estimate.plain, 1.0)
    assert max(ratios) <= 1.02
    assert np.mean(ratios) > 0.97


def test_a_point_of_the_edf_gains_too() -> None:
    point = share_estimate(study(100, SLOPE)["a"].below(20.0))
    assert point.worth > 1.5
    assert point.estimate.interval.low < 0.5 < point.estimate.interval.high
    assert point.p(point.estimate.interval.low) == pytest.approx(0.05, abs=1e-6)
    assert point.p(point.estimate.interval.high) == pytest.approx(0.05, abs=1e-6)


def test_interval_and_p_agree() -> None:
    for seed in range(60):
        spaces = study(25, SLOPE, seed=seed, shift=0.5)
        first, second = spaces["a"].mean(), spaces["b"].mean()
        result = difference_estimate(first, second)
        low, high = result.estimate.interval.low, result.estimate.interval.high
        assert (result.p < 0.05) == (not low <= 0 <= high)
        difference = first.best - second.best
        assert difference.p(low) == pytest.approx(0.05, abs=1e-6)
        assert difference.p(high) == pytest.approx(0.05, abs=1e-6)


def test_without_skewness_the_interval_is_students() -> None:
    values = np.array([1.0, 2.0, 4.0, 6.0, 8.0, 9.0])  # symmetric
    found, (low, high) = moments(values, extra=0.0), stats.ttest_1samp(values, 0).confidence_interval()
    assert (found.interval().low, found.interval().high) == pytest.approx((low, high))
    assert found.p() == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_of_errors_skewed_to_the_right_the_upper_end_is_farther_away() -> None:
    found = moments(np.random.default_rng(0).gamma(0.5, size=200))
    assert found.skewness > 0
    assert found.interval().high - found.value > found.value - found.interval().low


def test_freedom_of_a_difference_is_welchs() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=20), rng.normal(0, 3, size=50)
    difference = moments(a, extra=0.0) - moments(b, extra=0.0)
    assert difference.freedom == pytest.approx(stats.ttest_ind(a, b, equal_var=False).df)


def test_a_value_that_never_varies_is_a_certain_one() -> None:
    certain = Moments(1.0, 0.0, 0.0, 0.0, 5.0)
    assert (certain.interval().low, certain.interval().high, certain.p()) == (1.0, 1.0, 0.0)


def test_few_models_stay_plain_and_say_why() -> None:
    estimate = mean_estimate(study(19, SLOPE)["a"].mean())
    assert (estimate.estimate, estimate.worth) == (estimate.plain, 1.0)
    assert "only 19 finished models" in estimate.reason


@pytest.mark.parametrize(("failed", "narrower"), [(1, True), (2, False)])
def test_many_failed_models_keep_the_interval_plain(failed: int, narrower: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2_000, 3))
    errors = 20 + x[:60] @ SLOPE
    errors[:failed] = np.nan  # 1.7 % and 3.3 %
    basis, pools = design_pools({"a": pool_of(x)}, seed=0)
    space = cross_fit({"a": Trained(range(60), x[:60], errors)}, pools, basis, seed=0)["a"]
    for estimate in (mean_estimate(space.mean()), share_estimate(space.below(20.0))):
        assert (estimate.worth > 1) == narrower
        assert ("failed or diverged" in estimate.reason) != narrower
    assert space.mean().n == 60 - failed
    assert space.below(1e9).outcomes.sum() == 60 - failed


def test_a_prediction_does_not_know_its_model() -> None:
    """A changed error moves the predictions of all models but those of its own fold."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    errors = 20 + x[:60] @ SLOPE
    basis, pools = design_pools({"a": pool_of(x)}, seed=0)

    def controls(errors: FloatArray) -> Sample:
        return cross_fit({"a": Trained(range(60), x[:60], errors)}, pools, basis, seed=0)["a"].mean()

    before, after = controls(errors), controls(errors + 50 * (np.arange(60) == 7))
    own = before.folds == before.folds[7]
    assert (before.controls[own] == after.controls[own]).all()
    assert (before.controls[~own] != after.controls[~own]).all()


def test_a_network_that_occurs_twice_stays_in_one_fold() -> None:
    keys = [list("abcdefghij") * 3, list("jklmnopqrs")]
    first, second = assign_folds(keys, FOLDS, np.random.default_rng(0))
    assert (first[:10] == first[10:20]).all()
    assert first[9] == second[0]


def test_folds_are_of_equal_size_in_each_space() -> None:
    folds = assign_folds([list(range(100)), list(range(50, 157))], FOLDS, np.random.default_rng(0))
    sizes = [np.bincount(fold, minlength=FOLDS) for fold in folds]
    assert sizes[0].tolist() == [10] * FOLDS
    assert set(sizes[1].tolist()) <= {10, 11}


def test_the_seed_alone_decides() -> None:
    first, again, other = (study(40, SLOPE, seed=seed)["a"].mean() for seed in (3, 3, 4))
    assert (first.values == again.values).all()
    assert (first.folds != other.folds).any()


def test_left_out_residuals_are_those_of_fits_without_the_model() -> None:
    rng = np.random.default_rng(0)
    design = rng.normal(size=(30, 3))
    errors = design @ SLOPE + rng.normal(size=30)
    found = fit(design, errors)
    squares = (((design - design.mean(axis=0)) @ found.directions) ** 2).sum(axis=0)
    noise = (1 / found.precision - squares).mean()
    for left_out in (0, 17):
        rows = np.arange(30) != left_out
        centre, mean = design.mean(axis=0), errors.mean()  # penalised: the slope; not: the intercept
        x = np.column_stack([np.ones(29), design[rows] - centre])
        penalty = np.diag([0.0, *np.full(3, noise)])
        solution = np.linalg.solve(x.T @ x + penalty, x.T @ (errors[rows] - mean))
        expected = errors[left_out] - mean - solution @ [1, *(design[left_out] - centre)]
        assert found.left_out_residuals(design, errors)[left_out] == pytest.approx(expected)


def test_duplicates_have_the_weight_of_the_law() -> None:
    """One of 50 networks has half of the probability: the population has it once, its mean is corrected."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    counts = np.ones(50, dtype=np.int64)
    counts[0] = 50  # of 99 draws
    errors = np.zeros(50)
    errors[0] = 10
    pool = Pool(list(range(50)), x, counts)
    law = float(errors @ counts / counts.sum())
    basis, pools = design_pools({"a": pool}, seed=0)
    found, plain = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        order = rng.choice(50, 25, replace=False, p=counts / counts.sum())
        trained = Trained(order.tolist(), x[order], errors[order])
        sampled = cross_fit({"a": trained}, pools, basis, seed=seed)["a"].mean()
        found.append(sampled.powered.value)
        plain.append(sampled.plain.value)
    assert np.mean(plain) == pytest.approx(10 / 25, abs=0.03)
    assert np.mean(found) == pytest.approx(law, rel=0.1)


# ---- features and pools ------------------------------------------------------------------------------------


def test_features_of_a_network_by_hand() -> None:
    network = Architecture("x", (1, 2), (16, 64), (1.0, 2.0), (4, 8), stem_width=16)
    (row,) = features(Architectures.of(network), resolution=32, num_classes=10)
    assert row[:10].tolist() == [0, 1, 4, 6, 4, 5, 2, 3, 0, 1]
    assert row[10:13].tolist() == [1, 2, 1]
    assert len(row) == 8 * 2 + 1
    assert row[-1] == pytest.approx(np.log2(3))


def test_the_pool_follows_the_law_and_a_population_starts_like_it() -> None:
    space = load_space("regnetx")
    settings = {"budget": BUDGET, "network": NETWORK, "num_classes": 10}
    drawn = sample_with_duplicates(space, 300, seed=5, **settings)
    keys = list(network_keys(drawn))
    different = list(dict.fromkeys(keys))
    assert len(different) < 300
    population = sample(space, len(different), seed=5, **settings).networks
    assert list(network_keys(population)) == different
    pool = draw_networks(space, seed=5, draws=300, **settings).pool
    assert (pool.draws, len(pool.keys)) == (300, len(pool.features))
    assert set(pool.keys) != set(different)  # a stream of its own


def test_networks_of_the_pool_are_found_by_key_and_have_finite_features() -> None:
    pool = draw_networks(
        load_space("anynetx_e"), seed=0, draws=50, budget=BUDGET, network=NETWORK, num_classes=10
    ).pool
    assert pool.places[pool.keys[7]] == 7
    assert np.isfinite(pool.features).all()
