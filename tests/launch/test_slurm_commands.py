"""What the commands of Slurm are given and how their answers are taken, with commands that play Slurm."""

import json
import os
import sys
from functools import partial
from pathlib import Path

import pytest

from designspace.launch.queue import open_queue
from designspace.launch.settings import LauncherSettings
from designspace.launch.slurm import Slurm

SETTINGS = LauncherSettings(name="slurm", gpus=0, cpus=1)


@pytest.fixture
def play(tmp_path, monkeypatch):
    """play("sbatch", script): a command of that name, in the shell's language; $FOLDER is its place."""
    folder = tmp_path / "commands"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("FOLDER", str(folder))

    def command(name, script):
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return folder

    command("srun", "exit 0")
    command("scontrol", "echo MaxArraySize = 1001")
    command("squeue", "exit 0")
    command("sbatch", 'env -0 > "$FOLDER/environment"; echo "Submitted batch job 7"')
    return command


def environment(folder, name="environment"):
    return dict(pair.split("=", 1) for pair in (folder / name).read_text().split("\0") if pair)


OF_A_JOB = {
    "SLURM_JOB_ID": "3", "SLURM_MEM_PER_CPU": "3000", "SLURM_CPUS_PER_TASK": "1", "SLURM_GPUS": "1",
    "SBATCH_MEM_BIND": "none", "SRUN_CPUS_PER_TASK": "1", "SUBMITIT_EXECUTOR": "slurm",
}  # fmt: skip


def test_a_job_passes_none_of_its_variables_on_to_those_that_it_submits(play, tmp_path, monkeypatch):
    for key, value in OF_A_JOB.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm/slurm.conf")
    folder = play("srun", "exit 0")
    before = dict(os.environ)
    assert open_queue(tmp_path / "jobs", SETTINGS).submit([(["a"], partial(Path.touch, tmp_path))]) == 1
    found = environment(folder)
    assert {k for k in found if k.startswith(("SLURM", "SBATCH", "SRUN", "SUBMITIT"))} == {"SLURM_CONF"}
    assert found["SLURM_CONF"] == "/etc/slurm/slurm.conf"
    assert dict(os.environ) == before


def test_a_users_own_defaults_reach_sbatch(play, tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("SBATCH_ACCOUNT", "mine")
    folder = play("srun", "exit 0")
    assert Slurm(tmp_path / "jobs", SETTINGS).submit([(["a"], partial(Path.touch, tmp_path))]) == 1
    assert environment(folder)["SBATCH_ACCOUNT"] == "mine"


def test_a_users_filters_hide_no_job_from_us(play, tmp_path, monkeypatch):
    monkeypatch.setenv("SQUEUE_STATES", "RUNNING")
    jobs = Slurm(tmp_path / "jobs", SETTINGS)
    assert jobs.submit([(["a"], partial(Path.touch, tmp_path))]) == 1
    (path,) = (tmp_path / "jobs").glob("*.json")
    assert json.loads(path.read_text())["job_id"] == "7"
    play("squeue", f'[ -n "$SQUEUE_STATES" ] || echo "{path.stem}|7|PENDING|None"')
    assert jobs.live_keys() == {"a"}


def test_tasks_look_for_no_modules_in_the_folder_of_submission(play, tmp_path):
    play("sbatch", 'cp "$1" "$FOLDER/script"; echo "Submitted batch job 7"')
    folder = play("srun", "exit 0")
    assert Slurm(tmp_path / "jobs", SETTINGS).submit([(["a"], partial(Path.touch, tmp_path))]) == 1
    assert f"{sys.executable} -P -u -m submitit.core._submit" in (folder / "script").read_text()


NO_ANSWER = (
    "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
    "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received",
    "sbatch: error: Batch job submission failed: Message receive failure",
)


@pytest.mark.parametrize("complaint", NO_ANSWER)
def test_a_submission_without_an_answer_is_looked_for_before_the_next(play, tmp_path, complaint):
    jobs = Slurm(tmp_path / "jobs", SETTINGS)
    play("sbatch", f'echo "{complaint}" >&2; exit 1')
    assert jobs.submit([(["a"], partial(Path.touch, tmp_path))]) == 0
    (path,) = (tmp_path / "jobs").glob("*.json")
    assert jobs.live_keys() == {"a"}  # perhaps
    play("squeue", f'echo "{path.stem}|8|PENDING|None"')
    path.write_text(json.dumps({**json.loads(path.read_text()), "submitted": 0}))  # long ago
    assert jobs.live_keys() == {"a"}
    assert jobs.log_of("a") == tmp_path / "jobs" / "8_0_log.err"
    play("squeue", "exit 0")
    assert jobs.live_keys() == set()


def test_a_controller_that_was_not_reached_has_no_job(play, tmp_path):
    jobs = Slurm(tmp_path / "jobs", SETTINGS)
    play("sbatch", 'echo "sbatch: error: Unable to contact slurm controller (connect failure)" >&2; exit 1')
    assert jobs.submit([(["a"], partial(Path.touch, tmp_path))]) == 0
    assert list((tmp_path / "jobs").glob("*.json")) == []
    assert jobs.live_keys() == set()


def test_submissions_are_found_by_another_path_of_the_folder(play, tmp_path):
    assert Slurm(tmp_path / "jobs", SETTINGS).submit([(["a"], partial(Path.touch, tmp_path))]) == 1
    (tmp_path / "jobs").rename(tmp_path / "elsewhere")
    (path,) = (tmp_path / "elsewhere").glob("*.json")
    play("squeue", f'echo "{path.stem}|7|PENDING|None"')
    jobs = Slurm(tmp_path / "elsewhere", SETTINGS)
    assert jobs.live_keys() == {"a"}
    assert jobs.log_of("a") == tmp_path / "elsewhere" / "7_0_log.err"
