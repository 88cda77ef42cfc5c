"""Faults of a cluster, done to the real program on a real Slurm: the end is that of an undisturbed run.

Workers are stopped (SIGSTOP) in the middle of a model before something is done to them or to what is around
them, so that the fault meets them there on any machine. See tests/slurm/README.md for the cluster.
"""

import contextlib
import json
import signal
from pathlib import Path

import pytest
from slurm.cluster import HERE, eventually, kill
from slurm.runs import ClusterStudy, wait_until_quiet

from designspace.store.records import Kind, Status

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

GROW, POLLS = HERE / "grow", HERE / "polls"
DONE, FAILED = Status.DONE, Status.FAILED


def statuses(study, model_id):
    return [attempt.status for attempt in study.attempts(model_id)]


def test_tasks_are_signalled_cancelled_killed_and_requeued(slurm, truth, tmp_path):
    """Six tasks, each with a fault of its own."""
    study = ClusterStudy(tmp_path, "launcher.array_parallelism=5")
    first, *_, last = truth
    with study.start() as run:
        run.until(lambda: len(slurm.queue()) == 6)
        importing, *_, pending = sorted(task.job for task in slurm.queue())
        run.until(lambda: slurm.task_process(importing))
        kill(slurm.task_process(importing), signal.SIGUSR2)  # ends it: nothing handles the signal yet
        slurm.run("scancel", pending)
        signalled, cancelled, killed, requeued = study.held(4)
        slurm.run("scancel", "--signal=USR2", signalled.job)
        eventually(lambda: "Calling checkpoint method" in study.log(signalled.job))
        signalled.release()
        slurm.run("scancel", cancelled.job)
        kill(slurm.task_process(killed.job))
        slurm.run("scontrol", "requeue", requeued.job)
        ended = run.wait()
    wait_until_quiet(slurm)
    study.assert_complete(ended, truth)
    assert "Calling checkpoint method" not in study.log(importing)
    assert study.log(signalled.job).count("Starting with") == 2
    assert study.log(requeued.job).count("Starting with") == 2
    assert statuses(study, signalled.model_id) == statuses(study, requeued.model_id) == [DONE]
    for lost in (cancelled, killed):
        assert statuses(study, lost.model_id) == [FAILED, DONE]
        assert study.attempts(lost.model_id)[0].kind is Kind.WORKER_DIED
        assert study.task_of(lost.model_id) != lost.job
    assert study.task_of(first) != importing
    assert study.task_of(last) != pending


def test_nodes_are_lost_and_taken_by_others(slurm, truth, tmp_path):
    """One task a node: the first node crashes, the second falls silent, the third is needed by others."""
    study = ClusterStudy(tmp_path, "launcher.partition=scavenge", "launcher.cpus=2")
    polls = tmp_path / "polls"
    with study.start(PYTHONPATH=str(POLLS), POLLS=str(polls)) as run:
        crashed, silent, preempted = study.held(3)
        slurm.crash(crashed.node)
        slurm.silence(silent.node)
        slurm.run(
            "sbatch", "--partition=main", f"--nodelist={preempted.node}", "--cpus-per-task=2", "--mem=1G",
            "--output=/dev/null", "--wrap=sleep 1",
        )  # fmt: skip
        eventually(lambda: "Calling checkpoint method" in study.log(preempted.job))
        preempted.release()
        # The silent node is given up and its task starts elsewhere, while the first copy still runs.
        eventually(lambda: study.log(silent.job).count("Loading pickle") == 2)
        run.until(lambda: silent.job not in {task.job for task in slurm.queue()})
        seen = polls.stat().st_size
        eventually(lambda: polls.stat().st_size > seen + 3)  # it must not give the model to a third
        silent.release()
        ended = run.wait()
    wait_until_quiet(slurm)
    study.assert_complete(ended, truth)
    for held in (crashed, silent, preempted):
        assert statuses(study, held.model_id) == [DONE]
        assert study.task_of(held.model_id) == held.job
    assert study.log(preempted.job).count("Starting with") == 2


def test_a_task_reaches_its_time_limit(slurm, truth, tmp_path):
    study = ClusterStudy(
        tmp_path,
        "launcher.timeout_min=1",
        "launcher.signal_delay_s=20",
        "launcher.models_per_task=2",
        models=2,
    )
    with study.start() as run:
        (held,) = study.held(1)
        eventually(lambda: "Calling checkpoint method" in study.log(held.job))
        held.release()
        ended = run.wait()
    wait_until_quiet(slurm)
    study.assert_complete(ended, truth)
    assert "this job is timed-out" in study.log(held.job)
    assert statuses(study, held.model_id) == [DONE]
    assert study.submissions() == 1


def test_a_task_uses_too_much_memory(slurm, truth, tmp_path):
    """One model makes its task grow: it ends as failed, and takes no other with it."""
    study = ClusterStudy(tmp_path, "launcher.mem_gb=3", models=3)
    victim = list(truth)[1]
    ended = study.run(PYTHONPATH=str(GROW), GROWING=victim)
    assert ended.status == 1, ended.stderr
    records = study.records()
    assert {model_id: record.status for model_id, record in records.items()} == {
        model_id: FAILED if model_id == victim else DONE for model_id in list(truth)[:3]
    }
    assert [attempt.kind for attempt in records[victim].attempts] == [Kind.WORKER_DIED] * 3
    assert records[victim].reason.startswith("its task ended; see ")
    log = Path(records[victim].reason.split("see ", 1)[1])
    assert "memory" in log.read_text().lower()
    wait_until_quiet(slurm)
    ended = study.run("launcher.max_retries=3")
    wait_until_quiet(slurm)
    study.assert_complete(ended, truth)


def test_driver_and_controller_are_killed_and_submission_is_refused(slurm, truth, tmp_path):
    """A limit of two submitted jobs, a second driver, the driver killed, and the controller after it."""
    study = ClusterStudy(tmp_path)
    with contextlib.ExitStack() as limited:
        limited.enter_context(slurm.submit_limit(2))
        with study.start() as run:
            study.held(2)
            run.until(lambda: "takes no more jobs now" in run.stderr)
            assert len(slurm.queue()) == 2
            second = study.run()
            assert second.status == 2
            assert "another run is at work there" in second.last_line
            run.kill()
            run.wait()
        with study.start() as run:
            run.until(lambda: "takes no more jobs now" in run.stderr)
            assert len(slurm.queue()) == 2
            slurm.save()
            kill(slurm.pid("slurmctld"))
            run.until(lambda: "the queue does not answer" in run.stderr)
            slurm.start()
            run.until(lambda: "the queue answers again" in run.stderr)
            eventually(lambda: study.submissions() == 2)  # there is a third while the driver asks for it
            for claim in study.files("*.claim"):
                kill(json.loads(claim.read_text())["pid"], signal.SIGCONT)
            limited.close()
            ended = run.wait()
    wait_until_quiet(slurm)
    study.assert_complete(ended, truth)
    assert all(statuses(study, model_id) == [DONE] for model_id in truth)
