"""The examination for a GPU, on the CPU: all parts run and leave their files, whatever becomes of one."""

import json
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "scripts" / "gpu"
sys.path.insert(0, str(FOLDER))
import examine  # noqa: E402
from options import Options, parse  # noqa: E402

FINE = """
import json, pathlib, sys
options = dict(word.split("=") for word in sys.argv[1:])
checks = [{"what": "one", "value": 1, "expected": "1", "held": True, "asked": True}]
content = {"part": "fine", "status": "held", "machine": {"card": "none"}, "checks": checks}
pathlib.Path(options["output"], "fine.json").write_text(json.dumps(content))
"""
CRASH = "import os; print('before the crash', flush=True); os._exit(3)"
HANG = "import time; time.sleep(60)"


def part(folder: Path, name: str, text: str, share: float) -> examine.Part:
    path = folder / "parts" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return examine.Part(name, share, path)


def test_a_part_that_crashes_or_hangs_leaves_the_others_theirs(tmp_path: Path) -> None:
    parts = [
        part(tmp_path, "crash", CRASH, 0.1),
        part(tmp_path, "hang", HANG, 0.02),
        part(tmp_path, "fine", FINE, 0.9),
    ]  # fmt: skip
    (tmp_path / "hang.json").write_text('{"status": "held"}')  # of an earlier examination
    assert not examine.examine(Options("cpu", tiny=True, output=tmp_path, seconds=20), parts)
    results = {each.name: json.loads((tmp_path / f"{each.name}.json").read_text()) for each in parts}
    assert {name: result["status"] for name, result in results.items()} == {
        "crash": "failed", "hang": "stopped", "fine": "held"
    }  # fmt: skip
    assert results["crash"]["errors"] == ["ended with status 3: before the crash"]
    summary = (tmp_path / "summary.md").read_text()
    assert "| one | 1 | 1 | yes |" in summary
    assert "stopped at its time limit" in summary
    assert examine.examine(Options("cpu", output=tmp_path, seconds=20), parts[2:])


@pytest.mark.parametrize("word", ["device=tpu", "tiny=yes", "seconds=0", "output=", "speed=1", "cpu"])
def test_words_that_are_no_options(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert examine.main([word]) == 2
    assert capsys.readouterr().err.startswith(f"error: {word}: must be ")


def test_options_are_read_as_they_are_written() -> None:
    options = Options("cpu", tiny=True, output=Path("/somewhere"), seconds=3.5)
    assert parse(options.words()) == options


# The part `small` starts whole runs, which the pipeline's tests do too: a minute more, where it is asked for.
PARTS = [each for each in examine.PARTS if each.name != "small" or os.environ.get("ALL_PARTS")]


@pytest.mark.slow
def test_all_parts_run_on_the_cpu(tmp_path: Path) -> None:
    options = Options("cpu", tiny=True, output=tmp_path, seconds=3000)
    held = examine.examine(options, PARTS)
    results = {each.name: json.loads((tmp_path / f"{each.name}.json").read_text()) for each in PARTS}
    assert {name: result["errors"] for name, result in results.items()} == {name: [] for name in results}
    assert {result["status"] for result in results.values()} == {"held"}, results
    assert held
    assert len(results["right"]["checks"]) == 12
    if "small" in results:
        assert {"1 worker", "plain script"} <= set(results["small"]["figures"])
    assert any(name.endswith("images a second") for name in results["paper"]["figures"])
    assert "images a second by readers, their start included" in results["feeding"]["figures"]
    summary = (tmp_path / "summary.md").read_text()
    assert all(f"## {name}: held" in summary for name in results)
