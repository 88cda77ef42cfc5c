"""The notebooks run from top to bottom, and are committed with the outputs of such a run."""

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from designspace.files import CONF_FOLDER

FOLDER = CONF_FOLDER.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LONGEST = 25  # lines of a code cell: what is longer belongs into the package


SHORTENED = {
    "num_models=8": "num_models=2",
    "train.epochs=5": "train.epochs=2",
    "final_epochs=15": "final_epochs=2",
}


def test_all_six_are_there() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06"]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:  # one trains
        for as_published, here in SHORTENED.items():
            cell.source = cell.source.replace(as_published, here)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(FOLDER)}}).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_thin_and_committed_with_its_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [
        out
        for cell in code
        for out in cell.outputs
        if out.output_type == "error" or out.get("name") == "stderr"
    ]
    assert any("image/png" in out.get("data", {}) for cell in code for out in cell.outputs)
    assert max(cell.source.count("\n") + 1 for cell in code) <= LONGEST
    for cell in code:
        ast.parse("\n".join(line for line in cell.source.splitlines() if not line.startswith("%")))
    assert path.stat().st_size < 2_000_000
