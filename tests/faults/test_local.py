"""Faults of one machine, done to the real program: nothing may be lost, done twice, or left lying about.

Each test ends with `settle`: the same command once more, after which every model is done exactly once, with
the error of an undisturbed run. All networks are tiny; random moments come from fixed seeds.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
from faults.program import Study, mounted, read_only

from designspace.store.claims import is_void
from designspace.store.records import Kind, Status, UnreadableRecordError, read_record

WORKER_KILLS, RUN_KILLS = 44, 5  # at random moments
KEEP_TRYING = "launcher.max_retries=1000"


@dataclass(frozen=True)
class Undisturbed:
    study: Study
    errors: dict[str, float]  # by model, in the order of the population
    seconds: float  # of the whole run
    model_seconds: float


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a run gives that nothing happens to."""
    study = Study(tmp_path_factory.mktemp("undisturbed"), models=8)
    start = time.monotonic()
    ended = study.run()
    seconds = time.monotonic() - start
    assert ended.status == 0, ended.stderr
    errors = study.errors()
    assert len(set(errors.values())) > 1
    trained = [record.attempts[-1].seconds for record in study.records().values()]
    return Undisturbed(study, errors, seconds, sum(trained) / len(trained))


@pytest.fixture
def truth(undisturbed):
    return undisturbed.errors


def attempts(study):
    """All attempts that the records tell of."""
    return [attempt for record in study.records().values() for attempt in record.attempts]


# ---- processes that are killed -----------------------------------------------------------------------------


@pytest.mark.slow
def test_workers_are_killed_at_random_moments(tmp_path, undisturbed):
    study, rng, kills = Study(tmp_path, models=8), random.Random(1), 0

    def training():
        return study.claimants() & set(run.workers())

    with study.start(KEEP_TRYING) as run:
        run.until(training)  # the first is killed at once, so that even a slow test meets one
        while kills < WORKER_KILLS and not run.ended:
            if doomed := sorted(training()):
                with contextlib.suppress(ProcessLookupError):  # it was replaced since
                    os.kill(rng.choice(doomed), signal.SIGKILL)
                    kills += 1
            time.sleep(rng.uniform(0, 0.4) * undisturbed.model_seconds)
        ended = run.wait()
    assert ended.status == 0, ended.stderr
    assert {attempt.kind for attempt in attempts(study)} == {None, Kind.WORKER_DIED}
    study.settle(undisturbed.errors)


@pytest.mark.slow
def test_the_driver_and_everything_are_killed_at_random_moments(tmp_path, undisturbed):
    study, rng = Study(tmp_path, models=8), random.Random(2)
    for i in range(RUN_KILLS):
        with study.start() as run:
            time.sleep(rng.uniform(0.1, 0.9) * undisturbed.seconds)
            if i % 2 == 0:
                run.kill()
            else:
                run.signal_all(signal.SIGKILL)
            run.assert_no_process_left()
    study.settle(undisturbed.errors)


@pytest.mark.slow
def test_workers_are_killed_at_the_worst_moments(tmp_path, truth):
    study = Study(tmp_path)
    ended = study.run(
        KEEP_TRYING,
        faults=(
            "worker kill opening .claim",
            "worker kill before .checkpoint",
            "worker kill after .checkpoint",
            "worker kill before .json",
            "worker kill after .json",
        ),
    )
    assert ended.status == 0, ended.stderr
    record = study.trace("worker kill after .json").read_bytes()
    assert record in [path.read_bytes() for path in study.files("*.json")], "trained twice"
    study.settle(truth)


CLAIM_AND_DIE = """
import os, pathlib, sys
from designspace.store.claims import claimed
with claimed(pathlib.Path(sys.argv[1])):
    os._exit(1)
"""


def test_the_claim_of_a_dead_process_that_nobody_has_waited_for_is_void(tmp_path):
    claim = tmp_path / "0123456789abcdef.claim"
    process = subprocess.Popen([sys.executable, "-c", CLAIM_AND_DIE, claim])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie, as where no init reaps
    try:
        assert json.loads(claim.read_text())["pid"] == process.pid
        assert is_void(claim)
    finally:
        process.wait()


@pytest.mark.slow
def test_the_driver_is_killed_at_the_worst_moments(tmp_path, truth):
    study = Study(tmp_path, models=2)
    for moment in ("before models.parquet", "before config.yaml", "before runs.parquet"):
        fault = f"driver kill {moment}"
        assert study.run(faults=(fault,)).status == -signal.SIGKILL
        assert study.trace(fault).exists()
    study.settle(truth)


@pytest.mark.slow
def test_the_fork_server_is_killed(tmp_path, truth):
    study = Study(tmp_path, models=2)
    with study.start(KEEP_TRYING) as run:
        run.until(lambda: study.files("*.checkpoint"))
        os.kill(run.fork_server(), signal.SIGKILL)
        ended = run.wait()
        run.assert_no_process_left()
    assert ended.status == 0, ended.stderr
    study.settle(truth)


@pytest.mark.slow
def test_the_run_is_asked_to_stop(tmp_path, truth):
    study = Study(tmp_path)
    stops = {  # sent to the whole group, as a terminal and a system that shuts down do
        signal.SIGINT: lambda: any(run.has_loaded(pid, "libtorch") for pid in run.processes()),
        signal.SIGTERM: lambda: study.files("*.checkpoint"),  # the first models are not at their end
    }
    for number, moment in stops.items():
        with study.start() as run:
            run.until(moment)
            run.signal_all(number)
            ended = run.wait()
            run.assert_no_process_left()
        assert ended.status == 130
        assert ended.last_line == "stopped; run the same command again to continue"
        assert "Traceback" not in ended.stderr
    study.settle(truth)


# ---- workers that hang, models that raise ------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_that_hangs_is_killed_and_its_model_tried_again(tmp_path, truth):
    study = Study(tmp_path, models=3)
    with study.start("launcher.hang_minutes=0.07", KEEP_TRYING) as run:
        run.until(study.claimants)
        os.kill(study.claimants().pop(), signal.SIGSTOP)
        ended = run.wait()
    assert ended.status == 0, ended.stderr
    assert Kind.HANG in {attempt.kind for attempt in attempts(study)}
    study.settle(truth)


@pytest.mark.slow
def test_workers_that_hang_before_they_claim_a_model_are_killed_too(tmp_path, truth):
    study = Study(tmp_path, models=2)
    with study.start("launcher.hang_minutes=0.2", KEEP_TRYING) as run:
        run.until(lambda: len(run.workers()) == 2)
        for pid in run.workers():
            os.kill(pid, signal.SIGSTOP)
        ended = run.wait()
    assert ended.status == 0, ended.stderr
    study.settle(truth)


def test_models_that_all_raise_stop_the_run_with_one_traceback(tmp_path, truth):
    study = Study(tmp_path)
    ended = study.run("launcher.abort_after=3", KEEP_TRYING, faults=("worker raise before .json",))
    assert ended.status == 1
    assert ended.stderr.count("Traceback") == 1
    assert ended.last_line.startswith(
        "error: stopped after 3 equal failures (launcher.abort_after): ValueError"
    )
    assert all(record.status is Status.FAILED for record in study.records().values())
    study.settle(truth, KEEP_TRYING)


# ---- files that are damaged --------------------------------------------------------------------------------


def truncate(content, rng):
    return content[: rng.randrange(1, len(content))]


def empty(content, rng):
    return b""


def flip(content, rng):
    """Some bytes changed at random."""
    changed = bytearray(content)
    for i in rng.sample(range(len(content)), 5):
        changed[i] ^= rng.randrange(1, 256)
    return bytes(changed)


DAMAGES = (truncate, empty, flip)


def test_damaged_records_are_set_aside_and_their_models_trained_again(tmp_path, undisturbed):
    study = Study(tmp_path, models=8)
    shutil.copytree(undisturbed.study.output, study.output)
    study.folder.runs.unlink()
    rng, whole = random.Random(3), [path.read_bytes() for path in study.files("*.json")]
    for path, damage in zip(study.files("*.json"), DAMAGES, strict=False):
        path.write_bytes(damage(path.read_bytes(), rng))
    damaged = [path.read_bytes() for path in study.files("*.json")[: len(DAMAGES)]]
    study.settle(undisturbed.errors)
    assert [path.read_bytes() for path in study.files("*.unreadable")] == damaged
    assert [path.read_bytes() for path in study.files("*.json")][len(DAMAGES) :] == whole[len(DAMAGES) :]


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damaged_record_is_taken_for_a_whole_one(tmp_path, undisturbed, damage):
    rng, path = random.Random(4), undisturbed.study.files("*.json")[0]
    record, copy = read_record(path), tmp_path / path.name
    for _ in range(300):
        copy.write_bytes(damage(path.read_bytes(), rng))
        with contextlib.suppress(UnreadableRecordError):
            assert read_record(copy) == record  # only white space was changed


def test_damaged_checkpoints_are_noticed(tmp_path, truth):
    study = Study(tmp_path, models=3)
    with study.start() as run:
        run.until(lambda: len(study.files("*.checkpoint")) == 2)
        run.signal_all(signal.SIGKILL)
        run.wait()
    checkpoints, rng = study.files("*.checkpoint"), random.Random(5)
    for path, damage in zip(checkpoints, (truncate, flip), strict=True):
        path.write_bytes(damage(path.read_bytes(), rng))
    untrained = (study.folder.checkpoint(model_id) for model_id in truth)
    next(path for path in untrained if path not in checkpoints).touch()
    study.settle(truth)


# ---- where the study lies ----------------------------------------------------------------------------------


def fill(path):
    """Write until the disk is full."""
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.mark.slow
def test_the_disk_is_full_and_then_has_space_again(tmp_path, truth):
    disk = tmp_path / "disk"
    with mounted(disk, "-t", "tmpfs", "-o", "size=4m", "tmpfs"):
        study, filler = Study(tmp_path, output=disk, models=6), disk / "filler"
        with study.start() as run:
            run.until(lambda: study.files("*.checkpoint"))
            fill(filler)
            ended = run.wait()
        assert ended.status == 1
        assert ended.last_line.startswith(f"error: {disk}")
        assert ended.last_line.endswith("No space left on device")
        assert len(study.records()) < 6
        on_full_disk = study.run()
        assert on_full_disk.status == 1
        assert on_full_disk.last_line.endswith("No space left on device")
        filler.unlink()
        study.settle(truth)


@pytest.mark.slow
def test_a_folder_that_takes_no_writes(tmp_path, truth):
    study = Study(tmp_path)
    with read_only(study.output):
        ended = study.run()
    assert ended.status == 2
    assert ended.stderr.count("\n") == 3  # advice on the batch, what was sampled, and the error
    assert ended.last_line.startswith("error: output_root: cannot write into")
    with study.start() as run:
        run.until(lambda: study.files("*.checkpoint"))
        with read_only(study.folder.records):
            ended = run.wait()
    assert ended.status == 1
    assert ended.last_line.startswith(f"error: {study.folder.records}")
    assert ended.last_line.endswith("Read-only file system")
    study.settle(truth)


@pytest.mark.slow
def test_names_with_all_kinds_of_characters_and_a_second_run_that_is_refused(tmp_path, truth):
    name = 'it\'s a "$HOME"; `x` & 50 % Größe — 空間'
    study = Study(tmp_path / name, name=name)
    with study.start("launcher.max_retries=0") as run:
        run.until(study.claimants)
        workers = run.workers()
        for pid in workers:  # so that the first run does not end before the second begins
            os.kill(pid, signal.SIGSTOP)
        second = study.run("launcher.max_retries=0")
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        ended = run.wait()
    assert second.status == 2
    assert "another run is at work there" in second.last_line
    assert ended.status == 0, ended.stderr
    study.settle(truth)


# ---- clocks ------------------------------------------------------------------------------------------------


@pytest.fixture
def faked(tmp_path):
    """Environment variables under which the clock is off by what a file says, and that file."""
    if shutil.which("faketime") is None:
        pytest.skip("needs libfaketime (Debian: faketime)")
    command = ["faketime", "-m", "-f", "+0", "printenv", "LD_PRELOAD"]
    library = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    offset = tmp_path / "offset"
    environment = {
        "LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1", "FAKE_UTIME": "1",  # files: untouched
    }  # fmt: skip
    return environment, offset


@pytest.mark.slow
def test_the_clock_jumps_by_decades(tmp_path, truth, faked):
    environment, offset = faked
    study = Study(tmp_path, models=3)
    offset.write_text("-20y")
    with study.start(**environment) as run:
        run.until(lambda: study.files("*.checkpoint"))
        offset.write_text("+15y")
        run.until(lambda: study.files("*.json"))
        run.signal_all(signal.SIGKILL)
    offset.write_text("-10y")
    ended = study.run("launcher.max_retries=0", **environment)
    assert ended.status == 0, ended.stderr
    years = {int(attempt.started[:4]) - time.gmtime().tm_year for attempt in attempts(study)}
    assert min(years) <= -10
    study.settle(truth)


def test_a_clock_that_jumps_by_an_hour_makes_no_worker_hang(tmp_path, truth):
    study = Study(tmp_path)
    with study.start("launcher.max_retries=0") as run:
        while not run.ended:
            for claim in study.files("*.claim"):  # as if touched before the jump
                with contextlib.suppress(FileNotFoundError):
                    os.utime(claim, (time.time() - 3600,) * 2)
            time.sleep(0.05)
        ended = run.wait()
    assert ended.status == 0, ended.stderr
    study.settle(truth)
