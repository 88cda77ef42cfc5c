import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import make_runs

from designspace.analysis.costs import ALL, WITHIN, compare_costs
from designspace.report.tables.costs import COST, LEADS, cost_table, lead_table
from designspace.report.text.costs import cost_notes, cost_statements

TRAIN, INFERENCE = "train_seconds_per_image", "inference_seconds"


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def timed(space: str, n: int, *, seed: int = 0, load: float = 1.0, noise: float = 0.1) -> pd.DataFrame:
    """Training time follows activations; inference time is noise; the machine is `load` times slower."""
    generator = np.random.default_rng(seed + 100)
    runs = make_runs(space, ["done"] * n, seed=seed)
    seconds = load * runs["acts"] * 1e-8 * np.exp(generator.normal(0, noise, n))
    return runs.assign(
        images_per_second=1 / seconds,
        val_seconds=4 * load * np.exp(generator.normal(0, 0.2, n)),
        epochs=4,
        device="cpu",
    )


def both(n: int = 50) -> pd.DataFrame:
    return pd.concat([timed("a", n), timed("b", n, seed=1, load=30.0)], ignore_index=True)


def test_correlations_are_scipys() -> None:
    runs = both()
    costs = compare_costs(runs, rng=rng(), resamples=50)
    table = runs.assign(**{TRAIN: 1 / runs["images_per_second"], INFERENCE: runs["val_seconds"] / 4})
    for name, rows in (("a", table[table["space"] == "a"]), (ALL, table)):
        space = costs.together if name == ALL else costs.spaces[0]
        assert len(space.correlations) == 10
        for found in space.correlations:
            x, y = rows[found.x], rows[found.y]
            assert found.n == len(rows)
            assert found.spearman.value == pytest.approx(stats.spearmanr(x, y).statistic)
            assert found.pearson.value == pytest.approx(stats.pearsonr(np.log(x), np.log(y)).statistic)


def test_within_spaces_a_busier_machine_does_not_hide_what_explains_time() -> None:
    costs = compare_costs(both(), rng=rng())
    within, together = (space.of("acts", TRAIN) for space in (costs.within, costs.together))
    assert within is not None
    assert together is not None
    assert within.spearman.value > 0.9 > 0.6 > together.spearman.value
    of_spaces = [space.of("acts", TRAIN).spearman.value for space in costs.spaces]  # type: ignore[union-attr]
    assert within.spearman.value == pytest.approx(np.mean(of_spaces), abs=1e-9)


def test_words_are_as_strong_as_the_numbers() -> None:
    train, inference, window = cost_statements(compare_costs(both(), rng=rng()))
    assert train.startswith("Activations explain the training time best (Spearman's rank correlation within")
    assert inference.startswith("Which of ")
    assert "explains the inference time best is not settled" in inference
    assert window.startswith("All models have between 0.9 and ")
    wide = both().assign(flops=lambda runs: runs["params"] * 3)
    assert len(cost_statements(compare_costs(wide, rng=rng()))) == 2


def test_a_winner_is_rarely_declared_where_there_is_none() -> None:
    """Three costs that explain nothing: the lead of any is sure in at most about 5 % of all studies."""
    generator, declared = np.random.default_rng(2), 0
    runs = timed("a", 60).drop(columns="val_seconds")
    for _ in range(40):
        blind = runs.assign(images_per_second=np.exp(generator.normal(0, 1, len(runs))))
        statement = cost_statements(compare_costs(blind, rng=generator, resamples=200))[0]
        declared += "explain the training time best (" in statement
    assert declared <= 5


def test_the_interval_of_the_rank_correlation_covers() -> None:
    """100 spaces of bivariate normal logarithms, whose rank correlation is 6 / pi arcsin(rho / 2)."""
    rho, spaces, n = 0.6, 100, 80
    truth, runs = 6 / np.pi * np.arcsin(rho / 2), timed("a", spaces * n).drop(columns="val_seconds")
    logs = np.random.default_rng(3).multivariate_normal([0, 0], [[1, rho], [rho, 1]], len(runs))
    runs = runs.assign(
        space=[f"s{i:03d}" for i in np.arange(len(runs)) % spaces],
        acts=np.exp(logs[:, 0]),
        images_per_second=np.exp(-logs[:, 1]),
    )
    found = [space.of("acts", TRAIN) for space in compare_costs(runs, rng=rng(), resamples=200).spaces]
    intervals = [correlation.spearman.interval for correlation in found if correlation is not None]
    held = sum(interval.low <= truth <= interval.high for interval in intervals)
    assert len(intervals) == spaces
    assert 88 <= held <= 99


def test_intervals_are_those_of_literal_resampling() -> None:
    """Also that of a lead, which is wider: three comparisons together hold with 95 %."""
    n, draws, runs = 8, 20_000, timed("a", 8, noise=0.4)
    rows = np.random.default_rng(9).integers(n, size=(draws, n))
    acts, seconds, params = (
        np.log(x.to_numpy()) for x in (runs["acts"], 1 / runs["images_per_second"], runs["params"])
    )

    def correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x, y = (z - z.mean(axis=1, keepdims=True) for z in (x, y))
        return (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))

    costs = compare_costs(runs, rng=rng(), resamples=draws)
    assert "nan" not in " ".join(cost_statements(costs))
    found = costs.within.of("acts", TRAIN)
    assert found is not None
    pearson = found.pearson.interval
    expected = np.quantile(correlations(acts[rows], seconds[rows]), [0.025, 0.975])
    assert (pearson.low, pearson.high) == pytest.approx(tuple(expected), abs=0.01)
    ranks = {
        name: stats.rankdata(x[rows], axis=1) for name, x in (("a", acts), ("s", seconds), ("p", params))
    }
    spearman = [np.abs(correlations(ranks[name], ranks["s"])) for name in "ap"]
    (lead,) = [
        lead for lead in costs.leads if (lead.time, lead.best, lead.other) == (TRAIN, "acts", "params")
    ]
    expected = np.quantile(spearman[0] - spearman[1], [0.05 / 6, 1 - 0.05 / 6])
    interval = lead.difference.interval
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), abs=0.04)


def test_times_of_one_device_and_of_finished_models_only() -> None:
    runs = timed("a", 30)
    runs.loc[:4, "device"] = "gpu"
    runs.loc[5, ["status", "error"]] = ["diverged", np.nan]
    runs.loc[6, "images_per_second"] = 0.0
    costs = compare_costs(runs, rng=rng(), resamples=20)
    assert costs.device == "cpu"
    assert cost_notes(costs) == ("times of 5 models measured on another device than cpu",)
    assert costs.models[TRAIN].notna().sum() == 23
    assert costs.models[INFERENCE].notna().sum() == 24
    assert costs.models[INFERENCE][20] == runs["val_seconds"][20] / 4
    assert costs.models[TRAIN][20] == 1 / runs["images_per_second"][20]
    found = costs.within.of("acts", "params") or costs.within.of("params", "acts")
    assert found is not None
    assert found.n == 30


def test_tables_without_times() -> None:
    costs = compare_costs(make_runs("a", ["done"] * 20), rng=rng(), resamples=20)
    assert cost_notes(costs) == ("no training time in the runs", "no inference time in the runs")
    assert [(c.x, c.y) for c in costs.within.correlations] == [
        ("flops", "params"),
        ("flops", "acts"),
        ("params", "acts"),
    ]
    assert costs.leads == ()
    assert len(cost_statements(costs)) == 1
    some = pd.concat([timed("a", 20), make_runs("b", ["done"] * 20, seed=1)], ignore_index=True)
    half = compare_costs(some, rng=rng(), resamples=20)
    found = half.together.of("acts", TRAIN)
    assert found is not None
    assert found.n == 20


def test_tables_have_a_row_for_each_pair_and_space() -> None:
    costs = compare_costs(both(), rng=rng(), resamples=20)
    table = cost_table(costs)
    assert tuple(table) == COST
    assert table.groupby("space").size().to_dict() == {"a": 10, "b": 10, WITHIN: 10, ALL: 10}
    leads = lead_table(costs)
    assert tuple(leads) == LEADS
    assert leads["best"].tolist()[:2] == ["acts"] * 2


@pytest.mark.parametrize("n", [0, 1, 2, 9])
@pytest.mark.parametrize("equal", [False, True])
def test_degenerate_populations(n: int, equal: bool) -> None:
    runs = timed("a", n)
    if equal:
        runs = runs.assign(acts=1000, flops=1000, params=1000, images_per_second=3.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        costs = compare_costs(runs, rng=rng(), resamples=20)
        cost_table(costs)
        lead_table(costs)
    assert "nan" not in " ".join(cost_statements(costs))
    found = costs.within.of("acts", TRAIN)
    if found is not None:
        assert np.isnan(found.spearman.value) == (equal or n < 2)
        assert np.isnan(found.pearson.value) == (equal or n < 2)
        assert np.isnan(found.pearson.interval.low) == (equal or n < 8)


def test_unfinished_study() -> None:
    runs = make_runs("a", ["diverged", "missing", "failed"]).assign(
        images_per_second=np.nan, val_seconds=np.nan, epochs=np.nan, device=None
    )
    costs = compare_costs(runs, rng=rng(), resamples=20)
    assert costs.device is None
    assert costs.within.of("acts", TRAIN) is None
