"""The status of a study for people: a table on a terminal, aligned text elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import TextIO

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from designspace.report.terminal import Rows, console_of, fitted_tables, printable
from designspace.store.status import SpaceStatus, StudyStatus
from designspace.training.progress import duration

LINES = 10  # of failures, and of unreadable files, that are shown for a space
WATCH_SECONDS, WATCH_LOOKS = 2.0, 5.0  # between two looks: at least so long, and so many times what one takes
COUNTS = ("models", "done", "diverged", "failed", "running", "waiting")


def print_status(status: StudyStatus, file: TextIO) -> None:
    """Write the table of the spaces, and below it failures and unreadable files."""
    console = console_of(file)
    for part in _parts(status, console.width):
        console.print(part, soft_wrap=isinstance(part, Text))


def watch_status(look: Callable[[], StudyStatus], file: TextIO) -> None:
    """Show the status that `look` gives again and again, until no model is running or waiting.

    On a terminal it is drawn anew in the same place; elsewhere it is written again where it has changed.
    """
    console, shown = console_of(file), ""
    with Live(console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live:
        while True:
            begin = time.monotonic()
            status = look()
            if live is not None:
                live.update(Group(*_parts(status, console.width)), refresh=True)
            elif shown != (shown := repr(status.spaces)):
                print_status(status, file)
                file.flush()
            if not any(space.running or space.waiting for space in status.spaces):
                return
            time.sleep(max(WATCH_SECONDS, WATCH_LOOKS * (time.monotonic() - begin)))


def _parts(status: StudyStatus, width: int) -> Iterator[RenderableType]:
    yield printable(f"study {status.study} in {status.folder}, {status.time}")
    yield fitted_tables(_rows(status), width)
    for space in status.spaces:
        yield from map(printable, _details(space))


def _rows(status: StudyStatus) -> Rows:
    rows = [
        {
            "space": space.space,
            **{name: str(getattr(space, name)) for name in COUNTS},
            "best error": "-" if space.best_error is None else f"{space.best_error:.2f} %",
            "time per model": _duration(space.mean_seconds),
            "models per hour": _rate(space),
            "time left": _duration(space.seconds_left),
        }
        for space in status.spaces
    ]
    if len(rows) > 1:
        total = {name: str(sum(int(row[name]) for row in rows)) for name in COUNTS}
        rows.append({**dict.fromkeys(rows[0], ""), "space": "all", **total})
    return rows


def _details(space: SpaceStatus) -> Iterator[str]:
    if space.failures:
        yield f"{space.space}: models without an error, by reason, with a record that says more:"
    for group in space.failures[:LINES]:
        yield f"  {group.count} x {group.kind}: {group.reason or '-'}"
        yield f"      {group.record or 'in runs.parquet only'}"
    if len(space.failures) > LINES:
        yield f"  and {len(space.failures) - LINES} more reasons; --json lists them all"
    if space.unreadable:
        yield f"{space.space}: files that cannot be used: {len(space.unreadable)}"
    for problem in space.unreadable[:LINES]:
        yield f"  {problem}"
    if len(space.unreadable) > LINES:
        yield f"  and {len(space.unreadable) - LINES} more; --json lists them all"


def _rate(space: SpaceStatus) -> str:
    if space.models_per_hour is None:
        return "-"
    digits = 0 if space.models_per_hour >= 10 else 1
    return f"{space.models_per_hour:,.{digits}f} ({str(space.rate_over).replace('_', ' ')})"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)
