import numpy as np
import pandas as pd
import pytest

from designspace.analysis.noise import NoiseAnalysis, seed_noise
from designspace.report.noise_figure import noise_figure
from designspace.report.style import color


def analyzed(runs: pd.DataFrame, seeds: int = 3) -> NoiseAnalysis:
    generator = np.random.default_rng(1)
    parts = [
        runs.assign(repeat=k, error=runs["error"] + generator.normal(0, 0.5, len(runs)))
        for k in range(1, seeds + 1)
    ]
    repeats = pd.concat(parts) if parts else None
    return seed_noise(runs, repeats, rng=np.random.default_rng(0), resamples=20)


def test_all_trainings_are_points_in_columns_by_mean(runs: pd.DataFrame) -> None:
    noise = analyzed(runs)
    figure = noise_figure(noise, ["other", "a <$b$> & /c", "anynetx_c"])
    axes, space = figure.axes[0], noise.spaces[0]
    means, again, first = axes.collections
    assert len(again.get_offsets()) == 24
    assert len(first.get_offsets()) == 8
    heights = [segment[0][1] for segment in means.get_segments()]
    assert heights == sorted(heights)
    assert sorted(np.asarray(first.get_offsets())[:, 1]) == sorted(space.errors)
    assert set(np.asarray(first.get_offsets())[:, 0]) == set(range(1, 9))
    assert "32 trainings of 8 models (16 more without an error)" in axes.get_title()
    assert figure.axes[1].get_lines()[0].get_color() == color(1)


def test_curves_are_the_observed_and_the_corrected_errors(runs: pd.DataFrame) -> None:
    noise = analyzed(runs)
    lines = noise_figure(noise).axes[1].get_lines()
    space = noise.spaces[0]
    for line, errors in zip(lines, (space.errors, space.corrected), strict=False):
        assert line.get_drawstyle() == "steps-post"
        assert line.get_xdata().tolist() == sorted(errors)
        assert line.get_ydata().tolist() == [k / 10 for k in range(1, 9)]


def test_no_repeats_is_said(runs: pd.DataFrame) -> None:
    figure = noise_figure(analyzed(runs, seeds=0))
    assert figure.get_suptitle() == "no model was trained more than once"
    figure.draw_without_rendering()


@pytest.mark.parametrize("rows", [[0], [0, 1], [8], [10], [0, 1, 2, 8, 12, 13]])
def test_studies_of_which_little_is_known(rows: list[int], runs: pd.DataFrame) -> None:
    noise_figure(analyzed(runs.iloc[rows])).draw_without_rendering()
