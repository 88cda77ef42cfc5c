from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from designspace.analysis.edf import error_window
from designspace.analysis.proposals import propose
from designspace.analysis.refinement import what_if
from designspace.analysis.results import finished_errors
from designspace.report.files import save_figure
from designspace.report.refinement_figure import proposals_figure, refinement_figure
from designspace.report.text.refinement import groups_text, proposals_text
from designspace.spaces.load import load_space
from designspace.spaces.restrictions import Restriction


@pytest.mark.parametrize("rows", [12, 8, 1, 0], ids=lambda n: f"{n} models")
def test_the_curves_are_those_computed(rows: int, runs: pd.DataFrame, tmp_path: Path) -> None:
    runs = runs[runs["space"] != "anynetx_c"].iloc[:rows]
    found = what_if(runs, [Restriction("depths", "range", 1, 6)], seed=0)
    groups = [found.everything, found.kept, found.rest]
    window = error_window(finished_errors(runs))
    figure = refinement_figure(groups, window, title="a <$b$> & /c", sentence="So it is. " * 30)
    lines = figure.axes[0].get_lines()
    drawn = [group for group in groups if group.edf.n]
    for line, group in zip(lines, drawn, strict=True):
        expected = np.column_stack([group.edf.errors, group.edf.shares])
        np.testing.assert_array_equal(line.get_xydata(), expected)
        assert str(line.get_label()).startswith(group.name)
    assert all(path.stat().st_size > 1000 for path in save_figure(figure, tmp_path, "refine"))
    text = groups_text(groups).splitlines()
    assert [line.split()[0] for line in text] == ["models", "all", "kept", "rest"]
    assert int(text[1].split()[1]) == found.everything.edf.n


def test_proposals_show_their_difference_and_their_evidence(runs: pd.DataFrame, tmp_path: Path) -> None:
    runs = pd.concat([runs[runs["space"] == "anynetx_c"]] * 4, ignore_index=True)
    proposals = propose(load_space("anynetx_c"), runs, seed=0, permutations=9)
    figure = proposals_figure(proposals, title="x")
    dots = [line for line in figure.axes[0].get_lines() if line.get_marker() == "o"]
    means = [p.difference.mean.value for p in proposals]
    np.testing.assert_array_equal([line.get_xydata()[0, 0] for line in dots], means)  # type: ignore[index]
    beside = [text.get_text() for text in figure.axes[0].texts]
    assert beside[0].startswith(f"{proposals[0].kept} of 40")
    save_figure(figure, tmp_path, "proposals")
    assert len(proposals_text(proposals).splitlines()) == 1 + len(proposals)
