"""launcher=slurm on the test cluster: the same results, and a request that cannot be met told in one line."""

import json
import stat
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest
from slurm.cluster import environment, eventually
from slurm.runs import ClusterStudy, wait_until_quiet

from designspace.errors import RunError, UserError
from designspace.launch import slurm as launcher
from designspace.launch.settings import LauncherSettings
from designspace.launch.slurm import Slurm, Submission

pytestmark = pytest.mark.slurm
slow = pytest.mark.slow
SECRET = "a-value-that-is-nobodys-business"


@slow
def test_a_run_on_the_cluster_gives_the_bits_of_a_local_one(slurm, truth, tmp_path):
    """Two tasks of three models, two of them at once on the task's GPU."""
    study = ClusterStudy(tmp_path, "launcher.models_per_task=3", "launcher.workers_per_gpu=2")
    workers = set()
    with study.start(SOME_TOKEN=SECRET) as run:
        while not run.ended:
            for task in slurm.running():
                workers.add((task.job, len(slurm.workers(task.job))))
            time.sleep(0.2)
        ended = run.wait()
    wait_until_quiet(slurm)
    study.assert_complete(ended, truth)
    most = {job: max(n for j, n in workers if j == job) for job, _ in workers}
    assert list(most.values()) == [2, 2]
    assert [a.status.value for record in study.records().values() for a in record.attempts] == ["done"] * 6

    jobs = study.folder.jobs
    assert stat.S_IMODE(jobs.stat().st_mode) == 0o700
    texts = [path for path in study.output.rglob("*") if path.is_file()]
    assert len([path for path in texts if path.parent == jobs]) > 6
    assert [str(path) for path in texts if SECRET.encode() in path.read_bytes()] == []

    before = {path: path.stat().st_mtime_ns for path in study.files("*.json")}
    again = study.run()
    study.assert_complete(again, truth)
    assert {path: path.stat().st_mtime_ns for path in study.files("*.json")} == before
    assert study.submissions() == 1


@slow
def test_submit_and_leave_then_come_back_twice(slurm, truth, tmp_path):
    study = ClusterStudy(tmp_path, models=3)
    left = study.run("launcher.wait=false")
    assert left.status == 0, left.stderr
    assert study.records() == {}
    submitted = {task.job for task in slurm.queue()}
    assert len(submitted) == 3
    looked = study.run("launcher.wait=false")
    assert looked.status == 0, looked.stderr
    assert {task.job for task in slurm.queue()} <= submitted
    ended = study.run()
    wait_until_quiet(slurm)
    study.assert_complete(ended, truth)
    assert study.submissions() == 1
    assert sum(study.log(job).count("Starting with") for job in submitted) == 3


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("launcher.partition=nowhere", "invalid partition specified: nowhere"),
        ("launcher.mem_gb=100000", "Memory specification can not be satisfied"),
        ("+launcher.options.nonsense=3", "unrecognized option '--nonsense=3'"),
        ("launcher.constraint=purple", "Invalid feature specification"),
        ("launcher.account=nobody", "Invalid account"),
    ],
)
def test_what_the_cluster_refuses_is_told_in_one_line(slurm, tmp_path, setting, told):
    study = ClusterStudy(tmp_path, models=2)
    ended = study.run(setting)
    assert ended.status == 2
    assert told in ended.last_line
    assert ended.last_line.startswith("error: launcher=slurm: cannot submit: ")
    assert "sbatch:" not in ended.stderr
    assert slurm.queue() == []
    assert study.submissions() == 0


def test_arrays_are_no_larger_than_the_site_allows(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "_max_array_size", lambda: 4)
    jobs = Slurm(tmp_path / "jobs", settings())
    marks = [tmp_path / f"mark {i}" for i in range(7)]
    assert jobs.submit([([f"key{i}"], partial(Path.touch, mark)) for i, mark in enumerate(marks)]) == 7
    sizes = [len(json.loads(path.read_text())["tasks"]) for path in (tmp_path / "jobs").glob("*.json")]
    assert sorted(sizes) == [1, 3, 3]
    assert jobs.live_keys() <= {f"key{i}" for i in range(7)}
    eventually(lambda: all(mark.exists() for mark in marks))
    eventually(lambda: jobs.live_keys() == set())
    log = jobs.log_of("key4")
    assert "Starting with" in log.with_suffix(".out").read_text()


def test_the_site_is_asked_for_its_array_size(slurm):
    assert launcher._max_array_size() == 1001


def test_a_limit_of_submitted_jobs_is_met_by_smaller_arrays(slurm, tmp_path, caplog):
    jobs = Slurm(tmp_path / "jobs", settings())
    tasks = [([f"key{i}"], partial(time.sleep, 100)) for i in range(8)]
    with slurm.submit_limit(3):
        assert jobs.submit(tasks) == 3
        assert jobs.live_keys() == {"key0", "key1", "key2"}
        assert jobs.submit(tasks[3:]) == 0
        assert "AssocMaxSubmitJobLimit" in caplog.text
        assert caplog.text.count("takes no more jobs now") == 1
    assert jobs.submit(tasks[3:]) == 5
    assert jobs.live_keys() == {f"key{i}" for i in range(8)}
    jobs.cancel()
    eventually(lambda: jobs.live_keys() == set())


POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"


@pytest.mark.parametrize(
    ("lines", "limit"),
    [
        (["AssocMaxSubmitJobLimit", f"Batch job submission failed: {POLICY}"], True),
        (["QOSMaxSubmitJobPerUserLimit", f"Batch job submission failed: {POLICY}"], True),
        (["QOSMaxWallDurationPerJobLimit", f"Batch job submission failed: {POLICY}"], False),
        ([f"Batch job submission failed: {POLICY}"], True),
        (["Requested time limit is invalid (missing or exceeds some limit)"], False),
        (["Batch job submission failed: Resource temporarily unavailable"], True),
    ],
)
def test_only_limits_of_the_number_of_jobs_pass_by_themselves(lines, limit):
    assert launcher._is_limit("\n".join(f"sbatch: error: {line}" for line in lines)) is limit


def test_live_keys_are_those_of_the_queue_and_of_fresh_intents(slurm, tmp_path):
    jobs = Slurm(tmp_path / "jobs", settings())
    assert jobs.live_keys() == set()
    assert jobs.submit([(["a", "b"], partial(time.sleep, 100)), (["c"], partial(time.sleep, 0))]) == 2
    eventually(lambda: jobs.live_keys() == {"a", "b"})

    # A driver that was killed between the intent and sbatch's answer: the job may yet appear in the queue.
    fresh = Submission(f"{jobs._token}-fresh", (("d",),), None, time.time())
    old = Submission(f"{jobs._token}-old", (("e",),), None, time.time() - 1000)
    jobs._keep(fresh)
    jobs._keep(old)
    assert jobs.live_keys() == {"a", "b", "d"}
    assert not jobs._path(old.name).exists()
    # It did appear, with a name that tells whose it is.
    slurm.run("sbatch", f"--job-name={jobs._token}-old", "--mem=100", "--output=/dev/null", "--wrap=sleep 9")
    jobs._keep(old)
    assert jobs.live_keys() == {"a", "b", "d", "e"}

    # Another folder's jobs are not these.
    assert Slurm(tmp_path / "other", settings()).live_keys() == set()
    jobs.cancel()
    jobs._path(fresh.name).unlink()
    eventually(lambda: jobs.live_keys() == set())
    assert sorted(path.name for path in (tmp_path / "jobs").glob("*.json")) == []


def test_a_queue_that_does_not_answer_is_not_an_empty_one(tmp_path, monkeypatch, caplog):
    jobs = Slurm(tmp_path / "jobs", settings())
    (tmp_path / "jobs").mkdir()
    jobs._keep(Submission(f"{jobs._token}-1", (("a",),), "1", 0.0))
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "none.conf"))
    monkeypatch.setattr(launcher, "QUERY_SECONDS", 0.5)  # squeue looks for its controller for a minute
    assert jobs.live_keys() is None
    assert jobs.live_keys() is None
    assert caplog.text.count("the queue does not answer") == 1
    assert jobs._path(f"{jobs._token}-1").exists()


def test_a_torn_list_of_jobs_is_named(tmp_path):
    jobs = Slurm(tmp_path / "jobs", settings())
    (tmp_path / "jobs").mkdir()
    path = jobs._path(f"{jobs._token}-1")
    path.write_text('{"tasks": [["a"')
    with pytest.raises(RunError, match="cannot be read"):
        jobs.live_keys()


def test_a_users_own_hold_is_respected(slurm, tmp_path):
    """Only what a restarted controller holds is released; that is told by its reason."""
    jobs = Slurm(tmp_path / "jobs", settings(options={"hold": True}))
    mark = tmp_path / "mark"
    assert jobs.submit([(["a"], partial(Path.touch, mark))]) == 1
    for _ in range(3):  # each look would release what a controller holds
        assert jobs.live_keys() == {"a"}
        assert slurm.run("squeue", "--noheader", "--format=%T %r") == "PENDING JobHeldUser"
    assert not mark.exists()
    (job,) = [task.job for task in slurm.queue()]
    slurm.run("scontrol", "release", job)
    eventually(mark.exists)


def test_without_slurm_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="launcher=slurm: cannot submit: "):
        Slurm(tmp_path / "jobs", settings()).submit([(["a"], partial(time.sleep, 0))])


@slow
def test_all_cores_of_a_task_are_for_its_process(slurm, tmp_path):
    """srun gives its process one core unless it is told, since Slurm 22.05."""
    jobs = Slurm(tmp_path / "jobs", settings(cpus=2))
    assert jobs.submit([(["a"], partial(time.sleep, 100))]) == 1
    eventually(lambda: slurm.running() and slurm.task_process(slurm.running()[0].job))
    process = slurm.task_process(slurm.running()[0].job)
    assert "SLURM_CPUS_PER_TASK=2" in environment(process)
    (job,) = [task.job for task in slurm.running()]
    steps = slurm.run("scontrol", "show", "step", f"{job}.0")
    assert "CPUs=2" in steps


def settings(**changes):
    return LauncherSettings(
        name="slurm", **{"gpus": 0, "cpus": 1, "mem_gb": 1, "timeout_min": 5, "signal_delay_s": 20} | changes
    )


def test_a_folder_that_cannot_hold_the_cluster_is_refused(tmp_path):
    done = subprocess.run(
        [str(Path(__file__).with_name("start-slurm")), str(tmp_path / "a folder")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("start-slurm: ")
