"""Tables on a terminal: no number is cut, whatever the width."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, TextIO

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

PLAIN_WIDTH = 10_000  # where nobody looks, nothing is wrapped
NAME_WIDTH = 24  # characters, beyond which a name goes on in a second line where the table is too wide
GAP = 2  # characters between two columns
LAYOUT: dict[str, Any] = {"show_edge": False, "padding": (0, GAP - 1, 0, 0), "pad_edge": False}
EMPTY = ("-", "", "0")  # a column with nothing else is left out

Rows = Sequence[dict[str, str]]  # heading to cell, the same headings in each row; the first column has names


def console_of(file: TextIO) -> Console:
    """A console that writes to the file: as wide as the terminal, without end or colours elsewhere."""
    console = Console(file=file, highlight=False)
    return console if console.is_terminal else Console(file=file, width=PLAIN_WIDTH, color_system=None)


def fitted_tables(rows: Rows, width: int) -> Group:
    """The rows as a table of at most so many characters, or as several below each other, each with the names.

    Empty columns are left out, and the heads underlined, where the width is that of a terminal.
    """
    name, *columns = rows[0]
    looked_at = width < PLAIN_WIDTH
    columns = [column for column in columns if not looked_at or _has_content(rows, column)]
    names = max(len(name), *(len(row[name]) for row in rows))
    needed = {column: _width(rows, column, wrap=False) for column in columns}
    if names + sum(needed.values()) + GAP * len(needed) > width:
        needed = {column: _width(rows, column, wrap=True) for column in columns}
        names = min(names, NAME_WIDTH, max(len(name), width - GAP - max(needed.values())))
    parts: list[list[str]] = [[]]
    left = width - names
    for column in columns:
        if needed[column] + GAP > left and parts[-1]:
            parts.append([])
            left = width - names
        parts[-1].append(column)
        left -= needed[column] + GAP
    tables = [Table(box=box.SIMPLE_HEAD if looked_at else None, **LAYOUT) for _ in parts]
    for table, part in zip(tables, parts, strict=True):
        table.add_column(name, overflow="fold", width=names, vertical="bottom")
        for column in part:
            table.add_column(column, justify="right", width=needed[column], vertical="bottom")
        for row in rows:
            table.add_row(*(printable(row[column]) for column in (name, *part)))
    return Group(tables[0], *(piece for table in tables[1:] for piece in ("", table)))


def table_text(rows: Rows, width: int) -> str:
    """The same as plain text."""
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(fitted_tables(rows, width))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def wrapped(text: str, width: int) -> str:
    """The text in lines of at most so many characters; words longer than that, as paths, stay whole."""
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def printable(text: str) -> Text:
    """Text as it is: rich reads no markup in it, and what a terminal might obey is spelled out."""
    return Text("".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text))


def _has_content(rows: Rows, column: str) -> bool:
    return bool({row[column] for row in rows} - set(EMPTY))


def _width(rows: Rows, column: str, *, wrap: bool) -> int:
    """Of the longest cell, and of the heading or, where it is wrapped, of its longest word."""
    heading = column.split() if wrap else [column]
    return max(len(text) for text in (*heading, *(row[column] for row in rows)))
