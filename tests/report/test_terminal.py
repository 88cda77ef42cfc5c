"""Tables on a terminal: every number is whole, whatever the width."""

import io
from pathlib import Path

import pandas as pd
import pytest

from designspace.analysis.errors import study_errors
from designspace.analysis.study import analyze
from designspace.report.edf_figure import edf_figure
from designspace.report.files import save_figure
from designspace.report.terminal import NAME_WIDTH, PLAIN_WIDTH, console_of, table_text
from designspace.report.text.summary import errors_text, summary_text
from designspace.report.write import write_edf

LONG = "a_space_of_mine_with_a_name_that_goes_on_and_on"
CELLS = {
    "done": "123",
    "failed": "0",
    "best error": "14.03 %",
    "mean [95 % interval]": "15.97 [15.83, 16.14]",
}


def rows(*names: str, columns: int = 1) -> list[dict[str, str]]:
    more = {f"{key} {i}": f"{text} {i}" for i in range(1, columns) for key, text in CELLS.items()}
    return [{"space": name, **CELLS, **more} for name in names]


@pytest.mark.parametrize("width", [40, 52, 80, 200])
def test_no_number_is_cut_and_no_line_too_long(width: int) -> None:
    lines = table_text(rows("anynetx_c", LONG, columns=3), width).splitlines()
    assert max(map(len, lines)) <= max(width, NAME_WIDTH + 24)
    for cell in ("123", "14.03 % 2", "15.97 [15.83, 16.14]", "15.97 [15.83, 16.14] 1"):
        assert sum(cell in line for line in lines) >= 2
    names = [line for line in lines if line.startswith("anynetx_c ")]
    assert bool(len(names) > 1) == (width < 200)


def test_empty_columns_are_left_out_where_somebody_looks() -> None:
    assert "failed" not in table_text(rows("a"), 80)
    assert "failed" in table_text(rows("a"), PLAIN_WIDTH)
    assert table_text(rows("a"), PLAIN_WIDTH).count("\n") == 1


def test_a_long_name_goes_on_below() -> None:
    lines = table_text(rows(LONG, columns=2), 80).splitlines()
    parts = [line[:NAME_WIDTH].strip() for line in lines]
    assert LONG[:NAME_WIDTH] in parts
    assert LONG[NAME_WIDTH:] in parts


def test_elsewhere_than_on_a_terminal_nothing_is_wrapped() -> None:
    assert console_of(io.StringIO()).width == PLAIN_WIDTH


def test_the_first_look_is_what_the_whole_analysis_finds(runs: pd.DataFrame, tmp_path: Path) -> None:
    study = analyze(runs)
    first = write_edf(study_errors(runs), tmp_path)
    whole, _ = save_figure(edf_figure(study), tmp_path, "whole")
    assert first.read_bytes() == whole.read_bytes()
    assert errors_text(study_errors(runs), 80) == errors_text(study, 80)
    assert max(map(len, f"{errors_text(study, 80)}\n{summary_text(study, 80)}".splitlines())) <= 80
