from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from designspace.analysis.sample_size import Separation, SubsampleCurve, separations, subsample_curve
from designspace.report.files import save_figure
from designspace.report.sample_size_figure import sample_size_figure


def results(runs: pd.DataFrame) -> tuple[list[SubsampleCurve], tuple[Separation, ...]]:
    populations = {str(name): frame for name, frame in runs.groupby("space")}
    rng = np.random.default_rng(0)
    curves = [subsample_curve(name, frame, rng=rng, repeats=20) for name, frame in populations.items()]
    return curves, separations(populations)


def test_the_numbers_drawn_are_the_numbers_computed(runs: pd.DataFrame, tmp_path: Path) -> None:
    curves, pairs = results(pd.concat([runs, runs.iloc[:12].assign(space="third")]))
    figure = sample_size_figure(curves, pairs)
    distances, means, medians, table = (axes for part in figure.subfigs for axes in part.axes)
    for index, curve in enumerate(curves):
        for axes, values in (
            (distances, curve.ks_mean),
            (means, curve.mean_width),
            (medians, curve.median_width),
        ):
            np.testing.assert_array_equal(axes.get_lines()[index].get_ydata(), values)
    assert [text.get_text().split("\np = ")[1] for text in table.texts] == [f"{p.p_beats:.2f}" for p in pairs]
    labels = [text.get_text() for text in figure.subfigs[0].legends[0].get_texts()]
    assert labels[1] == "anynetx_c  10 (1 diverged, 1 failed, 2 not yet run)"
    save_figure(figure, tmp_path, "sample_size")


def test_every_pair_stands_where_its_labels_say(runs: pd.DataFrame) -> None:
    curves, pairs = results(pd.concat([runs, runs.iloc[:12].assign(space="third")]))
    table = sample_size_figure(curves, pairs).subfigs[1].axes[0]
    columns = [label.get_text() for label in table.get_xticklabels()]
    rows = [label.get_text() for label in table.get_yticklabels()]
    for text, pair in zip(table.texts, pairs, strict=True):
        column, row = text.get_position()
        assert (columns[column], rows[row]) == (pair.first, pair.second)


@pytest.mark.parametrize("rows", [[], [0], [8], [10], [0, 12]], ids=str)
def test_studies_of_which_little_is_known(rows: list[int], runs: pd.DataFrame, tmp_path: Path) -> None:
    figure = sample_size_figure(*results(runs.iloc[rows]))
    texts = [text.get_text() for text in figure.subfigs[1].axes[0].texts]
    assert ("fewer than two spaces: no pair" in texts) == (len(rows) < 2)
    assert len(save_figure(figure, tmp_path, "few")) == 2


def test_equal_errors(runs: pd.DataFrame, tmp_path: Path) -> None:
    save_figure(
        sample_size_figure(*results(runs[runs["status"] == "done"].assign(error=20.0))), tmp_path, "x"
    )
