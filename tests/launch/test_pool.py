"""The pools: every item comes back, whatever happens to it."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import deque
from unittest.mock import Mock

import pytest

from designspace.errors import RunError, UserError
from designspace.launch import interrupt, local
from designspace.launch.local import available_cores, open_pool, worker_environments
from designspace.launch.pool import SPARED, InProcessPool, ProcessPool
from designspace.launch.settings import LauncherSettings

sys.path.insert(0, os.path.dirname(__file__))
import work


def two_workers(setup, **environment):
    return ProcessPool(setup, environments=[{**environment}, {**environment}])


def results(pool, items):
    with pool:
        return {str(outcome.item): outcome for outcome in pool.run(deque(items))}


@pytest.mark.parametrize("make", [InProcessPool, two_workers])
def test_every_item_comes_back_once(make):
    with make(work.square_setup) as pool:
        outcomes = list(pool.run(deque(range(20))))
        again = list(pool.run(deque([7])))
    assert sorted(o.item for o in outcomes) == list(range(20))
    assert all(o.value == o.item**2 and o.failure is None for o in outcomes + again)


@pytest.mark.parametrize("make", [InProcessPool, two_workers])
def test_an_exception_is_an_outcome(make):
    found = results(make(work.misbehaving_setup), [1, "raise", 3])
    assert found["3"].value == 9
    assert found["raise"].failure.reason == "ValueError: two lines"
    assert "Traceback" in found["raise"].failure.traceback
    assert found["raise"].seconds >= 0


def test_a_worker_that_dies_costs_its_item_alone():
    found = results(two_workers(work.misbehaving_setup), [1, "die!", 2, 3, "die!", 4])
    assert found["die!"].failure.reason == "the worker process died"
    assert [found[str(i)].value for i in (1, 2, 3, 4)] == [1, 4, 9, 16]


def test_an_item_may_be_put_back(tmp_path):
    queue = deque([("flaky", str(tmp_path / "mark")), 5])
    values = []
    with two_workers(work.misbehaving_setup) as pool:
        for outcome in pool.run(queue):
            if outcome.failure:
                queue.append(outcome.item)
            else:
                values.append(outcome.value)
    assert 25 in values
    assert len(values) == 2


def test_work_is_handed_out_dynamically(tmp_path):
    """The first item keeps its worker until all others are being worked on."""
    items = [("PATH", str(tmp_path / "meet" / str(i)), 5 if i == 0 else 1, "pid") for i in range(5)]
    with two_workers(work.meeting_setup) as pool:
        found = {outcome.item: outcome.value for outcome in pool.run(deque(items))}
    assert all(found[item] != found[items[0]] for item in items[1:])


def test_an_error_in_setup_reaches_the_caller():
    with pytest.raises(UserError, match="no such folder"):
        results(two_workers(work.failing_setup), [1])


def test_workers_that_cannot_start_end_the_run():
    with pytest.raises(RunError, match="died 5 times while it was starting"):
        results(two_workers(work.dying_setup), [1])


def test_each_worker_has_its_environment_and_so_has_the_one_that_replaces_it(tmp_path):
    environments = [{"CUDA_VISIBLE_DEVICES": str(i)} for i in range(3)]
    with ProcessPool(work.meeting_setup, environments=environments) as pool:
        for end in ("return", "die", "return again"):
            items = [("CUDA_VISIBLE_DEVICES", str(tmp_path / end / str(i)), 3, end) for i in range(3)]
            values = [outcome.value for outcome in pool.run(deque(items))]
            assert sorted(values, key=str) == ([None] * 3 if end == "die" else ["0", "1", "2"])


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_workers_end_with_their_parent(end):
    code = textwrap.dedent(f"""
        import os, sys
        from collections import deque
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        import work
        from designspace.launch.pool import ProcessPool
        if __name__ == "__main__":
            pool = ProcessPool(work.slow_setup, environments=[{{}}])
            with pool:
                for outcome in pool.run(deque([0.0, 30.0])):
                    print(outcome.value, flush=True)
                    if {end!r} == "exit":
                        break
    """)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    if end == "kill":
        assert alive(pid)
        process.kill()
    process.wait(timeout=20)
    end_of_patience = time.monotonic() + 60
    while alive(pid) and time.monotonic() < end_of_patience:
        time.sleep(0.05)
    assert not alive(pid)


def dealt(monkeypatch, visible, count, parts=None):
    """The GPU of each worker where CUDA counts so many, and nvidia-smi (if there is one) lists such parts."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    answer = FileNotFoundError("nvidia-smi") if parts is None else None
    listed = "".join(f"  MIG 1g.10gb Device 0: (UUID: {part})\n" for part in parts or ())
    monkeypatch.setattr(
        local.subprocess, "run", Mock(side_effect=answer, return_value=Mock(stdout="GPU 0: H100\n" + listed))
    )
    environments = worker_environments(LauncherSettings(workers_per_gpu=2))
    return [environment.get("CUDA_VISIBLE_DEVICES") for environment in environments]


def test_gpus_are_dealt_out(monkeypatch, caplog):
    assert dealt(monkeypatch, "4,7", 2) == ["4", "7", "4", "7"]
    assert dealt(monkeypatch, "MIG-aa1,MIG-bb", 1, ["MIG-aa1", "MIG-bb"]) == ["MIG-aa1", "MIG-bb"] * 2
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("visible", "count", "parts", "used"),
    [
        ("0,1,2,3,4,5", 0, None, []),
        ("0,1,7,2", 2, None, ["0", "1"]),
        ("GPU-12", 0, None, []),
        ("MIG-aa,MIG-cc", 1, ["MIG-aa", "MIG-bb"], ["MIG-aa"]),
        ("MIG-cc", 0, ["MIG-aa"], []),
        ("MIG-cc", 0, None, []),
    ],
)
def test_gpus_that_are_not_there_get_no_worker_and_are_told(monkeypatch, caplog, visible, count, parts, used):
    found = dealt(monkeypatch, visible, count, parts)
    assert found == (2 * used or [None] * available_cores())
    named = visible.count(",") + 1
    assert f"CUDA_VISIBLE_DEVICES={visible}: {len(used)} of these {named} GPUs can be used" in caplog.text
    assert ("the processor is used" in caplog.text) is (not used)


def test_one_single_threaded_worker_a_core(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    environments = worker_environments(LauncherSettings())
    assert len(environments) == available_cores()
    assert {e["OMP_NUM_THREADS"] for e in environments} == {"1"}
    assert len(worker_environments(LauncherSettings(workers=5))) == 5


def test_debug_runs_in_this_process():
    with open_pool(LauncherSettings(name="debug"), work.environment_setup) as pool:
        (outcome,) = pool.run(deque(["PATH"]))
    assert outcome.value[1] == os.getpid()


def test_a_stuck_worker_is_killed_and_replaced():
    with two_workers(work.slow_setup) as pool:
        found = {o.item: o for o in pool.run(deque([60.0, 0.01, 0.02]), stuck=lambda item: item == 60.0)}
    assert found[60.0].failure.kind == "hang"
    assert found[0.01].failure is None
    assert found[0.02].failure is None


def test_an_interruption_reaches_busy_workers(tmp_path):
    pool = two_workers(work.interruptible_setup)
    with pool:
        marks = [tmp_path / "a", tmp_path / "b"]

        def run():
            with contextlib.suppress(RuntimeError):  # the pool is closed under it in the end
                list(pool.run(deque(map(str, marks))))

        running = threading.Thread(target=run, daemon=True)
        running.start()
        while not all(mark.exists() for mark in marks):
            time.sleep(0.01)
        busy = list(pool._busy)
        pool.interrupt(timeout=60)
        assert all(isinstance(future.exception(0), interrupt.Interrupted) for future in busy)


def test_a_signal_before_the_worker_is_ready_is_not_lost(tmp_path):
    with interrupt.blocked():
        signal.pthread_kill(threading.get_ident(), interrupt.SIGNAL)
        assert not interrupt.requested()
        code = (
            "import os, signal; from designspace.launch import interrupt\n"
            "os.kill(os.getpid(), interrupt.SIGNAL); interrupt.install(); print(interrupt.requested())"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        signal.sigtimedwait({interrupt.SIGNAL}, 0)
    assert done.stdout == "True\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_was_terminated_is_not_the_items_fault(tmp_path, number):
    item = (number, str(tmp_path / "marker"))
    with ProcessPool(work.kill_once_setup, environments=[{}]) as pool:
        (outcome,) = pool.run(deque([item]))
    if (
        number == signal.SIGTERM
    ):  # as by a batch system that ends the task: tried again, and nobody hears of it
        assert (outcome.value, outcome.failure) == ("survived", None)
    else:
        assert outcome.failure.kind == "worker_died"


@pytest.mark.parametrize("end", [signal.SIGTERM, 255])
def test_an_item_that_ends_every_worker_so_fails_after_a_few(tmp_path, end):
    item = (end, str(tmp_path / "starts"))
    with ProcessPool(work.always_end_setup, environments=[{}]) as pool:
        (outcome,) = pool.run(deque([item]))
    assert outcome.failure.kind == "worker_died"
    assert (tmp_path / "starts").stat().st_size == SPARED + 1
