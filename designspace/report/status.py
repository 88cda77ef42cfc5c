"""The status of a study for people: a table on a terminal, aligned text elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from designspace.report.terminal import Rows, console_of, fitted_tables, printable
from designspace.store.status import SpaceStatus, StudyStatus
from designspace.training.progress import duration

LINES = 10  # of failures, and of unreadable files, that are shown for a space
COUNTS = ("models", "done", "diverged", "failed", "running", "waiting")


def print_status(status: StudyStatus, file: TextIO) -> None:
    """Write the table of the spaces, and below it failures and unreadable files."""
    console = console_of(file)
    console.print(printable(f"study {status.study} in {status.folder}, {status.time}"), soft_wrap=True)
    console.print(fitted_tables(_rows(status), console.width))
    for space in status.spaces:
        for line in _details(space):
            console.print(printable(line), soft_wrap=True)


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
