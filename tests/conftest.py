"""Fixtures that several folders of tests use."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from slurm.cluster import slurm, slurm_cluster  # noqa: F401  # fixtures, found by name
from slurm.runs import truth  # noqa: F401  # fixtures, found by name

from designspace import cli

# A shell that starts the tests in the background has them, and all runs that they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """refusal(program, *arguments): its line about bad input, in this process, which saves two seconds."""

    def run(program: cli.Program, *arguments: str | bytes) -> str:
        typed = [os.fsdecode(argument) for argument in arguments]
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", [f"scripts/{program.name}.py", *typed])
        assert cli._guarded(lambda: cli._main(program, typed)) == cli.Status.BAD_INPUT
        printed = capsys.readouterr()
        assert printed.out == ""
        (line,) = printed.err.splitlines()
        assert line.startswith("error: ")
        return line

    return run
