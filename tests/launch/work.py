"""Functions for worker processes, importable there."""

import os
import signal
import time


def square_setup():
    return lambda x: x * x


def environment_setup():
    return lambda name: (os.environ.get(name), os.getpid())


def misbehaving_setup():
    """Items: a number is squared, "raise" raises, "die" kills the worker once, "die!" always."""

    def work(item):
        if item == "raise":
            raise ValueError("two\nlines")
        if item == "die!" or (isinstance(item, tuple) and not os.path.exists(item[1])):
            if isinstance(item, tuple):
                open(item[1], "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return item if isinstance(item, tuple) else item * item

    return work


def slow_setup():
    def work(seconds):
        time.sleep(seconds)
        return os.getpid()

    return work


def failing_setup():
    from designspace.errors import UserError

    raise UserError("data.root: no such folder")


def dying_setup():
    os._exit(3)


def interruptible_setup():
    from designspace.launch import interrupt

    def work(path):
        open(path, "w").close()
        for _ in range(10_000):
            if interrupt.requested():
                raise interrupt.Interrupted
            time.sleep(0.01)
        return "not asked"

    return work


def kill_once_setup():
    return kill_once


def kill_once(item):
    """Kill this process by the signal, but only where that has not been done before."""
    number, marker = item
    if not os.path.exists(marker):
        open(marker, "w").close()
        os.kill(os.getpid(), number)
        time.sleep(60)
    return "survived"


def always_end_setup():
    return always_end


def always_end(item):
    """End this process by SIGTERM or with an exit code, and leave one byte more in the file."""
    end, path = item
    with open(path, "a") as file:
        file.write(".")
    if end == signal.SIGTERM:
        os.kill(os.getpid(), end)
        time.sleep(60)
    os._exit(end)


def meeting_setup():
    return meet


def meet(item):
    """A variable's value (or the process), once `count` items are begun, each by a worker of its own."""
    variable, path, count, end = item
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    open(path, "w").close()
    while len(os.listdir(folder)) < count:
        time.sleep(0.01)
    if end == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid() if end == "pid" else os.environ.get(variable)
