"""How far a population is: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Column

from designspace.store.records import Record
from designspace.training.retries import Event

LINE_SECONDS = 30.0  # between two plain lines

log = logging.getLogger(__name__)


class Progress:
    """Counts finished models, of `total` to train; a context manager.

    `best` is the lowest error [%] of the models of the population that are finished already.
    """

    def __init__(self, name: str, total: int, best: float | None = None) -> None:
        self._name, self._total = name, total
        self._counts: Counter[str] = Counter()
        self._best = best
        self._start = self._last_line = time.monotonic()
        self._console = Console(file=sys.stderr)
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task(name, total=total, state=self._state())

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
        error = None if record is None else record.error
        if error is not None and (self._best is None or error < self._best):
            self._best = error
        self._bar.update(self._task, advance=1, state=self._state())
        now = time.monotonic()
        left = self._total - sum(self._counts.values())
        if self._bar.disable and left and now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            log.info("%s: %s", self._name, self._state())

    def _state(self) -> str:
        finished = sum(self._counts.values())
        left = self._total - finished
        parts = [f"{self._counts['done']}/{self._total} done"]
        parts += [f"{self._counts[s]} {s}" for s in ("diverged", "failed") if self._counts[s]]
        if self._best is not None:
            parts.append(f"best error {self._best:.2f} %")
        elapsed = time.monotonic() - self._start
        if left and finished:
            parts.append(f"{left} left, {duration(elapsed / finished * left)}")
        elif not left:
            parts.append(f"took {duration(elapsed)}")
        return ", ".join(parts)


class Waiting:
    """Says what is being waited for: one live line with the time on a terminal, plain lines elsewhere.

    A context manager; the line is gone at its end.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        console = Console(file=sys.stderr)
        self._live = Bar(
            SpinnerColumn(),
            TimeElapsedColumn(),
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
