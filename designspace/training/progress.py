"""How far a population is: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from designspace.store.records import Record
from designspace.training.retries import Event

ID_DIGITS = 8  # of a model that are shown
LINE_SECONDS = 30.0  # between two plain lines

log = logging.getLogger(__name__)


def stderr_console() -> Console:
    """What progress is shown on: no terminal where it is none, though notebooks set FORCE_COLOR for it."""
    asked = "TTY_COMPATIBLE" in os.environ  # rich's own variable
    return Console(file=sys.stderr, force_terminal=None if asked else sys.stderr.isatty())


@dataclass(frozen=True, order=True)
class Best:
    """The finished model of the lowest error."""

    error: float  # percent
    model_id: str
    space: str

    def __str__(self) -> str:
        return f"best error {self.error:.2f} % ({self.model_id[:ID_DIGITS]} of {self.space})"


class Progress:
    """Counts finished models, of `total` to train; a context manager.

    `best` is that of the models of the study that are finished already. On a terminal, `in_work` is asked
    every second for the epochs of the models in training, of `epochs`.
    """

    def __init__(
        self,
        name: str,
        total: int,
        best: Best | None = None,
        *,
        epochs: int = 0,
        in_work: Callable[[], Sequence[int]] = tuple,
    ) -> None:
        self._name, self._total = name, total
        self._epochs, self._in_work = epochs, in_work
        self._counts: Counter[str] = Counter()
        self._best = best
        self._start = self._last_end = self._last_line = time.monotonic()
        console = stderr_console()
        self._bar = _Bar(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False, table_column=Column(max_width=24)),
            BarColumn(bar_width=16),
            _Told(self._counted),
            below=self._below,
            console=console,
            disable=not console.is_terminal,
            refresh_per_second=1,
            transient=True,
        )
        self._task = self._bar.add_task(name, total=total)

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()
        log.info("%s: %s", self._name, self._state())

    def show(self, event: Event) -> None:
        """Count a model that ended, and say why one did not."""
        if event.record is None:
            log.warning("%s: %s %s", self._name, event.model.model_id, event)
        if event.retried is None:
            self.finished(event.record)

    def finished(self, record: Record | None) -> None:
        """Count a model with its record, None where it failed."""
        self._counts["failed" if record is None else record.status.value] += 1
        if record is not None and record.error is not None:
            ended = Best(record.error, record.model_id, record.space)
            self._best = ended if self._best is None else min(self._best, ended)
        self._bar.update(self._task, advance=1)
        self._last_end = now = time.monotonic()
        left = self._total - sum(self._counts.values())
        if self._bar.disable and left and now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            log.info("%s: %s", self._name, self._state())

    def _state(self) -> str:
        """One line for a log."""
        left = self._total - sum(self._counts.values())
        parts = [self._done()] + ([] if self._best is None else [str(self._best)])
        if (seconds := self._seconds_left()) is not None:
            parts.append(f"{left} left, {duration(seconds)}")
        elif not left:
            parts.append(f"took {duration(time.monotonic() - self._start)}")
        return ", ".join(parts)

    def _counted(self) -> str:
        """Beside the bar."""
        parts = [self._done(), duration(time.monotonic() - self._start)]
        if (seconds := self._seconds_left()) is not None:
            parts.append(f"about {duration(seconds)} left")
        return ", ".join(parts)

    def _below(self) -> str:
        """Below it: what is in work, and the best so far."""
        epochs = Counter(self._in_work())
        told = [f"{count} in epoch {epoch}/{self._epochs}" for epoch, count in sorted(epochs.items())]
        parts = [f"in work: {', '.join(told)}"] if told else []
        return "; ".join([*parts, *([] if self._best is None else [str(self._best)])])

    def _done(self) -> str:
        parts = [f"{self._counts['done']}/{self._total} done"]
        return ", ".join(
            parts + [f"{self._counts[s]} {s}" for s in ("diverged", "failed") if self._counts[s]]
        )

    def _seconds_left(self) -> float | None:
        """By the mean time of the finished models; None where none or all are finished."""
        finished = sum(self._counts.values())
        if not 0 < finished < self._total:
            return None
        mean = (self._last_end - self._start) / finished
        return max(0.0, mean * (self._total - finished) - (time.monotonic() - self._last_end))


class _Told(ProgressColumn):
    """A text that is asked for each time the line is drawn."""

    def __init__(self, text: Callable[[], str]) -> None:
        super().__init__(table_column=Column(ratio=1))
        self._text = text

    def render(self, task: Task) -> Text:
        return Text(self._text())


class _Bar(Bar):
    """With a line of text below."""

    def __init__(self, *columns: ProgressColumn, below: Callable[[], str], **options: Any) -> None:
        self._below = below
        super().__init__(*columns, **options)

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        if text := self._below():
            yield Text(f"  {text}")


class Waiting:
    """Says what is being waited for: one live line with the time on a terminal, plain lines elsewhere.

    A context manager; the line is gone at its end.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        console = stderr_console()
        self._live = Bar(
            SpinnerColumn(),
            TimeElapsedColumn(table_column=Column(min_width=7)),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._live.add_task(name)

    def __enter__(self) -> Waiting:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def say(self, what: str) -> None:
        """What happens from now on."""
        if self._live.disable:
            log.info("%s: %s", self._name, what)
        else:
            self._live.update(self._task, description=f"{self._name}: {what}")


def duration(seconds: float) -> str:
    """A length of time for people: 42 s, 5 min 20 s, 3 h 10 min, 2 d 4 h."""
    whole = round(seconds)
    for unit, length, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= length:
            rest = whole % length // part
            return f"{whole // length} {unit} {rest} {smaller}" if rest else f"{whole // length} {unit}"
    return f"{whole} s"
