"""The status of a study for people: a table on a terminal, aligned text elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from designspace.store.status import SpaceStatus, StudyStatus
from designspace.training.progress import duration

LINES = 10  # of failures, and of unreadable files, that are shown for a space
COUNTS = ("models", "done", "diverged", "failed", "running", "waiting")
PLAIN_WIDTH = 10_000  # where nobody looks, nothing is wrapped


def print_status(status: StudyStatus, file: TextIO) -> None:
    """Write the table of the spaces, and below it failures and unreadable files."""
    console = Console(file=file)
    if not console.is_terminal:
        console = Console(file=file, width=PLAIN_WIDTH, color_system=None)
    console.print(_shown(f"study {status.study} in {status.folder}, {status.time}"), soft_wrap=True)
    console.print(_table(status, box.SIMPLE_HEAD if console.is_terminal else None))
    for space in status.spaces:
        for line in _details(space):
            console.print(_shown(line), soft_wrap=True)


def _table(status: StudyStatus, lines: box.Box | None) -> Table:
    table = Table(box=lines, pad_edge=False)
    table.add_column("space", overflow="fold")
    for name in (*COUNTS, "best error", "time per model", "models per hour", "time left"):
        table.add_column(name, justify="right")
    for space in status.spaces:
        table.add_row(
            _shown(space.space),
            *(str(getattr(space, name)) for name in COUNTS),
            "-" if space.best_error is None else f"{space.best_error:.2f} %",
            _duration(space.mean_seconds),
            _rate(space),
            _duration(space.seconds_left),
        )
    if len(status.spaces) > 1:
        table.add_row("all", *(str(sum(getattr(space, name) for space in status.spaces)) for name in COUNTS))
    return table


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


def _shown(text: str) -> Text:
    """Text as it is: rich reads no markup in it, and what a terminal might obey is spelled out."""
    return Text("".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text))
