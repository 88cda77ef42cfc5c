"""Folders that workers need: fall back, or name the one that cannot be used, in one line."""

import os
import subprocess
import sys
from unittest.mock import Mock

import pytest

from designspace.errors import UserError
from designspace.launch import places
from designspace.launch.places import check_places

HERE = os.path.dirname(__file__)
POOL = f"""
import sys
sys.path.append({HERE!r})
from collections import deque
import work
from designspace.launch.pool import ProcessPool
if __name__ == "__main__":
    with ProcessPool(work.square_setup, environments=[{{}}]) as pool:
        print([outcome.value for outcome in pool.run(deque([3]))])
"""


def test_a_temporary_folder_with_a_long_path(tmp_path):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    environment = os.environ | {"TMPDIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", POOL], env=environment, capture_output=True, text=True)
    assert done.stdout == "[9]\n", done.stderr
    assert list(folder.iterdir()) == []


def test_no_short_temporary_folder_either(tmp_path, monkeypatch):
    folder = tmp_path / ("x" * 100)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(places.tempfile, "tempdir", str(folder))
    monkeypatch.setattr(places.util, "get_temp_dir", Mock(side_effect=OSError(30, os.strerror(30))))
    with pytest.raises(
        UserError, match=r"TMPDIR=.*: too long .* at most 71 bytes; and /tmp cannot be used: Re"
    ):
        check_places()
    assert places.tempfile.tempdir == str(folder)


def test_no_place_for_semaphores(monkeypatch):
    context = Mock(Lock=Mock(side_effect=OSError(30, os.strerror(30))))
    monkeypatch.setattr(places, "get_context", lambda method: context)
    with pytest.raises(UserError, match="/dev/shm: Read-only file system: worker processes need semaphores"):
        check_places()


def test_a_current_folder_that_was_deleted(tmp_path, monkeypatch):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(UserError, match="current folder: it does not exist any more"):
        check_places()
    script = os.path.join(os.path.dirname(HERE), "../scripts/status.py")
    environment = os.environ | {"PYTHONPATH": os.path.abspath(os.path.join(places.__file__, "../../.."))}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: current folder: it does not exist any more")
    assert done.stderr.count("\n") == 1
