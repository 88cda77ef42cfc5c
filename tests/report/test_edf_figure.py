from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from designspace.analysis.edf import BandMethod, error_distribution, error_window
from designspace.analysis.results import count_statuses, finished_errors
from designspace.report.edf_figure import edf_figure


def study_of(runs: pd.DataFrame) -> Any:
    """The part of a study that is drawn here; a whole analysis takes longer than all of these tests."""
    edfs = {
        name: error_distribution(finished_errors(group), count_statuses(group))
        for name, group in runs.groupby("space")
    }
    spaces = [SimpleNamespace(name=name, edf=edf) for name, edf in edfs.items()]
    return SimpleNamespace(spaces=spaces, window=error_window(finished_errors(runs)), references=())


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def shaded(axes: Axes, place: int) -> np.ndarray:
    """Heights that the shade of one space takes."""
    return np.unique(axes.collections[place].get_paths()[0].vertices[:, 1])


@pytest.mark.parametrize(
    ("band", "words"), [("dkw", "DKW band (simultaneous)"), ("bootstrap", "bootstrap band (pointwise)")]
)
def test_the_band_drawn_is_the_one_named(band: BandMethod, words: str, runs: pd.DataFrame) -> None:
    study = study_of(runs)
    figure = edf_figure(study, band)
    whole, close = figure.axes
    assert f"95 % {words}" in titles(figure)[0]
    assert "95 % Wilson band (pointwise)" in titles(figure)[1]
    for axes, method in ((whole, band), (close, "wilson")):
        drawn = study.spaces[1].edf.bands[method]
        heights = shaded(axes, 1)
        np.testing.assert_allclose(heights, np.unique([*drawn.lower, *drawn.upper]), atol=1e-12)


def test_models_without_error_are_a_bar_from_the_end_of_the_curve_to_one(runs: pd.DataFrame) -> None:
    figure = edf_figure(study_of(runs))
    bars = [line for line in figure.axes[0].get_lines() if not line.get_clip_on()]
    assert [bar.get_ydata().tolist() for bar in bars] == [[pytest.approx(0.8), 1]] * 2
    assert "diverged or failed" in titles(figure)[0]
    healthy = edf_figure(study_of(runs[runs["status"] == "done"]))
    assert all(line.get_clip_on() for line in healthy.axes[0].get_lines())
    assert "diverged" not in titles(healthy)[0]


def test_unfinished_runs_show_the_best_and_the_worst_that_can_come(runs: pd.DataFrame) -> None:
    study = study_of(runs)
    figure = edf_figure(study)
    dotted = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == ":"]
    assert len(dotted) == 2 * len(study.spaces)
    np.testing.assert_array_equal(dotted[0].get_ydata(), study.spaces[0].edf.best_case)
    np.testing.assert_array_equal(dotted[1].get_ydata(), study.spaces[0].edf.worst_case)
    assert "not yet run" in titles(figure)[0]
    finished = edf_figure(study_of(runs[runs["status"] != "missing"]))
    assert not any(line.get_linestyle() == ":" for line in finished.axes[0].get_lines())


def test_the_closer_look_holds_every_curve_of_the_best_quarter(runs: pd.DataFrame) -> None:
    study = study_of(runs)
    close = edf_figure(study).axes[1]
    right, top = close.get_xlim()[1], close.get_ylim()[1]
    done = runs.loc[runs["status"] == "done", "error"]
    assert np.mean(done < right) == pytest.approx(0.25, abs=0.07)
    assert all(space.edf.at(right) < top for space in study.spaces)


@pytest.mark.parametrize("spaces", [0, 1, 12])
def test_any_number_of_spaces_fits(spaces: int, runs: pd.DataFrame) -> None:
    frames = [runs[runs["space"] == "anynetx_c"].assign(space=f"space_{i:02d}") for i in range(spaces)]
    study = study_of(pd.concat(frames) if frames else runs.iloc[:0])
    figure = edf_figure(study)
    figure.draw_without_rendering()
    width = figure.bbox.width
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= width
    assert len(figure.legends) == bool(spaces)
