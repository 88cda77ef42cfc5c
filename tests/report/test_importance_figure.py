import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from designspace.analysis.importance import Importance, SpaceImportance, parameter_importance
from designspace.analysis.study import StudyAnalysis, analyze
from designspace.report.files import save_figure
from designspace.report.importance_figure import importance_figure, pairs_figure


def rate(study: StudyAnalysis) -> list[SpaceImportance]:
    rng = np.random.default_rng(0)
    return [
        parameter_importance(s.name, s.parameters, s.runs, rng=rng, permutations=19) for s in study.spaces
    ]


def test_cells_hold_the_numbers_and_mark_what_is_significant(tmp_path: Path) -> None:
    a = SpaceImportance("a", (Importance("d1", 0.5, -0.7, 0.001, 0.002, 6), one_value("b")), 60, 0)
    c = SpaceImportance("c", (Importance("d1", 0.01, 0.1, 0.3, 0.3, 6),), 50, 2)
    figure = importance_figure([a, c])
    left, right = figure.axes
    at = {text.get_position(): text for text in left.texts}
    assert {place: text.get_text() for place, text in at.items()} == {
        (0, 0): "0.50*",
        (1, 0): "0.01",
        (0, 1): "-",
    }
    assert at[0, 0].get_fontweight() == "bold"
    assert at[1, 0].get_fontweight() == "normal"
    assert [text.get_text() for text in right.texts] == ["-0.70", "-", "+0.10"]
    assert [label.get_text() for label in left.get_xticklabels()] == ["a\nn = 60", "c\nn = 50"]
    assert "2 diverged or failed models share the worst rank" in figure.get_suptitle()
    save_figure(figure, tmp_path, "importance")


def one_value(name: str) -> Importance:
    return Importance(name, *(float("nan"),) * 4, groups=1)


def test_parameters_stand_in_the_order_of_the_network() -> None:
    names = [("depth", "d1", "w1", "b1", "g1", "flops", "e_fit"), ("depth", "d1", "w1", "b", "g", "w0", "wm")]
    spaces = [SpaceImportance(str(i), tuple(map(one_value, own)), 9, 0) for i, own in enumerate(names)]
    shown = [label.get_text() for label in importance_figure(spaces).axes[0].get_yticklabels()]
    assert shown == ["depth", "d1", "w1", "b1", "b", "g1", "g", "w0", "wm", "flops", "e_fit"]


def test_every_model_is_in_every_pair(runs: pd.DataFrame, tmp_path: Path) -> None:
    study = analyze(runs)
    space, names = study.spaces[1], ["w1", "d2", "params", "depth"]
    figure = pairs_figure(space, names)
    panels = [axes for axes in figure.axes if axes.axison and axes.collections and axes.get_lines()]
    assert len(panels) == 6
    for axes in panels:
        (points,), (crosses,) = axes.collections, axes.get_lines()
        assert np.isfinite(points.get_offsets()).all()
        assert (~np.ma.getmaskarray(points.get_array())).sum() == 8
        assert len(crosses.get_xdata()) == 2  # diverged and failed
    first = panels[0].collections[0]
    best = int(space.runs["error"].argmin())
    errors = first.get_array().compressed()
    assert errors[-1] == space.runs["error"].min()  # on top
    assert first.get_offsets()[7, 0] == space.parameters["w1"][best]  # widths stay where they are
    moved = first.get_offsets()[7, 1] - space.parameters["d2"][best]
    assert 0 < abs(moved) <= 0.3
    assert "x: diverged or failed" in figure.get_suptitle()
    save_figure(figure, tmp_path, "pairs")


@pytest.mark.parametrize("rows", [[], [0], [8], [10]], ids=["nothing", "one", "diverged", "missing"])
def test_studies_of_which_little_is_known(rows: list[int], runs: pd.DataFrame, tmp_path: Path) -> None:
    study = analyze(runs.iloc[rows])
    save_figure(importance_figure(rate(study)), tmp_path, "importance")
    for space, importance in zip(study.spaces, rate(study), strict=True):
        for names in (
            importance.most_important(),
            ("w1",),
            ("w1", "b"),
            ("d1", "w0")[: 1 + ("w0" in space.parameters)],
        ):
            save_figure(pairs_figure(space, names), tmp_path, "pairs")


def test_no_figure_uses_pyplot() -> None:
    code = (
        "import sys, designspace.report.importance_figure, designspace.report.sample_size_figure, "
        "designspace.report.normalized_figure, designspace.report.random_search_figure; "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False"
