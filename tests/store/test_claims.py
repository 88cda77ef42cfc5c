"""Claims: one worker at a model, and none for ever."""

import errno
import json
import os
import subprocess
import sys
import time
from unittest.mock import Mock

import pytest

from designspace.store import claims, paths, processes
from designspace.store.claims import ClaimedError, age_seconds, claimed, epochs_in_work, is_void


@pytest.fixture
def path(tmp_path):
    return tmp_path / "0123.claim"


def test_a_claim_excludes_others_and_ends(path):
    with claimed(path):
        assert path.exists()
        with pytest.raises(ClaimedError, match="0123 is being trained by another worker"), claimed(path):
            pass
        assert path.exists()
    assert not path.exists()
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_hard_links_has_claims_too(path, monkeypatch, number):
    monkeypatch.setattr(os, "link", Mock(side_effect=OSError(number, os.strerror(number))))
    test_a_claim_excludes_others_and_ends(path)


def test_a_claim_that_cannot_be_made_is_an_error(path, monkeypatch):
    monkeypatch.setattr(os, "link", Mock(side_effect=OSError(errno.EIO, "broken")))
    with pytest.raises(OSError, match="broken"), claimed(path):
        pass
    assert os.listdir(path.parent) == []


def test_the_claim_of_a_dead_process_is_void(path):
    code = (
        "import os, sys; from pathlib import Path; from designspace.store.claims import claimed\n"
        f"with claimed(Path({str(path)!r})): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert path.exists()
    assert is_void(path)
    with claimed(path):
        assert not is_void(path)


def test_a_reused_process_number_does_not_keep_a_claim(path):
    with claimed(path):
        owner = json.loads(path.read_text())
        path.write_text(json.dumps({**owner, "born": "1"}))
        assert is_void(path)


def test_the_age_decides_for_other_machines_and_torn_claims(path):
    for content in ('{"host": "elsewhere", "boot": "", "pid": 1, "born": "1"}', "{", ""):
        path.write_text(content)
        assert not is_void(path)
        old = time.time() - claims.CLAIM_SECONDS - 5
        os.utime(path, (old, old))
        assert is_void(path)


def test_a_clock_that_jumps_makes_no_claim_void(path, monkeypatch):
    path.write_text('{"host": "elsewhere", "boot": "", "pid": 1, "born": "1"}')
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert not is_void(path)


def test_touching_keeps_a_claim_young(path):
    with claimed(path) as claim:
        old = time.time() - 1000
        os.utime(path, (old, old))
        assert age_seconds(path) > 900
        claim.touch()
        assert age_seconds(path) < 5


def test_a_claim_that_was_taken_away_does_not_stop_its_owner(path):
    with claimed(path) as claim:
        path.unlink()
        claim.touch()


@pytest.fixture
def without_proc(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "PROC", tmp_path / "none")


@pytest.mark.usefixtures("without_proc")
def test_without_proc_a_claim_ends_with_its_process(path):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = {"host": paths.host_name(), "boot": "", "pid": process.pid, "born": ""}
    path.write_text(json.dumps(owner))
    assert not is_void(path)
    path.write_text(json.dumps({**owner, "born": None}))  # as an earlier version wrote it
    assert not is_void(path)
    process.communicate(b"\n")
    assert is_void(path)
    with claimed(path):
        assert not is_void(path)


@pytest.mark.parametrize("end", ["zombie", "reaped"])
def test_temporary_files_of_dead_processes_are_removed(tmp_path, end):
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | (os.WNOWAIT if end == "zombie" else 0))
    for pid in (process.pid, os.getpid()):
        (tmp_path / f".x.json.{paths.host_name()}.{pid}.tmp").touch()
    paths.remove_leftovers(tmp_path)
    process.poll()
    assert [p.name for p in tmp_path.iterdir()] == [f".x.json.{paths.host_name()}.{os.getpid()}.tmp"]


def test_the_epoch_in_work_is_told_in_the_claim(path):
    with claimed(path) as claim:
        assert epochs_in_work(path.parent) == []
        for epoch in (9, 100_000, 1):
            claim.note(epoch)
            assert epochs_in_work(path.parent) == [epoch]
            assert not is_void(path)
        path.write_text('{"host": "of another"}')
        claim.note(2)
        assert path.read_text() == '{"host": "of another"}'
        path.unlink()
        claim.note(2)
        assert not path.exists()
    assert epochs_in_work(path.parent) == []
