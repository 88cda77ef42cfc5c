"""Run a function over many items: in this process, or in worker processes of this machine.

A pool knows nothing of training. It is given `setup`, which is called once in every worker and returns the
function that is then applied to the items. Each item comes back as an `Outcome`, in the order of completion.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import datetime, timezone
from multiprocessing import forkserver, resource_tracker
from typing import Any, Protocol

from designspace.errors import RunError, one_line
from designspace.launch import interrupt
from designspace.launch.modules import safe_path
from designspace.launch.places import check_places

Work = Callable[[Any], Any]
Setup = Callable[[], Work]
Stuck = Callable[[Any], bool]

STARTS = 5  # tries to get a worker going
SERVER_TRIES, SERVER_SECONDS = 20, 0.1  # to reach a fork server that has just died
THREAD_SECONDS = 5.0  # that an executor's thread gets to end
UNKNOWN_EXIT = 255  # multiprocessing's exit code for a child of a fork server that is gone
SPARED = 3  # times that an item whose worker was terminated is begun again before that counts
STUCK_SECONDS = 2.0  # between two checks for workers that hang


@dataclass(frozen=True)
class Failure:
    """Why an item gave no value."""

    kind: str  # "exception", "worker_died" or "hang"
    reason: str  # one line
    error: str | None = None  # name of the exception's class
    traceback: str | None = None


@dataclass(frozen=True)
class Outcome:
    """An item with its value, or with the failure that took its place."""

    item: Any
    started: datetime  # UTC
    seconds: float
    value: Any = None
    failure: Failure | None = None

    def result(self, complaint: str) -> Any:
        """The value. Raises RunError, which begins with the complaint, if there is none."""
        if self.failure is not None:
            details = self.failure.traceback or ""
            raise RunError(f"{complaint}: {self.failure.reason}\n{details}".rstrip())
        return self.value


DIED = Failure("worker_died", "the worker process died")
HUNG = Failure("hang", "made no step for too long and was killed")


class Pool(Protocol):
    """What the launchers have in common; a context manager that ends its workers."""

    def __enter__(self) -> Pool: ...
    def __exit__(self, *exception: object) -> None: ...

    @property
    def size(self) -> int:
        """Number of workers."""
        ...

    def run(self, queue: deque[Any], stuck: Stuck = lambda item: False) -> Iterator[Outcome]:
        """Outcomes of the queue's items; more may be appended to the queue while it is worked off.

        `stuck` is asked every few seconds; a worker whose item is stuck is killed.
        """
        ...


class InProcessPool:
    """One item after the other, in this process: for debuggers and profilers."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._work: Work | None = None

    def __enter__(self) -> InProcessPool:
        return self

    def __exit__(self, *exception: object) -> None:
        self._work = None

    @property
    def size(self) -> int:
        return 1

    def run(self, queue: deque[Any], stuck: Stuck = lambda item: False) -> Iterator[Outcome]:
        if self._work is None:
            self._work = self._setup()
        while queue:
            yield _attempt(self._work, queue.popleft())


class ProcessPool:
    """Worker processes that take the next item as soon as they are free.

    Each worker is an executor of its own, so that a worker that dies costs the item it was at and is
    replaced, while the others go on. Workers end with this process, however it ends.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        environments: Sequence[dict[str, str]],
        preload: Sequence[str] = (),
        start_seconds: float | None = None,
    ) -> None:
        """One worker for each of `environments`, variables to set in it; `preload`: modules that it needs.

        A worker that takes longer than `start_seconds` for `setup` is replaced.
        """
        with safe_path():
            check_places()
        context = _context(preload)
        self._workers: list[_Worker] = []
        self._busy: dict[Future[Outcome], tuple[_Worker, Any, datetime]] = {}
        try:
            for environment in environments:
                self._workers.append(_Worker(setup, environment, context, start_seconds))
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.kill()

    @property
    def size(self) -> int:
        return len(self._workers)

    def run(self, queue: deque[Any], stuck: Stuck = lambda item: False) -> Iterator[Outcome]:
        idle = deque(self._workers)
        spared: Counter[int] = Counter()  # by the identity of an item that is queued or busy
        while queue or self._busy:
            while queue and idle:
                worker, item = idle.popleft(), queue.popleft()
                self._busy[worker.submit(item)] = worker, item, _now()
            done, _ = wait(self._busy, timeout=STUCK_SECONDS, return_when=FIRST_COMPLETED)
            hanging = [future for future in self._busy if future not in done and stuck(self._busy[future][1])]
            for future in [*done, *hanging]:
                worker, item, started = self._busy.pop(future)
                try:
                    outcome = future.result(timeout=0)
                except interrupt.Interrupted:  # by a signal that was meant for this worker alone
                    worker.replace()
                    idle.append(worker)
                    queue.appendleft(item)
                    continue
                except (BrokenProcessPool, TimeoutError):
                    terminated = future not in hanging and worker.was_terminated()
                    worker.replace()
                    # As when a batch system ends this task; it may be the item's doing if it goes on.
                    if terminated and spared[id(item)] < SPARED:
                        spared[id(item)] += 1
                        idle.append(worker)
                        queue.appendleft(item)
                        continue
                    failure = HUNG if future in hanging else DIED
                    outcome = Outcome(item, started, (_now() - started).total_seconds(), failure=failure)
                spared.pop(id(item), None)
                idle.append(worker)
                yield outcome

    def interrupt(self, timeout: float) -> None:
        """Ask all workers to stop at the next opportunity, and wait for that, at most `timeout` seconds."""
        for worker, _, _ in self._busy.values():
            worker.signal(interrupt.SIGNAL)
        wait(self._busy, timeout=timeout)


class _Worker:
    """A process that is started ahead of its first item and can be replaced."""

    def __init__(
        self, setup: Setup, environment: dict[str, str], context: Any, start_seconds: float | None
    ) -> None:
        self._setup, self._environment, self._context = setup, environment, context
        self._start_seconds = start_seconds
        self._start()

    def _start(self) -> None:
        for _ in range(SERVER_TRIES):
            self._executor = ProcessPoolExecutor(
                1, mp_context=self._context, initializer=_start_worker, initargs=(self._environment,)
            )
            try:
                with interrupt.deferred(signal.SIGINT, signal.SIGTERM), interrupt.blocked(), safe_path():
                    self._ready = self._executor.submit(_set_up, self._setup)
                return
            except (ConnectionError, EOFError):  # the fork server was killed and is going down
                time.sleep(SERVER_SECONDS)
            except BaseException:  # Ctrl-C: else a process that nobody knows of
                self.kill()
                raise
        raise RunError("no worker process can be started")

    def submit(self, item: Any) -> Future[Outcome]:
        """Begin with an item. Raises what `setup` raised, or RunError if the worker keeps dying in it."""
        for _ in range(STARTS):
            try:
                self._ready.result(timeout=self._start_seconds)
                return self._executor.submit(_work_on, item)
            except (BrokenProcessPool, TimeoutError):
                self.replace()
        raise RunError(f"a worker process died {STARTS} times while it was starting")

    def replace(self) -> None:
        """Start a new process in place of one that died."""
        self.kill()
        self._start()

    def signal(self, number: int) -> None:
        """Send a signal to the process, if it lives."""
        for process in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)

    def was_terminated(self) -> bool:
        """Whether the process ended by SIGTERM, or with the fork server, so that nobody knows how."""
        thread: Any = self._executor._executor_manager_thread
        if (
            thread is not None
        ):  # it waits for the process; of two that wait, one would not be told how it ended
            thread.join(THREAD_SECONDS)
        return any(process.exitcode in (-signal.SIGTERM, UNKNOWN_EXIT) for process in self._processes())

    def _processes(self) -> list[Any]:
        return list((self._executor._processes or {}).values())

    def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        processes: list[Any] = self._processes()
        thread: Any = self._executor._executor_manager_thread
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
        self._executor.shutdown(wait=False, cancel_futures=True)
        if thread is not None:  # at exit, Python would write to the pipe that this thread is closing
            thread.join(THREAD_SECONDS)


def _context(preload: Sequence[str]) -> Any:
    """Fork server with everything imported, so that workers start and restart at once; spawn elsewhere."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    with safe_path():
        resource_tracker.ensure_running()  # before the mask: it takes SIGINT out of it
        with interrupt.blocked(signal.SIGINT):  # Ctrl-C while the server imports would show its traceback
            forkserver.ensure_running()
    return context


# ---- in the worker ---------------------------------------------------------------------------------------

_work: Work | None = None  # the worker's function, between items


def _start_worker(environment: dict[str, str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    interrupt.install()
    os.environ.update(environment)  # torch may be imported, but CUDA reads its own only when first used
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _set_up(setup: Setup) -> None:
    global _work
    _work = setup()


def _work_on(item: Any) -> Outcome:
    assert _work is not None, "the worker was set up before it was given an item"
    return _attempt(_work, item)


def _attempt(work: Work, item: Any) -> Outcome:
    started, value, failure = _now(), None, None
    try:
        value = work(item)
    except Exception as error:
        failure = Failure("exception", one_line(error), type(error).__name__, traceback.format_exc())
    return Outcome(item, started, (_now() - started).total_seconds(), value, failure)


def _now() -> datetime:
    return datetime.now(timezone.utc)
