"""The comparison of regimes: what it trains next, and what its table says of planted errors."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts" / "benchmark"))
import regimes
import regimes_table
from regime_candidates import BASE, PARTS, SPACES, Part, long

OUTCOME = {"status": "done", "error": 50.0, "train_loss": 1.5, "val_errors": [50.0], "cpu_seconds": 60.0}


@pytest.fixture(autouse=True)
def models_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "regimes" / "models.csv"
    monkeypatch.setattr(regimes, "MODELS", path)
    return path


@pytest.fixture
def two_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[regimes.Training]:
    """The trainings of two networks of each space in two regimes."""
    parts = (Part(BASE, models=2), Part(replace(BASE, name="2_passes", epochs=2), models=2))
    monkeypatch.setattr(regimes, "PARTS", parts)
    return list(regimes.trainings(tmp_path))


def test_the_spaces_take_turns_and_all_regimes_train_the_same_networks(
    two_each: list[regimes.Training],
) -> None:
    assert [training.space for training in two_each] == [*SPACES] * 4
    first, second = two_each[:8], two_each[8:]
    assert [t.model for t in first] == [t.model for t in second]
    assert len({t.model.model_id for t in first}) == 8


def test_what_has_a_row_is_not_trained_again(two_each: list[regimes.Training]) -> None:
    for training in two_each[:3]:
        regimes.append(training, {**OUTCOME, "processor": "a"})
    assert list(regimes.left(iter(two_each), regimes.read_models())) == two_each[3:]


def test_a_torn_row_is_cut_off_and_trained_again(two_each: list[regimes.Training], models_file: Path) -> None:
    for training in two_each[:2]:
        regimes.append(training, {**OUTCOME, "processor": "a"})
    whole = models_file.read_bytes()
    models_file.write_bytes(whole + whole.splitlines()[-1][:60])  # ends within quotes
    regimes.mend()
    assert models_file.read_bytes() == whole
    assert list(regimes.left(iter(two_each), regimes.read_models())) == two_each[2:]


def test_collecting_keeps_rows_as_they_are_and_each_once(
    two_each: list[regimes.Training], models_file: Path, tmp_path: Path
) -> None:
    for training in two_each[:3]:
        regimes.append(training, {**OUTCOME, "train_loss": 1.7421528100967407, "processor": "a"})
    everything = models_file.read_bytes()
    other = tmp_path / "other.csv"
    other.write_bytes(everything)
    models_file.write_bytes(b"".join(everything.splitlines(keepends=True)[:2]))
    regimes.collect([other])
    assert models_file.read_bytes() == everything


def planted(rng: np.random.Generator, regime: str, space: str, errors: Any, repeat: int = 0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "regime": regime,
            "space": space,
            "model_id": [f"{space}{i}" for i in range(len(errors))],
            "repeat": repeat,
            "error": errors,
            "cpu_seconds": 60.0,
        }
    )


def spearman(r: float) -> float:
    """Spearman's correlation of normal values with Pearson's r."""
    return float(6 / np.pi * np.arcsin(r / 2))


def test_the_interval_of_the_rank_correlation_holds_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regimes_table, "RESAMPLES", 999)
    rng, covariance = np.random.default_rng(2), [[1, 0.7], [0.7, 1]]
    held = 0
    for _ in range(200):
        spaces = [rng.multivariate_normal([mean, mean], covariance, 12) for mean in (0, 2, 4)]
        low, high = regimes_table.spearman_interval(spaces)
        held += low < spearman(0.7) < high
    assert held / 200 >= 0.92


def test_the_table_finds_what_was_planted() -> None:
    rng = np.random.default_rng(0)
    parts, truth = [], {}
    for space, mean in zip(SPACES, (60, 58, 57, 55), strict=True):
        truth[space] = rng.normal(mean, 2, 200)
        short = truth[space] + rng.normal(0, 1, 200)
        parts += [planted(rng, "base", space, short)]
        parts += [planted(rng, long(BASE).name, space, truth[space] - 20)]
        parts += [planted(rng, "base", space, truth[space] + rng.normal(0, 1, 200), repeat=1)]
    found = regimes_table.table(pd.concat(parts)).set_index("regime").loc["base"]
    assert found["n"] == 800
    assert found["rho_pooled"] == pytest.approx(spearman(2 / np.sqrt(5)), abs=0.03)
    assert found["rho_pooled_low"] < found["rho_pooled"] < found["rho_pooled_high"]
    assert found["rho_pooled_n"] == 800
    assert found["seed_sd"] == pytest.approx(1, abs=0.1)
    assert found["seed_share"] == pytest.approx(1 / 5, abs=0.04)
    assert found["c_d_low"] < 2 < found["c_d_high"]


def test_the_number_of_models_has_the_power_that_it_promises() -> None:
    rng = np.random.default_rng(1)
    errors = {"anynetx_c": rng.normal(60, 3, 50), "anynetx_d": rng.normal(58.5, 2, 50)}
    own = pd.concat([planted(rng, "base", space, values) for space, values in errors.items()])
    found = regimes_table.difference("anynetx_c", "anynetx_d", errors, own)
    n, gap = found["c_d_models"], found["c_d"]
    sds = [errors[space].std(ddof=1) for space in ("anynetx_c", "anynetx_d")]
    draws = [rng.normal(mean, sd, (4_000, n)) for mean, sd in zip((gap, 0.0), sds, strict=True)]
    shown = stats.ttest_ind(*draws, axis=1, equal_var=False).pvalue < 0.05
    assert shown.mean() == pytest.approx(0.8, abs=0.03)
    assert found["c_d_core_hours"] == pytest.approx(n * 120 / 3600)


def test_diverged_networks_are_counted_and_small_parts_give_empty_cells() -> None:
    rng = np.random.default_rng(0)
    models = planted(rng, "base", "anynetx_c", [60.0, 61.0, np.nan])
    found = regimes_table.table(models).iloc[0]
    assert (found["n"], found["diverged"], found["anynetx_c_n"]) == (3, 1, 2)
    assert "rho_pooled" not in found
    assert "c_d" not in found


def test_the_plan_counts_no_training_twice() -> None:
    models = planted(np.random.default_rng(0), "base", "anynetx_c", [60.0])
    found = regimes_table.plan(models)
    keys = {
        (part.regime.name, space, i, repeat)
        for part in PARTS
        for space in part.spaces
        for i in range(part.models)
        for repeat in part.repeats
    }
    assert found["trainings"].sum() == len(keys)
    assert found.loc[found["regime"] == "base", "cpu_seconds"].iloc[0] == 60
    assert found.loc[found["regime"] == "base_long", "cpu_seconds"].iloc[0] == 480
