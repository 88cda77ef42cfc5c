"""The status of a study: counts that add up, whatever lies in the folder, and nothing written."""

import io
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone

import pandas as pd
import pytest

from designspace.cli import STATUS
from designspace.errors import UserError
from designspace.files import CONF_FOLDER
from designspace.report.status import LINES, print_status, watch_status
from designspace.store import records, status
from designspace.store.claims import CLAIM_SECONDS, claimed
from designspace.store.paths import StudyFolder, find_study
from designspace.store.records import Attempt, Kind, Record, Status, write_record
from designspace.store.status import study_status, to_json
from designspace.store.tables import collect

IDS = [f"{i:016x}" for i in range(8)]
NOW = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


def record(model_id, state="done", *, error=12.5, ended=NOW, seconds=60.0, reason=None, kind=None):
    ok = state == "done"
    if not ok and kind is None:
        kind = Kind.DIVERGED if state == "diverged" else Kind.EXCEPTION
    started = (ended - timedelta(seconds=seconds)).isoformat()
    attempt = Attempt(Status(state), kind, reason, "host", started, seconds, None if ok else "Traceback ...")
    times = {"train_seconds": 50.0, "val_seconds": 4.0} if ok else {}
    return Record(
        model_id, "s", Status(state), 1, error if ok else None, reason, attempts=(attempt,), **times
    )


@pytest.fixture(autouse=True)
def _at_noon(monkeypatch):
    monkeypatch.setattr(status.time, "time", NOW.timestamp)


@pytest.fixture
def study(tmp_path):
    folder = StudyFolder(tmp_path / "results" / "test")
    add_space(folder, "anynetx_a")
    return folder


def add_space(study, name, ids=IDS):
    folder = study.space(name)
    folder.records.mkdir(parents=True)
    pd.DataFrame({"model_id": ids, "space": name}).to_parquet(folder.models)
    return folder


def only(study):
    (space,) = study_status(study).spaces
    return space


def text(study):
    out = io.StringIO()
    print_status(study_status(study), out)
    return out.getvalue()


def test_every_model_is_counted_once(study):
    folder = study.space("anynetx_a")
    write_record(folder.record(IDS[0]), record(IDS[0]))
    write_record(folder.record(IDS[1]), record(IDS[1], error=11.25))
    write_record(folder.record(IDS[2]), record(IDS[2], "diverged", reason="loss is nan"))
    for model_id in IDS[3:5]:
        write_record(folder.record(model_id), record(model_id, "failed", reason="ValueError: x"))
    with ExitStack() as stack:
        for model_id in (IDS[0], IDS[4], IDS[5]):  # one is done and about to give its claim back
            stack.enter_context(claimed(folder.claim(model_id)))
        space = only(study)
    counts = (space.done, space.diverged, space.failed, space.running, space.waiting)
    assert counts == (2, 1, 1, 2, 2)
    assert space.models == sum(counts) == 8
    assert (space.best_error, space.mean_seconds) == (11.25, 54.0)
    after = only(study)
    assert (after.failed, after.running, after.waiting, after.seconds_left) == (2, 0, 3, None)


def test_claims_of_dead_workers_and_of_other_machines(study):
    folder = study.space("anynetx_a")
    elsewhere = '{"host": "elsewhere", "boot": "", "pid": 1, "born": "1"}'
    for model_id, age in zip(IDS, (1, CLAIM_SECONDS - 1, CLAIM_SECONDS + 1, -500), strict=False):
        folder.claim(model_id).write_text(elsewhere)
        os.utime(folder.claim(model_id), 2 * (NOW.timestamp() - age,))
    with claimed(folder.claim(IDS[4])):
        owner = json.loads(folder.claim(IDS[4]).read_text())
        folder.claim(IDS[5]).write_text(json.dumps({**owner, "born": "1"}))  # of a process that is no more
        assert only(study).running == 4
    folder.claim("f" * 16).write_text("{")  # of no model of this population
    os.utime(folder.claim("f" * 16), 2 * (NOW.timestamp(),))
    assert only(study).running == 3


def test_rate_and_time_left_over_the_last_hour(study):
    folder = study.space("anynetx_a")
    write_record(folder.record(IDS[0]), record(IDS[0], ended=NOW - timedelta(hours=20)))
    for i in (1, 2):  # the first began 30 minutes ago
        ended = NOW - timedelta(minutes=10 * i)
        write_record(folder.record(IDS[i]), record(IDS[i], ended=ended, seconds=600))
    stopped = only(study)
    assert stopped.rate_over == "last_hour"
    assert stopped.models_per_hour == pytest.approx(
        2 / (20 / 60)
    )  # 12:30 to 12:50 minutes: nobody is at work
    assert stopped.seconds_left is None
    with claimed(folder.claim(IDS[3])):
        running = only(study)
    assert running.models_per_hour == pytest.approx(2 / 0.5)
    assert running.seconds_left == pytest.approx(5 / 4 * 3600)


def test_long_models_count_for_at_most_the_hour(study):
    folder = study.space("anynetx_a")
    write_record(folder.record(IDS[0]), record(IDS[0], ended=NOW - timedelta(minutes=5), seconds=3e4))
    assert only(study).models_per_hour == pytest.approx(1.0)


def test_rate_over_the_whole_run_where_it_is_older(study):
    folder = study.space("anynetx_a")
    for i in range(4):
        ended = NOW - timedelta(days=3) + timedelta(minutes=30 * i)
        write_record(folder.record(IDS[i]), record(IDS[i], ended=ended, seconds=1800))
    space = only(study)
    assert (space.rate_over, space.models_per_hour) == ("whole_run", pytest.approx(2.0))
    assert "2.0 (whole run)" in text(study)


@pytest.mark.parametrize(
    "attempt",
    [
        {"started": "yesterday"},
        {"started": None},
        {"seconds": "long"},
        {"seconds": float("inf")},
        {"seconds": float("nan")},
        {"seconds": 0.0},
        {"started": "2099-01-01T00:00:00"},
    ],
)
def test_times_that_make_no_sense_give_no_nonsense(study, monkeypatch, attempt):
    folder = study.space("anynetx_a")
    strange = record(IDS[0])
    strange = replace(strange, attempts=(replace(strange.attempts[0], **attempt),))
    with monkeypatch.context() as patch:  # another program might write NaN
        patch.setattr(
            json, "dumps", lambda *a, _dumps=json.dumps, **k: _dumps(*a, **{**k, "allow_nan": True})
        )
        write_record(folder.record(IDS[0]), strange)
    with claimed(folder.claim(IDS[1])):
        space = only(study)
    assert (space.done, space.running, space.unreadable) == (1, 1, ())
    assert space.models_per_hour is None or space.models_per_hour >= 1
    json.loads(to_json(study_status(study)))


def test_failures_are_grouped_with_one_record_each(study):
    folder = study.space("anynetx_a")
    ends = [
        ("failed", "worker was killed by signal 9", Kind.WORKER_DIED),
        ("failed", "ValueError: x", None),
        ("failed", "ValueError: x", None),
        ("failed", "ValueError: x", Kind.OUT_OF_MEMORY),
        ("diverged", "loss is nan", None),
        ("done", None, None),
    ]
    for model_id, (state, reason, kind) in zip(IDS, ends, strict=False):
        write_record(folder.record(model_id), record(model_id, state, reason=reason, kind=kind))
    write_record(folder.record(IDS[6]), Record(IDS[6], "s", Status.FAILED, 1, reason="lost"))
    found = {(group.kind, group.reason): (group.count, group.record) for group in only(study).failures}
    assert found == {
        ("exception", "ValueError: x"): (2, str(folder.record(IDS[1]))),
        ("worker_died", "worker was killed by signal 9"): (1, str(folder.record(IDS[0]))),
        ("out_of_memory", "ValueError: x"): (1, str(folder.record(IDS[3]))),
        ("diverged", "loss is nan"): (1, str(folder.record(IDS[4]))),
        ("unknown", "lost"): (1, str(folder.record(IDS[6]))),
    }
    assert only(study).failures[0].count == 2
    assert f"2 x exception: ValueError: x\n      {folder.record(IDS[1])}\n" in text(study)


def test_files_that_cannot_be_used_are_named_and_stop_nothing(study):
    folder = study.space("anynetx_a")
    write_record(folder.record(IDS[0]), record(IDS[0]))
    whole = folder.record(IDS[0]).read_bytes()
    folder.record(IDS[1]).write_bytes(whole[: len(whole) // 2])
    folder.record(IDS[2]).write_bytes(b"")
    folder.record(IDS[3]).write_bytes(b"[" * 100_000)
    folder.record(IDS[4]).write_bytes(b"1" * 5_000)
    folder.record(IDS[5]).mkdir()
    os.mkfifo(folder.record(IDS[6]))
    write_record(folder.record("f" * 16), record("f" * 16))
    folder.record(IDS[7]).write_bytes(whole)  # of another model
    (folder.records / f".{IDS[1]}.json.host.1.tmp").write_text("{")
    (folder.records / f"{IDS[1]}.checkpoint").write_text("?")
    folder.claim(IDS[1]).mkdir()
    space = only(study)
    assert (space.models, space.done, space.waiting) == (8, 1, 7)
    named = {line.partition(": ")[0] for line in space.unreadable}
    assert named == {
        *(str(folder.record(model_id)) for model_id in (*IDS[1:], "f" * 16)),
        str(folder.claim(IDS[1])),
    }
    assert len(collect(folder).skipped) == 8


def test_a_file_that_vanishes_while_it_is_read_is_left_out(study, monkeypatch):
    folder = study.space("anynetx_a")
    for model_id in IDS[:3]:
        write_record(folder.record(model_id), record(model_id))
    read = records.read_record

    def vanish(path):
        path.with_name(f"{IDS[2]}.json").unlink(missing_ok=True)
        return read(path)

    monkeypatch.setattr(records, "read_record", vanish)
    monkeypatch.setattr(status, "is_void", lambda path, age: path.read_bytes() and path.unlink())
    folder.claim(IDS[4]).symlink_to(folder.claim(IDS[5]))  # listed, but there is nothing to read
    space = only(study)
    assert (space.done, space.waiting, space.unreadable) == (2, 6, ())


@pytest.mark.parametrize("content", [b"", b"PAR1", b"text"])
def test_torn_tables_are_named(study, content):
    folder = study.space("anynetx_a")
    write_record(folder.record(IDS[0]), record(IDS[0]))
    folder.runs.write_bytes(content)
    space = only(study)
    assert (space.done, space.waiting, len(space.unreadable)) == (1, 7, 1)
    folder.models.write_bytes(content)
    space = only(study)  # what can be seen of the population
    assert (space.models, space.done, len(space.unreadable)) == (1, 1, 2)
    with pytest.raises(UserError, match=r"models\.parquet: cannot be read"):
        collect(folder)


def test_tables_of_something_else_are_named(study):
    folder = study.space("anynetx_a")
    pd.DataFrame({"a": [1]}).to_parquet(folder.runs)
    assert "runs.parquet: cannot be read: no column model_id" in only(study).unreadable[0]
    pd.DataFrame({"a": [1]}).to_parquet(folder.models)
    assert only(study).models == 0


def test_a_study_that_was_passed_on_without_its_records(study):
    folder = study.space("anynetx_a")
    write_record(folder.record(IDS[0]), record(IDS[0]))
    write_record(folder.record(IDS[1]), record(IDS[1], "diverged", reason="loss is nan"))
    write_record(folder.record(IDS[2]), record(IDS[2], "failed", reason="x"))
    collect(folder).runs.to_parquet(folder.runs)
    for path in folder.records.iterdir():
        path.unlink()
    folder.records.rmdir()
    space = only(study)
    assert (space.done, space.diverged, space.failed, space.waiting) == (1, 1, 0, 6)
    assert (space.best_error, space.mean_seconds, space.models_per_hour) == (12.5, 54.0, None)
    assert [(group.kind, group.count, group.record) for group in space.failures] == [("diverged", 1, None)]
    json.loads(to_json(study_status(study)))
    pd.DataFrame({"model_id": IDS[1:]}).to_parquet(folder.models)  # the first is of no interest any more
    space = only(study)
    assert (space.models, space.done, space.best_error, space.waiting) == (7, 0, None, 6)


def test_a_record_says_more_than_the_collected_table(study):
    folder = study.space("anynetx_a")
    write_record(folder.record(IDS[0]), record(IDS[0]))
    collect(folder).runs.to_parquet(folder.runs)
    write_record(folder.record(IDS[0]), record(IDS[0], "failed", reason="x"))
    assert (only(study).done, only(study).failed) == (0, 1)


def test_nothing_there_yet(study):
    study.space("anynetx_a").records.rmdir()
    space = only(study)
    assert (space.models, space.waiting, space.best_error) == (8, 8, None)
    assert (space.failures, space.unreadable) == ((), ())
    assert study_status(StudyFolder(study.root / "none")).spaces == ()


def test_nothing_is_written(study):
    folder = study.space("anynetx_a")
    folder.claim(IDS[0]).write_text('{"host": "elsewhere", "boot": "", "pid": 1, "born": "1"}')
    before = {path: path.stat().st_mtime_ns for path in study.root.rglob("*")}
    time.sleep(0.01)
    study_status(study)
    assert {path: path.stat().st_mtime_ns for path in study.root.rglob("*")} == before


def test_three_spaces_and_their_sum(study):
    for name in ("anynetx_b", "regnetx"):
        write_record(add_space(study, name, IDS[:5]).record(IDS[0]), record(IDS[0]))
    lines = text(study).splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["anynetx_a", "anynetx_b", "regnetx", "all"]
    assert lines[5].split() == ["all", "18", "2", "0", "0", "0", "16"]
    assert len({line.index(" 0 ") for line in lines[3:5]}) == 1  # aligned


def test_reruns_are_counted_on_their_own(study):
    space = study.space("anynetx_a")
    for rerun in ("repeat_2", "repeat_10", "epochs_8"):
        folder = space.again(rerun)
        folder.records.mkdir(parents=True)
        pd.DataFrame({"model_id": IDS[:3], "space": "anynetx_a"}).to_parquet(folder.models)
        write_record(folder.record(IDS[0]), record(IDS[0]))
    (space.root / "repeat_x").mkdir()
    (space.root / "repeat_x" / "models.parquet").touch()  # of something else
    counts = {row.space: (row.models, row.done) for row in study_status(study).spaces}
    assert list(counts.items()) == [
        ("anynetx_a", (len(IDS), 0)),
        ("anynetx_a repeat_2", (3, 1)),
        ("anynetx_a repeat_10", (3, 1)),
        ("anynetx_a epochs_8", (3, 1)),
    ]


HOSTILE = "<script> [red]x[/red] [/] :bomb: \x1b[31m\x07 \u202e \r\n \ud800 ä"


@pytest.mark.parametrize("terminal", [False, True])
def test_names_and_reasons_are_shown_as_they_are(study, terminal, monkeypatch):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "300")
        monkeypatch.setenv("TERM", "xterm-256color")
    folder = add_space(study, "[red]x[bold]\x1b[31m")
    reason = HOSTILE.replace("\ud800", "")
    write_record(folder.record(IDS[0]), record(IDS[0], "failed", reason=reason))
    (folder.records / "\x1b]0;x\x07.json").write_text("{")
    out = text(study)
    assert r"<script> [red]x[/red] [/] :bomb: \x1b[31m\x07 \u202e \r\n " in out
    assert " ä" in out
    assert r"[red]x[bold]\x1b[31m" in out
    assert r"\x1b]0;x\x07.json" in out
    for character in "\x07\r\u202e":
        assert character not in out
    assert "\x1b[31m" not in out
    assert "\x1b]0" not in out
    assert ("\x1b[" in out) == terminal  # rich's own


def test_json_holds_the_values_and_only_ascii(study):
    folder = add_space(study, "b")
    write_record(folder.record(IDS[0]), record(IDS[0], "failed", reason=HOSTILE))
    found = study_status(study)
    encoded = to_json(found)
    assert encoded.isascii()
    assert json.loads(encoded) == json.loads(json.dumps(asdict(found)))
    assert json.loads(encoded)["spaces"][1]["failures"] == [
        {"kind": "exception", "reason": HOSTILE, "count": 1, "record": str(folder.record(IDS[0]))}
    ]


def test_the_keys_of_the_json_are_the_documented_ones(study):
    folder = study.space("anynetx_a")
    write_record(folder.record(IDS[0]), record(IDS[0], "failed", reason="x"))
    encoded = json.loads(to_json(study_status(study)))
    assert list(encoded) == ["study", "folder", "time", "spaces"]
    assert encoded["time"] == "2026-01-02T12:00:00+00:00"
    (space,) = encoded["spaces"]
    assert list(space) == [
        "space", "models", "done", "diverged", "failed", "running", "waiting", "best_error", "mean_seconds",
        "models_per_hour", "rate_over", "seconds_left", "failures", "unreadable",
    ]  # fmt: skip
    documented = STATUS.summary
    for key in (*encoded, *space, *space["failures"][0]):
        assert key in documented


def test_many_reasons_and_files_are_cut_short_for_people(study):
    folder = add_space(study, "b", ids := [f"{i:016x}" for i in range(3 * LINES)])
    for i, model_id in enumerate(ids[: 2 * LINES]):
        write_record(folder.record(model_id), record(model_id, "failed", reason=f"reason {i}"))
    for model_id in ids[2 * LINES :]:
        folder.record(model_id).write_text("{")
    (folder.records / "foreign.json").write_text("{")
    out = text(study)
    assert f"and {LINES} more reasons" in out
    assert "and 1 more;" in out
    assert len(out.splitlines()) == 5 + 2 * LINES + 2 + 1 + LINES + 1


def test_find_study(tmp_path, study):
    newer = StudyFolder(study.root.parent / "newer")
    add_space(newer, "a")
    os.utime(newer.space("a").records, 2 * (time.time() + 1e9,))
    root = str(study.root.parent)
    assert find_study(root, None) == newer
    assert find_study(root, "test") == study
    with pytest.raises(UserError, match="studies there: newer, test"):
        find_study(root, "other")


# ---- the program -------------------------------------------------------------------------------------------


def call(*arguments, folder, **environment):
    return subprocess.run(
        [sys.executable, str(CONF_FOLDER.parent / "scripts" / "status.py"), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
    )


def test_the_program_for_people_and_for_programs(tmp_path, study):
    folder = add_space(study, "räum")
    write_record(folder.record(IDS[0]), record(IDS[0], "failed", reason=HOSTILE))
    before = sorted(tmp_path.rglob("*"))
    for_people = call(folder=tmp_path, PYTHONIOENCODING="ascii")
    assert (for_people.returncode, for_people.stderr) == (0, "")
    assert "study test in results/test" in for_people.stdout
    assert "\\xe4um" in for_people.stdout
    for arguments in (["--json", "study=test"], ["study=test", "--json"], ["json=true"]):
        done = call(*arguments, folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert [space["space"] for space in json.loads(done.stdout)["spaces"]] == ["anynetx_a", "räum"]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "output_root=results: holds no study; run python scripts/sample_and_train.py first"),
        (["--json"], "output_root=results: holds no study"),
        (["study=nothing"], "study=nothing: holds no population below results; studies there: none"),
        (["study=../x"], "study=../x: must be a plain folder name"),
        (["studi=x"], "studi: unknown key; did you mean study?"),
        (["json=maybe"], "json=maybe: must be true or false"),
    ],
    ids=" ".join,
)
def test_bad_input(refusal, tmp_path, arguments, message):
    assert message in refusal(STATUS, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_help_names_the_keys(tmp_path):
    done = call("--help", folder=tmp_path)
    assert done.returncode == 0
    for word in (
        "python scripts/status.py",
        "  study=null ",
        "  output_root=results ",
        "--json",
        "seconds_left",
    ):
        assert word in done.stdout


def test_watching_ends_when_no_model_is_left(study, monkeypatch):
    folder, out, slept = study.space("anynetx_a"), io.StringIO(), []
    for model_id in IDS[:6]:
        write_record(folder.record(model_id), record(model_id))

    def train_one(seconds):
        slept.append(seconds)
        write_record(folder.record(IDS[5 + len(slept)]), record(IDS[5 + len(slept)], "failed", reason="x"))

    monkeypatch.setattr("designspace.report.status.time.sleep", train_one)
    watch_status(lambda: study_status(study), out)
    assert len(slept) == 2
    rows = [line.split()[:7] for line in out.getvalue().splitlines() if line.startswith("anynetx_a  ")]
    assert rows == [["anynetx_a", "8", "6", "0", f"{n}", "0", f"{2 - n}"] for n in range(3)]
