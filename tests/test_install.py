"""The package away from its clone: the wheel, the installed command, a Python that lacks it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from designspace import commands
from designspace.files import CONF_FOLDER

CLONE = CONF_FOLDER.parent
ENTRY = "from designspace.cli import run_command; run_command()"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of a wheel that is built from a copy of the clone, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    clone = folder / "clone"
    left_out = shutil.ignore_patterns(".*", "results", "build", "*.egg-info", "__pycache__")
    shutil.copytree(CLONE, clone, ignore=left_out, symlinks=True)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder), str(clone)]
    built = subprocess.run(build, capture_output=True, text=True)
    if built.returncode and "No matching distribution found for setuptools" in built.stderr:
        pytest.skip("setuptools cannot be fetched")
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("designspace-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def designspace(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder. PYTHONPATH goes before the clone of an editable install."""
    call = [sys.executable, "-c", f"import sys; sys.argv[0] = 'designspace'; {ENTRY}", *arguments]
    return subprocess.run(
        call, capture_output=True, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": str(site)}
    )


def test_the_wheel_holds_everything_that_the_clone_reads(site: Path) -> None:
    assert files(site / "designspace" / "conf") == files(CLONE / "conf")
    assert files(site / "designspace") == files(CLONE / "designspace") | {
        f"conf/{name}": content for name, content in files(CLONE / "conf").items()
    }


def test_the_command_samples_and_refines_away_from_the_clone(site: Path, tmp_path: Path) -> None:
    before = files(site)
    asked = ["space=regnetx", "num_models=4", "stop_after=sample"]
    sampled = designspace(site, tmp_path, "sample-and-train", *asked)
    assert sampled.stdout == "results/laptop/regnetx/models.parquet: 4 models\n", sampled.stderr
    status = designspace(site, tmp_path, "status")
    assert status.returncode == 0
    assert "regnetx" in status.stdout
    analyzed = designspace(site, tmp_path, "analyze")
    assert analyzed.returncode == 2
    assert analyzed.stderr.endswith("run designspace sample-and-train\n")
    assert files(site) == before


def test_the_command_says_what_it_knows(site: Path, tmp_path: Path) -> None:
    listed = designspace(site, tmp_path)
    assert listed.returncode == 0
    for name in ("sample-and-train", "analyze", "refine", "status"):
        assert f"\n  {name} " in listed.stdout
        shown = designspace(site, tmp_path, name, "--help").stdout
        assert f"designspace {name}" in shown
        assert "scripts/" not in shown
    unknown = designspace(site, tmp_path, "analyse")
    assert unknown.returncode == 2
    assert unknown.stderr == (
        "error: designspace analyse: unknown; must be one of "
        "sample-and-train, analyze, refine, train-final, export, find, status\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("called", "shown"),
    [
        ("/somewhere/bin/designspace", "designspace sample-and-train 'space=a b'"),
        ("scripts/status.py", "python scripts/sample_and_train.py 'space=a b'"),
        ("/somewhere/ipykernel_launcher.py", "python scripts/sample_and_train.py 'space=a b'"),
    ],
)
def test_messages_name_programs_as_they_are_called(
    called: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [called])
    assert commands.command("sample_and_train", "space=a b") == shown


@pytest.mark.parametrize("script", ["sample_and_train", "analyze", "refine", "status"])
def test_a_python_without_the_package_says_so_in_one_line(script: str, tmp_path: Path) -> None:
    call = [sys.executable, "-S", str(CLONE / "scripts" / f"{script}.py")]
    ended = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "has no package designspace; run `. .venv/bin/activate`" in line
