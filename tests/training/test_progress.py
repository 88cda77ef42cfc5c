"""How far a population is, in words."""

import io
import logging
import re

import pytest

from designspace.launch.pool import Failure
from designspace.networks.architecture import Architecture
from designspace.store.records import Record, Status
from designspace.training import progress
from designspace.training.messages import Model
from designspace.training.progress import Best, Progress, duration, stderr_console
from designspace.training.retries import Event

MODEL = Model("00ff", Architecture("v", (1,), (8,), (1.0,), (8,), 8), seed=3, flops=1, params=2, acts=3)


def done(error):
    return Event(MODEL, record=Record("00ff", "s", Status.DONE, 0, error=error))


@pytest.fixture
def clock(monkeypatch):
    """A time that only the test moves."""

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    monkeypatch.setattr(progress, "time", clock := Clock())
    return clock


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, logger="designspace")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (320, "5 min 20 s"), (3599, "59 min 59 s"),
        (3600, "1 h"), (11_400, "3 h 10 min"), (86_399, "23 h 59 min"), (86_400, "1 d"), (187_200, "2 d 4 h"),
    ],
)  # fmt: skip
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_the_line_says_what_is_done_left_and_best(clock, lines):
    with Progress("space", total=6) as shown:
        for second, event in enumerate([done(21.0), done(20.5), done(30.0)], start=1):
            clock.now = 20.0 * second
            shown.show(event)
        clock.now = 80.0
        shown.show(Event(MODEL, record=Record("00ff", "s", Status.DIVERGED, 0, reason="loss is nan")))
        shown.show(Event(MODEL, retried=Failure("exception", "no luck")))
        shown.show(Event(MODEL, failed=Failure("exception", "no luck")))
    assert lines() == [
        "space: 2/6 done, best error 20.50 % (00ff of s), 4 left, 1 min 20 s",
        "space: 3/6 done, 1 diverged, best error 20.50 % (00ff of s), 2 left, 40 s",
        "space: 00ff will be retried: no luck",
        "space: 00ff failed: no luck",
        "space: 3/6 done, 1 diverged, 1 failed, best error 20.50 % (00ff of s), 1 left, 16 s",
    ]


def test_the_best_error_is_also_of_the_models_that_were_finished_before(clock, lines):
    for error, best in ((21.0, "best error 19.50 % (aa of b)"), (18.0, "best error 18.00 % (00ff of s)")):
        with Progress("space", total=1, best=Best(19.5, "aa", "b")) as shown:
            clock.now += 3600
            shown.show(done(error))
        assert lines()[-1] == f"space: 1/1 done, {best}, took 1 h"


def test_without_any_error_there_is_no_best(clock, lines):
    with Progress("space", total=2):
        pass
    assert lines() == ["space: 0/2 done"]


def test_a_terminal_shows_the_time_and_what_is_in_work_every_second(clock, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stderr", out := io.StringIO())
    with Progress("space", total=6, best=Best(19.5, "aa", "b"), epochs=4, in_work=lambda: [2, 3, 2]) as shown:
        clock.now = 60.0
        shown.show(done(21.0))
        clock.now = 90.0
        shown._bar.refresh()  # as each second
    text = out.getvalue()
    assert "1/6 done, 1 min 30 s, about 4 min 30 s left" in text
    assert "in work: 2 in epoch 2/4, 1 in epoch 3/4; best error 19.50 % (aa of b)" in text
    assert max(map(len, re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text).splitlines())) <= 80


def test_a_notebook_that_forces_colours_on_what_it_starts_gets_plain_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not stderr_console().is_terminal
