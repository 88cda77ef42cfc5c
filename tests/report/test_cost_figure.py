import numpy as np
import pandas as pd
import pytest

from designspace.analysis.costs import CostAnalysis, compare_costs
from designspace.report.cost_figure import cost_figure


def analyzed(runs: pd.DataFrame) -> CostAnalysis:
    return compare_costs(runs, rng=np.random.default_rng(0), resamples=20)


@pytest.fixture
def timed(runs: pd.DataFrame) -> pd.DataFrame:
    generator = np.random.default_rng(1)
    return runs.assign(
        images_per_second=generator.uniform(1000, 5000, len(runs)),
        val_seconds=generator.uniform(1, 5, len(runs)),
        epochs=4,
        device="a <$b$> chip",
    )


def test_every_finished_model_is_a_point(timed: pd.DataFrame) -> None:
    costs = analyzed(timed)
    figure = cost_figure(costs)
    grid = np.array(figure.axes).reshape(3, 4)
    points = [np.asarray(part.get_offsets()) for part in grid[1, 2].collections]
    assert len(points) == 2
    for part, (_, models) in zip(points, costs.models.groupby("space"), strict=True):
        assert np.isfinite(part).all(axis=1).sum() == 8
        done = models["train_seconds_per_image"].notna()
        expected = np.column_stack([models["acts"] / 1e6, models["train_seconds_per_image"] * 1e3])[done]
        np.testing.assert_allclose(part[np.isfinite(part).all(axis=1)], expected)
    assert "16 models" in grid[1, 2].get_title()
    assert "24 models" in grid[0, 2].get_title()
    assert "a <$b$> chip" in figure.get_suptitle()


def test_intervals_are_those_computed(timed: pd.DataFrame) -> None:
    costs = analyzed(timed)
    axes = cost_figure(costs).axes[7]
    black = [line for line in axes.get_lines() if line.get_color() == "black"]
    found = costs.within.of("flops", "train_seconds_per_image")
    assert found is not None
    acts = costs.within.of("acts", "train_seconds_per_image")
    assert acts is not None
    drawn = [np.asarray(line.get_xdata()).tolist() for line in black][-2:]
    assert drawn == [[acts.spearman.interval.low, acts.spearman.interval.high], [acts.spearman.value]]


def test_without_times_only_the_costs_are_drawn(runs: pd.DataFrame) -> None:
    figure = cost_figure(analyzed(runs))
    assert len(figure.axes) == 4
    assert "no training time in the runs" in figure.get_suptitle()


@pytest.mark.parametrize("rows", [[], [0], [8, 9], [10]], ids=["nothing", "one", "no error", "missing"])
def test_studies_of_which_little_is_known(rows: list[int], timed: pd.DataFrame) -> None:
    cost_figure(analyzed(timed.iloc[rows])).draw_without_rendering()
