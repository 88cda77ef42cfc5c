from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from designspace.analysis.random_search import RandomSearchCurve, random_search_curve
from designspace.report.files import save_figure
from designspace.report.random_search_figure import random_search_figure


def curves(runs: pd.DataFrame) -> list[RandomSearchCurve]:
    return [random_search_curve(str(name), frame) for name, frame in runs.groupby("space")]


def test_the_curves_drawn_are_the_curves_computed(runs: pd.DataFrame, tmp_path: Path) -> None:
    figure = random_search_figure(curves(runs))
    for line, curve in zip(figure.axes[0].get_lines(), curves(runs), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([curve.draws, curve.best]))
    save_figure(figure, tmp_path, "random_search")


def test_what_has_no_error_is_written_on_it(runs: pd.DataFrame) -> None:
    figure = random_search_figure(curves(runs))
    curve = curves(runs)[1]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    expected = f"anynetx_c  10 | {curve.best[0]:.1f}, {curve.best[0]:.1f}, {curve.best[-1]:.1f}"
    assert labels[1] == f"{expected}  (1 diverged, 1 failed, 2 not yet run)".replace("  (", " (")
    assert "count as draws with an error of 100 %" in figure.axes[0].get_title(loc="left")


def test_failures_do_not_squeeze_the_curves(runs: pd.DataFrame) -> None:
    found = curves(runs)
    top = random_search_figure(found).axes[0].get_ylim()[1]
    assert max(curve.best[1] for curve in found) <= top < max(curve.best[0] for curve in found)
    done = curves(runs[runs["status"] == "done"])
    assert random_search_figure(done).axes[0].get_ylim()[1] >= max(np.nanmax(curve.high) for curve in done)


@pytest.mark.parametrize("rows", [[], [0], [8], [10]], ids=["nothing", "one", "diverged", "missing"])
def test_studies_of_which_little_is_known(rows: list[int], runs: pd.DataFrame, tmp_path: Path) -> None:
    assert len(save_figure(random_search_figure(curves(runs.iloc[rows])), tmp_path, "few")) == 2
