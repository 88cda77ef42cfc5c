import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import make_runs

from designspace.analysis.importance import (
    Importance,
    SpaceImportance,
    parameter_importance,
    quantile_groups,
)
from designspace.report.tables.importance import COLUMNS, importance_table


def rate(
    errors: np.ndarray, permutations: int = 999, seed: int = 0, **columns: np.ndarray
) -> dict[str, Importance]:
    runs = make_runs("a", ["done"] * len(errors)).assign(error=errors)
    rng = np.random.default_rng(seed)
    result = parameter_importance("a", pd.DataFrame(columns), runs, rng=rng, permutations=permutations)
    return {parameter.parameter: parameter for parameter in result.parameters}


def test_chance_corrected_share_of_scipys_kruskal_wallis() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, 90)
    errors = np.round(values + rng.normal(0, 2, 90), 1)  # with ties
    found = rate(errors, permutations=4999, w=values)["w"]
    groups = quantile_groups(values)
    h, p_value = stats.kruskal(*(errors[groups == number] for number in range(6)))
    assert found.importance == pytest.approx((h - 5) / (90 - 6))
    assert found.p_value == pytest.approx(p_value, abs=0.02)
    assert found.rho == pytest.approx(stats.spearmanr(values, errors).statistic)


@pytest.mark.parametrize("n", [64, 500])
def test_planted_truth(n: int) -> None:
    """One parameter with its best value in the middle, one that rises, three that do nothing."""
    rng = np.random.default_rng(n)
    columns = {name: rng.uniform(0, 1, n) for name in ("middle", "rising", "x", "y", "z")}
    errors = 20 + 8 * (columns["middle"] - 0.5) ** 2 + 2 * columns["rising"] + rng.normal(0, 0.3, n)
    found = rate(errors, **columns)
    assert {name for name, one in found.items() if one.p_holm < 0.05} == {"middle", "rising"}
    assert found["middle"].importance > 0.3
    assert abs(found["middle"].rho) < 0.3 < found["rising"].rho
    assert max(abs(found[name].importance) for name in "xyz") < (0.15 if n == 64 else 0.03)


def test_under_the_null_nothing_is_found_too_often_and_importance_is_0_on_average() -> None:
    rng, repeats, n = np.random.default_rng(3), 250, 64
    any_found, p_values, shares = 0, [], []
    for repeat in range(repeats):
        columns = {f"w{i}": rng.choice([8, 16, 32, 64, 128], n).astype(float) for i in range(4)}
        found = rate(rng.normal(20, 1, n), 199, repeat, **columns, depth=rng.uniform(0, 1, n))
        any_found += min(one.p_holm for one in found.values()) < 0.05
        p_values += [one.p_value for one in found.values()]
        shares += [one.importance for one in found.values()]
    assert any_found / repeats < 0.085  # Holm's 5 % and three standard errors
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean(shares) == pytest.approx(0, abs=0.005)


def test_groups_hold_equal_values_together_and_equal_numbers_otherwise() -> None:
    rng = np.random.default_rng(4)
    assert np.bincount(quantile_groups(rng.normal(0, 1, 120))).tolist() == [20] * 6
    ratios = rng.choice([1.0, 2.0, 4.0], 100)
    assert {(value, group) for value, group in zip(ratios, quantile_groups(ratios), strict=True)} == {
        (1.0, 0),
        (2.0, 1),
        (4.0, 2),
    }
    assert set(quantile_groups(np.arange(19.0))) == {0}  # too few models for two groups
    assert np.bincount(quantile_groups(np.arange(20.0))).tolist() == [10, 10]
    missing = np.append(np.arange(20.0), [np.nan] * 5)
    assert quantile_groups(missing)[20:].tolist() == [0] * 5
    assert np.bincount(quantile_groups(missing)).tolist() == [5, 10, 10]


def test_models_without_a_stage_are_a_group() -> None:
    rng = np.random.default_rng(5)
    values = np.where(np.arange(80) < 40, rng.normal(0, 1, 80), np.nan)
    found = rate(20 + 3.0 * np.isnan(values) + rng.normal(0, 1, 80), d4=values)["d4"]
    assert found.p_value < 0.01
    assert abs(found.rho) < 0.4  # among those that have it, it does nothing


def test_what_makes_models_diverge_is_important() -> None:
    statuses = ["diverged" if i % 4 == 0 else "done" for i in range(80)] + ["missing"] * 9
    runs = make_runs("a", statuses)
    columns = pd.DataFrame({"w1": [float(i % 4) for i in range(89)], "w2": np.arange(89.0)})
    result = parameter_importance("a", columns, runs, rng=np.random.default_rng(0), permutations=999)
    assert (result.n, result.n_without_error) == (80, 20)
    assert result.parameters[0].importance > 0.4
    assert result.parameters[0].p_value == 1 / 1000
    assert result.parameters[1].p_value > 0.05


@pytest.mark.parametrize(
    "statuses", [[], ["missing"], ["done"], ["done"] * 2, ["diverged"] * 30], ids=lambda s: str(len(s))
)
def test_degenerate_populations(statuses: list[str]) -> None:
    columns = pd.DataFrame({"w1": np.arange(len(statuses), dtype=float), "b": 1.0}, columns=["w1", "b"])
    result = parameter_importance("a", columns, make_runs("a", statuses), rng=np.random.default_rng(0))
    assert [p.parameter for p in result.parameters] == ["w1", "b"]
    for p in result.parameters:
        assert np.isnan([p.importance, p.rho, p.p_value, p.p_holm]).all()
    assert result.most_important() == ()


def test_constant_parameters_and_equal_errors_are_no_tests() -> None:
    rng = np.random.default_rng(6)
    found = rate(rng.normal(20, 1, 40), b=np.full(40, 2.0), w=rng.normal(0, 1, 40))
    assert np.isnan([found["b"].importance, found["b"].p_holm]).all()
    assert found["w"].p_holm == found["w"].p_value
    assert np.isnan(rate(np.full(40, 20.0), w=rng.normal(0, 1, 40))["w"].p_value)


def test_the_most_important_can_be_chosen_and_ties_go_by_name() -> None:
    shares = {"params": 0.9, "e_fit": 0.8, "w2": 0.3, "d1": 0.3, "b": 0.5, "g": np.nan, "w1": -0.01}
    results = tuple(Importance(name, share, 0, 0, 0, 2) for name, share in shares.items())
    space = SpaceImportance("a", results, 60, 0)
    assert space.most_important(3) == ("b", "d1", "w2")
    assert space.most_important() == ("b", "d1", "w2", "w1")


def test_table() -> None:
    rng = np.random.default_rng(7)
    runs = make_runs("a", ["done"] * 30)
    columns = pd.DataFrame({"w1": rng.normal(0, 1, 30), "w2": rng.normal(0, 1, 30)})
    result = parameter_importance("a", columns, runs, rng=rng, permutations=99)
    table = importance_table([result])
    assert tuple(table) == COLUMNS == tuple(importance_table([]))
    assert table["parameter"].tolist() == ["w1", "w2"]
    assert (table["n"] == 30).all()
