import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from designspace.analysis.study import analyze
from designspace.errors import RunError
from designspace.launch.local import Processes
from designspace.report.contents import NO_PAIR, NO_RANKING, NO_REPEATS, topics
from designspace.report.edf_figure import edf_figure, legend_text
from designspace.report.files import save_figure
from designspace.report.importance_figure import importance_figure
from designspace.report.provenance import About
from designspace.report.style import PNG_DPI, figure_style
from designspace.report.width_figure import width_figure
from designspace.report.write import write_analysis


def assert_valid(paths: list[Path]) -> None:
    for path in paths:
        if path.suffix == ".png":
            assert np.ptp(matplotlib.image.imread(path)) > 0
        elif path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        elif path.suffix == ".html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
        else:
            assert len(pd.read_csv(path).columns) > 1


def test_every_file_is_written_and_readable(runs: pd.DataFrame, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "analysis"
    study = analyze(runs)
    paths = write_analysis(study, folder)
    assert_valid(paths)
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in paths)
    names = {path.name for path in paths}
    assert names >= {"report.html", "summary.csv", "edf.csv", "parameters.csv", "fits.csv", "comparison.csv"}
    assert names >= {"edf.png", "comparison.png", "normalized.png", "sample_size.png", "random_search.png"}
    assert names >= {"importance.png", "widths.png", "fit.png", "costs.png"}
    assert names >= {"parameters_anynetx_c.png", "parameters_a___b______c.png"}
    figures = {path.stem for path in paths if path.suffix == ".png"}
    assert {path.stem for path in paths if path.suffix == ".svg"} == figures
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert all(f'id="{topic.id}"' in page for topic in topics(study))
    assert len(pd.read_csv(folder / "fits.csv")) == 24


def test_a_figure_that_would_show_nothing_is_not_there_and_the_page_says_why(
    runs: pd.DataFrame, tmp_path: Path
) -> None:
    old = [tmp_path / f"ranking.{suffix}" for suffix in ("png", "svg")]  # of an analysis before
    for path in old:
        path.touch()
    one = runs[runs["space"] == "anynetx_c"]
    names = {path.stem for path in write_analysis(analyze(one), tmp_path) if path.suffix == ".png"}
    assert not names & {"comparison", "edf_difference", "normalized", "ranking", "noise"}
    assert not any(path.exists() for path in old)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for why in (NO_PAIR, NO_RANKING, NO_REPEATS):
        assert f"<p>{why}</p>" in page


@pytest.mark.parametrize("rows", [[], [0], [8], [10]], ids=["nothing", "one", "diverged", "missing"])
def test_studies_of_which_little_is_known(rows: list[int], runs: pd.DataFrame, tmp_path: Path) -> None:
    assert_valid(write_analysis(analyze(runs.iloc[rows]), tmp_path))


def test_any_number_of_workers_writes_the_same(runs: pd.DataFrame, tmp_path: Path) -> None:
    study = analyze(runs.iloc[:8])
    alone, together = (
        write_analysis(
            study, tmp_path / str(workers) / "analysis", About("study"), executor=Processes(workers)
        )
        for workers in (1, 2)
    )
    assert [path.name for path in alone] == [path.name for path in together]
    for one, two in zip(alone, together, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name


@pytest.mark.parametrize("workers", [1, 2])
def test_a_figure_that_cannot_be_written_is_named(workers: int, runs: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "random_search.svg").mkdir()
    with pytest.raises(RunError, match=r"random_search: drawing failed: .*[Dd]irectory"):
        write_analysis(analyze(runs), tmp_path, executor=Processes(workers))
    assert not list(tmp_path.glob(".*"))
    assert not (tmp_path / "report.html").exists()


def test_a_saved_figure_is_what_matplotlib_saves(runs: pd.DataFrame, tmp_path: Path) -> None:
    found = [space.importance for space in analyze(runs).spaces]
    figure = importance_figure(found)
    with figure_style():
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine("none")
        figure.savefig(tmp_path / "theirs.png", dpi=PNG_DPI)
        figure.savefig(tmp_path / "theirs.svg", dpi=PNG_DPI, metadata={"Date": None})
    for path in save_figure(importance_figure(found), tmp_path, "ours"):
        assert path.read_bytes() == (tmp_path / f"theirs{path.suffix}").read_bytes()


def test_names_are_text_and_not_mathematics(runs: pd.DataFrame) -> None:
    figure = edf_figure(analyze(runs))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[0].startswith("a <$b$> & /c  10 | ")
    assert not figure.legends[0].get_texts()[0].get_parse_math()


def test_legend_counts_what_has_no_error(runs: pd.DataFrame) -> None:
    c = analyze(runs).spaces[1]
    low, mean = c.edf.min, c.edf.mean
    expected = f"10 | {low:.1f} | {mean:.1f}  (1 diverged, 1 failed, 2 not yet run)"
    assert legend_text(c.edf) == expected
    nothing = analyze(runs[runs["status"] == "missing"]).spaces[1]
    assert legend_text(nothing.edf) == "0 | - | -  (2 not yet run)"


def test_the_curve_drawn_is_the_curve_computed(runs: pd.DataFrame) -> None:
    study = analyze(runs)
    line = edf_figure(study).axes[0].get_lines()[0]
    edf = study.spaces[0].edf
    assert line.get_drawstyle() == "steps-post"
    np.testing.assert_array_equal(line.get_xydata(), np.column_stack([edf.errors, edf.shares]))


def test_fits_are_drawn_beside_the_widths(runs: pd.DataFrame) -> None:
    study = analyze(runs)
    solid, dashed = width_figure(study).axes[1].get_lines()
    best = study.spaces[0].top[0]
    assert solid.get_ydata().tolist() == best.observed.tolist()
    assert dashed.get_ydata().tolist() == best.fitted.tolist()


def test_same_study_same_file(runs: pd.DataFrame, tmp_path: Path) -> None:
    study = analyze(runs)
    first, second = (save_figure(edf_figure(study), tmp_path, name) for name in ("one", "two"))
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_pyplot_and_its_global_figures_are_not_used() -> None:
    code = "import sys, designspace.report.write; print('matplotlib.pyplot' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False"
