import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import make_runs

from designspace.analysis.ranking import rank_models, ranked
from designspace.analysis.statistics import resampled_counts
from designspace.report.tables.ranking import RANKING, ranking_table
from designspace.report.text.ranking import ranking_notes, ranking_statements


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def with_curves(runs: pd.DataFrame, *, noise: tuple[float, ...] = (2.0, 0.5), seed: int = 1) -> pd.DataFrame:
    """Learning curves whose earlier errors are the last one, blurred."""
    generator = np.random.default_rng(seed)
    curves = []
    for error in runs["error"]:
        early = [round(float(error + generator.normal(0, blur)), 1) for blur in noise]
        curves.append(None if np.isnan(error) else np.array([*early, error]))
    return runs.assign(val_errors=curves, epochs=len(noise) + 1)


def two_spaces(n: int = 40) -> pd.DataFrame:
    parts = [make_runs("a", ["done"] * n + ["diverged"]), make_runs("b", ["done"] * n, seed=3)]
    parts[1]["error"] += 30
    return with_curves(pd.concat(parts, ignore_index=True))


def test_correlations_are_scipys_also_with_ties() -> None:
    runs = two_spaces()
    found = rank_models(runs, rng=rng(), resamples=50)
    for space in found.spaces:
        curves = np.stack(runs.query("space == @space.name and status == 'done'")["val_errors"].tolist())
        for at in space.epochs:
            early, last = curves[:, at.epoch - 1], curves[:, -1]
            assert at.agreement.tau.value == pytest.approx(stats.kendalltau(early, last).statistic)
            assert at.agreement.spearman.value == pytest.approx(stats.spearmanr(early, last).statistic)
    assert found.spaces[0].left_out == 1


def test_resamples_are_resamples() -> None:
    """Ranks and counts of pairs against the drawn models written out."""
    values = np.array([3.0, 1.0, 2.0, 2.0, 5.0, 1.0, 4.0, 9.0, 7.0, 6.0])
    counts = resampled_counts(len(values), 20, rng())
    assert (counts[:, 0] == 1).all()
    assert (counts.sum(axis=0) == len(values)).all()
    found = ranked(values, counts)
    for draw in range(21):
        drawn = np.repeat(values, counts[:, draw].astype(int))
        expected = stats.rankdata(drawn) - (len(drawn) + 1) / 2
        np.testing.assert_allclose(np.repeat(found.ranks[:, draw], counts[:, draw].astype(int)), expected)
        assert found.untied[draw] == (drawn[:, None] != drawn).sum()
        share = found.best[:, draw].sum()
        assert share == pytest.approx(1)
        assert set(values[found.best[:, draw] > 0]) == {drawn.min()}


def test_pooled_compares_models_of_one_space_only() -> None:
    runs = two_spaces()
    at = rank_models(runs, rng=rng(), resamples=20).pooled[0]
    concordant = untied_x = untied_y = 0.0
    for _, part in runs[runs["status"] == "done"].groupby("space"):
        curves = np.stack(part["val_errors"].tolist())
        x, y = (np.sign(curves[:, t][:, None] - curves[:, t]) for t in (0, -1))
        concordant, untied_x, untied_y = (
            concordant + (x * y).sum(),
            untied_x + (x**2).sum(),
            untied_y + (y**2).sum(),
        )
    assert at.agreement.tau.value == pytest.approx(concordant / np.sqrt(untied_x * untied_y))
    everything = np.stack(runs.loc[runs["status"] == "done", "val_errors"].tolist())
    assert at.agreement.tau.value < stats.kendalltau(everything[:, 0], everything[:, -1]).statistic - 0.1


def test_overlap_of_the_best_tenth() -> None:
    runs = make_runs("a", ["done"] * 40)
    last = np.arange(40.0)
    early = last.copy()
    early[[0, 1]], early[[20, 21]] = 90, -1  # two of the best four look bad at first
    runs = runs.assign(error=last, val_errors=list(np.column_stack([early, last])))
    agreement = rank_models(runs, rng=rng()).spaces[0].epochs[0].agreement
    assert (agreement.best, agreement.overlap.value) == (4, 0.5)
    assert agreement.overlap.interval.low < 0.5 < agreement.overlap.interval.high


def test_intervals_cover_the_correlations_of_the_population() -> None:
    """200 spaces of bivariate normal errors: tau is 2 / pi arcsin(rho), Spearman's 6 / pi arcsin(rho / 2)."""
    rho, spaces, n = 0.7, 200, 80
    tau, spearman = 2 / np.pi * np.arcsin(rho), 6 / np.pi * np.arcsin(rho / 2)
    pairs = np.random.default_rng(5).multivariate_normal([50, 50], [[1, rho], [rho, 1]], spaces * n)
    runs = make_runs("a", ["done"] * len(pairs)).assign(error=pairs[:, 1], val_errors=list(pairs))
    runs["space"] = [f"s{i:03d}" for i in np.arange(len(pairs)) % spaces]
    found = [space.epochs[0].agreement for space in rank_models(runs, rng=rng(), resamples=200).spaces]
    for truth, values in ((tau, [at.tau for at in found]), (spearman, [at.spearman for at in found])):
        held = sum(value.interval.low <= truth <= value.interval.high for value in values)
        assert 180 <= held <= 198


def test_extended_training_and_what_trust_in_the_brief_error_costs() -> None:
    runs = two_spaces().assign(epochs=3)
    longer = runs[(runs["space"] == "a") & (runs.index < 30)].assign(epochs=30)
    longer["error"] = 10 + np.arange(30.0)
    longer.loc[3, ["status", "error"]] = ["diverged", np.nan]
    longer.loc[4, "epochs"] = 2  # not longer
    longer = pd.concat([longer, longer.tail(1).assign(model_id="stranger")])
    found = rank_models(runs, longer, rng=rng(), resamples=50)
    (part,) = found.extended
    assert (part.brief_epochs, part.extended_epochs, len(part.brief), part.left_out) == (3, 30, 28, 1)
    joined = runs.merge(longer.query("status == 'done' and epochs == 30"), on=["space", "model_id"])
    chosen = joined.loc[joined["error_x"].argmin(), "error_y"]
    assert part.regret.value == chosen - joined["error_y"].min()
    best = joined.sort_values("error_x").head(3)["error_y"].min()
    assert part.regret_top.value == best - joined["error_y"].min()
    assert part.regret_random == pytest.approx(joined["error_y"].mean() - joined["error_y"].min())
    tau = stats.kendalltau(joined["error_x"], joined["error_y"]).statistic
    assert part.agreement.tau.value == pytest.approx(tau)
    assert "not among the runs" in ranking_notes(found)[0]
    assert "no more epochs" in ranking_notes(found)[1]
    table = ranking_table(found)
    assert tuple(table) == RANKING
    assert table["comparison"].tolist().count("extended") == 2


def test_one_epoch_or_no_curves_is_said() -> None:
    runs = make_runs("a", ["done"] * 9)
    one = rank_models(runs.assign(val_errors=[[e] for e in runs["error"]]), rng=rng())
    assert ranking_notes(one) == ("one epoch only: there is no earlier error to compare with the last",)
    none = rank_models(runs, rng=rng())
    assert ranking_notes(none) == ("the runs hold no learning curves (val_errors)",)
    assert one.pooled == none.pooled == ranking_statements(one) == ranking_statements(none) == ()


def test_unequal_curves_are_left_out_and_other_lengths_not_pooled() -> None:
    runs = two_spaces(12)
    runs.at[0, "val_errors"] = [50.0, 40.0]
    other = with_curves(make_runs("c", ["done"] * 9), noise=(1.0, 1.0, 1.0))
    found = rank_models(pd.concat([runs, other], ignore_index=True), rng=rng(), resamples=20)
    assert [space.n for space in found.spaces] == [11, 12, 9]
    assert found.pooled[0].agreement.n == 23
    assert ranking_notes(found) == (
        "a: 1 finished models lack a curve of 3 epochs",
        "1 spaces with another number of epochs are not pooled",
    )


@pytest.mark.parametrize(
    "statuses", [[], ["done"], ["done"] * 2, ["diverged"] * 3, ["missing"] * 3, ["done"] * 9]
)
@pytest.mark.parametrize("equal", [False, True])
def test_degenerate_populations(statuses: list[str], equal: bool) -> None:
    runs = with_curves(make_runs("a", statuses))
    if equal:
        runs["val_errors"] = [None if curve is None else [20.0] * 3 for curve in runs["val_errors"]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rank_models(runs, runs.assign(epochs=9), rng=rng(), resamples=20)
        ranking_table(found)
    for space in found.spaces:
        for at in space.epochs:
            assert np.isnan(at.agreement.tau.value) == (equal or space.n < 2)
            assert np.isnan(at.agreement.tau.interval.low) == (equal or space.n < 8)


def test_numbers_of_a_space_do_not_depend_on_other_spaces() -> None:
    runs = two_spaces()
    alone = rank_models(runs[runs["space"] == "b"], rng=rng(), resamples=50).spaces[0]
    assert rank_models(runs, rng=rng(), resamples=50).spaces[1] == alone
