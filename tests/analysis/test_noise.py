import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import make_runs

from designspace.analysis.noise import (
    SpaceNoise,
    seed_noise,
)
from designspace.report.tables.noise import CORRECTED, NOISE, corrected_table, noise_table
from designspace.report.text.noise import noise_notes, noise_statements


@pytest.fixture
def few_refits(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of the analysis of variance alone, which many studies need."""
    monkeypatch.setattr("designspace.analysis.deconvolution._REFITS", 1)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def repeated(runs: pd.DataFrame, errors: np.ndarray) -> pd.DataFrame:
    """Repeats of the first models: errors [repeats, models]."""
    parts = [
        runs.head(len(row)).assign(repeat=k, error=row, status=np.where(np.isnan(row), "diverged", "done"))
        for k, row in enumerate(errors, start=1)
    ]
    return pd.concat(parts, ignore_index=True)


def study(
    n: int, models: int, seeds: int, *, between: float, within: float, generator: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A space with planted standard deviations of true errors and of noise."""
    truth = generator.normal(30, between, n)
    runs = make_runs("a", ["done"] * n).assign(error=truth + generator.normal(0, within, n))
    return runs, repeated(runs, truth[:models] + generator.normal(0, within, (seeds, models)))


def analyzed(runs: pd.DataFrame, repeats: pd.DataFrame) -> SpaceNoise:
    return seed_noise(runs, repeats, rng=rng(), resamples=100).spaces[0]


def test_a_balanced_design_is_the_textbooks_analysis_of_variance() -> None:
    runs, repeats = study(30, 12, 3, between=1.0, within=0.7, generator=rng())
    found = analyzed(runs, repeats).components
    groups = [
        [runs["error"][i], *repeats.loc[repeats["model_id"] == runs["model_id"][i], "error"]]
        for i in range(12)
    ]
    assert found.f == pytest.approx(stats.f_oneway(*groups).statistic)
    assert found.p_value == pytest.approx(stats.f_oneway(*groups).pvalue)
    within = float(np.mean([np.var(group, ddof=1) for group in groups]))
    between = max(0.0, float(np.var([np.mean(group) for group in groups], ddof=1)) - within / 4)
    assert found.seed_std.value == pytest.approx(np.sqrt(within))
    assert found.between_std == pytest.approx(np.sqrt(between))
    assert found.noise_share.value == pytest.approx(within / (within + between))
    assert (found.models, found.runs) == (12, 48)
    low, high = stats.chi2.interval(0.95, 36)
    assert found.seed_std.interval.low == pytest.approx(np.sqrt(36 * within / high))
    assert found.seed_std.interval.high == pytest.approx(np.sqrt(36 * within / low))


@pytest.mark.parametrize("lost", [0.0, 0.35])
def test_intervals_cover_planted_variances(lost: float, few_refits: None) -> None:
    """Also where repeats are missing at random."""
    generator, held, estimates = np.random.default_rng(3), np.zeros(2), []
    for _ in range(150):
        runs, repeats = study(20, 20, 3, between=1.0, within=0.7, generator=generator)
        repeats.loc[generator.random(len(repeats)) < lost, ["error", "status"]] = [np.nan, "diverged"]
        found = analyzed(runs, repeats).components
        for k, (truth, value) in enumerate(((0.7, found.seed_std), (0.49 / 1.49, found.noise_share))):
            held[k] += value.interval.low <= truth <= value.interval.high
        estimates.append((found.seed_std.value**2, found.between_std**2))
    assert ((held >= 134) & (held <= 149)).all(), held
    np.testing.assert_allclose(np.mean(estimates, axis=0), [0.49, 1.0], atol=0.1)


def test_without_true_differences_the_share_of_noise_includes_one(few_refits: None) -> None:
    held, p_values = 0, []
    generator = np.random.default_rng(4)
    for _ in range(60):
        found = analyzed(*study(15, 15, 3, between=0.0, within=0.7, generator=generator)).components
        held += found.noise_share.interval.high == 1
        p_values.append(found.p_value)
    assert 53 <= held <= 60
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_pooled_takes_models_within_their_spaces() -> None:
    first = study(20, 10, 3, between=1.0, within=0.7, generator=rng())
    second = tuple(table.assign(space="b", error=table["error"] + 40) for table in first)
    runs, repeats = (pd.concat(pair, ignore_index=True) for pair in zip(first, second, strict=True))
    noise = seed_noise(runs, repeats, rng=rng(), resamples=20)
    one, both = noise.spaces[0].components, noise.pooled
    assert (both.models, both.runs) == (20, 80)
    assert (both.f, both.between_std) == pytest.approx((one.f, one.between_std))
    assert both.seed_std.value == pytest.approx(one.seed_std.value)
    width = one.seed_std.interval.high - one.seed_std.interval.low
    assert both.seed_std.interval.high - both.seed_std.interval.low < width


def test_diverged_repeats_strangers_and_other_trainings_are_left_out() -> None:
    runs, repeats = study(20, 5, 2, between=1.0, within=0.7, generator=rng())
    runs["epochs"], repeats["epochs"] = 4, 4
    repeats.loc[0, ["status", "error"]] = ["diverged", np.nan]
    repeats.loc[1, "epochs"] = 8
    stranger = repeats.tail(1).assign(model_id="stranger")
    noise = seed_noise(runs, pd.concat([repeats, stranger]), rng=rng(), resamples=20)
    (space,) = noise.spaces
    assert noise_notes(noise) == (
        "1 repeats left out: not a model of the runs",
        "1 repeats left out: another number of epochs",
    )
    assert (space.components.models, space.components.runs, space.left_out) == (5, 13, 1)
    assert space.repeats["repeat"].value_counts().to_dict() == {0: 5, 1: 3, 2: 5}
    assert space.repeats["mean"].is_monotonic_increasing


def test_a_model_that_failed_to_learn_does_not_hide_the_noise() -> None:
    runs, repeats = study(100, 20, 3, between=1.0, within=0.7, generator=rng())
    before = analyzed(runs, repeats)
    runs.loc[50, "error"] = 90.0
    after = analyzed(runs, repeats)
    assert after.reliability.value > 0.97 > before.reliability.value
    assert after.best is not None
    assert before.best is not None
    assert after.best.luck == pytest.approx(before.best.luck, abs=0.15)
    half = [np.ptp(np.quantile(space.corrected, [0.25, 0.75])) for space in (before, after)]
    assert half[0] == pytest.approx(half[1], abs=0.1)


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ([[31.0], [33.0]], "Its 2 other trainings gave 31.00, 33.00 %, 32.00 % on average."),
        ([[31.0], [np.nan]], "Its other training gave 31.00 %."),
    ],
)
def test_other_trainings_of_the_best_model_are_told(errors: list[list[float]], words: str) -> None:
    runs, repeats = study(20, 5, 3, between=1.0, within=0.7, generator=rng())
    runs.loc[7, "error"] = 20.0
    space = analyzed(runs, repeats)
    assert space.best is not None
    assert space.best.repeated == ()
    again = repeated(runs.iloc[[7]], np.array(errors))
    noise = seed_noise(runs, pd.concat([repeats, again]), rng=rng(), resamples=20)
    assert noise_statements(noise)[-1].endswith(words)


def test_reliability_is_the_share_of_variance_that_is_not_noise() -> None:
    runs, repeats = study(400, 40, 3, between=1.0, within=0.7, generator=rng())
    space = analyzed(runs, repeats)
    expected = 1 - space.components.seed_std.value**2 / runs["error"].var()
    assert space.reliability.value == pytest.approx(expected)
    assert space.reliability.interval.low < 1 / 1.49 < space.reliability.interval.high
    assert space.population_noise.value == pytest.approx(1 - expected)


def test_words_and_tables() -> None:
    runs, repeats = study(40, 10, 3, between=1.0, within=0.7, generator=rng())
    noise = seed_noise(runs, repeats, rng=rng(), resamples=50)
    assert "the seed alone moves a model's error by " in noise_statements(noise)[0]
    assert f"observed at {runs['error'].min():.2f} %" in noise_statements(noise)[2]
    table = noise_table(noise)
    assert tuple(table) == NOISE
    assert table["space"].tolist() == ["a", "all"]
    assert table["luck"][0] == pytest.approx(table["best_expected"][0] - runs["error"].min())
    corrected = corrected_table(noise)
    assert tuple(corrected) == CORRECTED
    assert corrected["share_below_or_equal"].iloc[-1] == 1


def test_no_repeats() -> None:
    runs = make_runs("a", ["done"] * 9)
    for repeats in (None, pd.DataFrame(), repeated(runs, np.ones((1, 2))).head(0)):
        noise = seed_noise(runs, repeats, rng=rng())
        assert noise_notes(noise) == ("no model was trained more than once",)
        assert noise_table(noise).empty
        assert corrected_table(noise).empty
        assert np.isnan(noise.pooled.seed_std.value)


@pytest.mark.parametrize(
    "statuses", [["done"], ["done"] * 2, ["diverged"] * 3, ["missing"] * 2, ["done"] * 9]
)
@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("equal", [False, True])
def test_degenerate_populations(statuses: list[str], repeats: int, equal: bool) -> None:
    runs = make_runs("a", statuses)
    if equal:
        runs["error"] = runs["error"].where(runs["error"].isna(), 20.0)
    again = repeated(runs, np.tile(runs["error"] + (0 if equal else 0.5), (repeats, 1)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        noise = seed_noise(runs, again, rng=rng(), resamples=20)
        noise_table(noise)
        corrected_table(noise)
    found = noise.pooled
    assert np.isnan(found.seed_std.value) == ("done" not in statuses)
    if statuses[0] == "done" and equal:
        assert found.seed_std.value == 0


def test_repeats_of_models_without_a_first_run() -> None:
    runs = make_runs("a", ["missing"] * 3)
    noise = seed_noise(runs, repeated(runs, rng().normal(20, 1, (3, 3))), rng=rng(), resamples=20)
    assert noise.spaces[0].components.runs == 9
    assert noise.spaces[0].best is None
    assert len(noise.spaces[0].corrected) == 0


def test_one_model_has_no_variance_between_models() -> None:
    runs, repeats = study(1, 1, 3, between=1.0, within=0.7, generator=rng())
    found = analyzed(runs, repeats).components
    assert found.seed_std.value > 0
    assert np.isnan([found.between_std, found.noise_share.value, found.f]).all()
