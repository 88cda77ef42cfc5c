import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr

from designspace.analysis.ranking import RankingAnalysis, rank_models
from designspace.report.ranking_figure import ranking_figure
from designspace.report.text.ranking import faithfulness


def analyzed(runs: pd.DataFrame, extended: pd.DataFrame | None = None) -> RankingAnalysis:
    return rank_models(runs, extended, rng=np.random.default_rng(0), resamples=20)


@pytest.fixture
def curves(runs: pd.DataFrame) -> pd.DataFrame:
    generator = np.random.default_rng(1)
    found = [None if np.isnan(e) else [*(e + generator.normal(0, 1, 2)), e] for e in runs["error"]]
    return runs.assign(val_errors=found, epochs=3)


def test_what_is_drawn_is_what_was_computed(curves: pd.DataFrame) -> None:
    ranking = analyzed(curves)
    figure = ranking_figure(ranking)
    lines = figure.axes[0].get_lines()
    for line, space in zip(lines, ranking.spaces, strict=False):
        assert line.get_ydata().tolist() == [at.agreement.tau.value for at in space.epochs]
        assert line.get_xdata().tolist() == [1, 2]
    assert lines[2].get_ydata().tolist() == [at.agreement.tau.value for at in ranking.pooled]
    assert "8 models without a whole learning curve" in figure.get_suptitle()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["a <$b$> & /c  8", "anynetx_c  8", "within spaces  16"]


def test_longer_training_has_its_panels_and_the_choice_is_marked(curves: pd.DataFrame) -> None:
    longer = curves[curves["space"] == "anynetx_c"].assign(epochs=30)
    longer["error"] -= np.linspace(0, 5, len(longer))
    ranking = analyzed(curves, longer)
    axes = ranking_figure(ranking).axes[3]
    (part,) = ranking.extended
    np.testing.assert_array_equal(
        np.asarray(axes.collections[0].get_offsets()), np.column_stack([part.brief, part.extended])
    )
    circle, least = axes.get_lines()
    assert circle.get_xdata()[0] == part.brief.min()
    assert circle.get_ydata()[0] - least.get_ydata()[0] == pytest.approx(part.regret.value)
    assert "8 models, 4 without both errors" in axes.get_title()


def test_how_far_brief_training_can_be_trusted_is_said_in_one_sentence(curves: pd.DataFrame) -> None:
    longer = curves[curves["space"] == "anynetx_c"].assign(epochs=30)
    longer["error"] -= np.linspace(0, 5, len(longer))
    ranking = analyzed(curves, longer)
    (part,) = ranking.extended
    sentence = faithfulness(ranking)
    assert "as training of 30 epochs instead of 3 does" in sentence
    assert f"Kendall's tau {kendalltau(part.brief, part.extended).statistic:.2f} [" in sentence
    assert f"Spearman's rho {spearmanr(part.brief, part.extended).statistic:.2f} [" in sentence
    assert "(8 networks)" in sentence
    assert "not known" in faithfulness(analyzed(curves))


def test_nothing_to_compare_is_said(runs: pd.DataFrame) -> None:
    figure = ranking_figure(analyzed(runs))
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["nothing to compare"] * 3
    assert "no learning curves" in figure.get_suptitle()
    figure.draw_without_rendering()


@pytest.mark.parametrize("rows", [[], [0], [0, 1], [8], [10]])
def test_studies_of_which_little_is_known(rows: list[int], curves: pd.DataFrame) -> None:
    part = curves.iloc[rows]
    ranking_figure(analyzed(part, part.assign(epochs=9))).draw_without_rendering()
