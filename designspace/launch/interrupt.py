"""A request to stop at the next opportunity: SIGUSR2, as batch systems send it before they kill.

A process that has not installed the handler yet must not die of the signal, so it is started with the signal
blocked, and installing unblocks it: a request that came meanwhile is then seen.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

SIGNAL = signal.SIGUSR2

_requested = False


class Interrupted(BaseException):  # like KeyboardInterrupt: nobody's error
    """The work was stopped on request, and what is needed to continue it is on disk."""


def requested() -> bool:
    """Whether this process has been asked to stop."""
    return _requested


def install() -> None:
    """Take requests from now on; for the main thread of a worker."""
    signal.signal(SIGNAL, _request)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {SIGNAL})


@contextlib.contextmanager
def blocked(*others: signal.Signals) -> Iterator[None]:
    """Processes started within begin with the signal blocked, and so are the others given."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {SIGNAL, *others})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def deferred(*numbers: signal.Signals) -> Iterator[None]:
    """Python's handlers of these signals run at the end of the block, for what must not be torn apart.

    A mask would not do: a handler runs in the main thread even if another thread takes the signal.
    """
    if threading.current_thread() is not threading.main_thread():  # where no handler ever runs
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: came.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for one in came[:1]:
            signal.raise_signal(one)


def _request(signum: int, frame: object) -> None:
    global _requested
    _requested = True
