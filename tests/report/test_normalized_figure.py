from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from designspace.analysis.edf import error_window
from designspace.analysis.normalized import NormalizedComparison, normalize
from designspace.analysis.results import finished_errors
from designspace.report.files import save_figure
from designspace.report.normalized_figure import normalized_edf_figure


def compare(runs: pd.DataFrame, by: str) -> NormalizedComparison:
    populations = {str(name): frame for name, frame in runs.groupby("space")}
    return normalize(populations, by=by, rng=np.random.default_rng(0), resamples=50)


def test_the_curves_drawn_are_the_curves_computed(runs: pd.DataFrame, tmp_path: Path) -> None:
    comparisons = [compare(runs, by) for by in ("flops", "params", "acts")]
    figure = normalized_edf_figure(comparisons, error_window(finished_errors(runs)))
    for row, comparison in enumerate(comparisons):
        _, middle, right = figure.axes[3 * row : 3 * row + 3]
        for line, space in zip(middle.get_lines(), comparison.spaces, strict=True):
            np.testing.assert_array_equal(line.get_xydata(), np.column_stack([space.errors, space.shares]))
        _, ring, dot = right.get_lines()[:3]
        assert ring.get_xdata() == comparison.spaces[0].plain_mean
        assert dot.get_xdata() == comparison.spaces[0].mean
    assert len(save_figure(figure, tmp_path, "normalized")) == 2


def test_what_is_left_out_is_written_on_it(runs: pd.DataFrame) -> None:
    figure = normalized_edf_figure([compare(runs, "params")], error_window(finished_errors(runs)))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[1] == "anynetx_c (1 diverged, 1 failed, 2 not yet run)"
    space = compare(runs, "params").spaces[1]
    ticks = [text.get_text() for text in figure.axes[2].get_yticklabels()]
    assert ticks[1] == f"anynetx_c\n{space.inside} of 10, eff. {space.effective_n:.0f}"
    assert "pointwise band" in figure.get_suptitle()


def test_the_reason_for_no_comparison_is_written_on_it(runs: pd.DataFrame, tmp_path: Path) -> None:
    apart = runs.assign(params=np.where(runs["space"] == "anynetx_c", 10, 20) + np.arange(len(runs)) % 3)
    comparison = compare(apart, "params")
    figure = normalized_edf_figure([comparison], error_window(finished_errors(runs)))
    assert comparison.reason.startswith("no params in common")
    assert comparison.reason in [text.get_text() for text in figure.axes[1].texts]
    save_figure(figure, tmp_path, "apart")


@pytest.mark.parametrize("rows", [[], [0], [8], [10]], ids=["nothing", "one", "diverged", "missing"])
def test_studies_of_which_little_is_known(rows: list[int], runs: pd.DataFrame, tmp_path: Path) -> None:
    few = runs.iloc[rows]
    figure = normalized_edf_figure([compare(few, "acts")], error_window(finished_errors(few)))
    assert len(save_figure(figure, tmp_path, "few")) == 2
