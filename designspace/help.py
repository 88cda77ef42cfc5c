"""The `--help` of the programs, made from the schema: each key with the comment beside its field."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from designspace.spaces.load import available_spaces

WIDTH = 80
KEY_WIDTH = 28  # before the comments


def keys(schema: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, its comment) of all fields of a schema, nested ones included."""
    comments = _comments(schema)
    for field in fields(schema):
        section = field.default_factory
        if is_dataclass(section):
            yield from keys(section, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, comments[field.name]


def help_text(
    summary: str,
    schema: Any,
    conf: Path,
    groups: Sequence[str],
    defaults: Mapping[str, str],
    first: Sequence[str] = (),
) -> str:
    """What a program does, the choices that the folders `groups` of conf/ offer, and all keys.

    Each key with its value in `defaults`, as typed; those in `first` on their own, before the others.
    """
    lines = [summary.strip(), ""]
    if groups:
        lines.append("choices (a space may also be the path of a YAML file):")
        for group in groups:
            files = sorted(path.stem for path in (conf / group).glob("*.yaml"))
            lines.append(_entry(f"{group}=", ", ".join(available_spaces() if group == "space" else files)))
        lines.append("")
    comments = dict(keys(schema))
    if first:
        lines += ["keys to begin with, and their defaults:"]
        lines += [_entry(f"{key.removesuffix('.source')}={defaults[key]}", comments[key]) for key in first]
        lines += ["", "all other keys:"]
    else:
        lines += ["keys and their defaults:"]
    lines += [
        _entry(f"{key.removesuffix('.source')}={defaults[key]}", comment)
        for key, comment in comments.items()
        if key not in first
    ]
    if groups:
        lines += ["", f"a choice changes defaults: {' and '.join(g for g in groups if g != 'space')}"]
    lines += ["", "--cfg job shows all values, -m key=a,b runs several; the files are in conf/"]
    return "\n".join(lines)


def _comments(schema: Any) -> dict[str, str]:
    found = re.findall(r"^    (\w+): [^#\n]*?(?:  # (.*))?$", inspect.getsource(schema), flags=re.MULTILINE)
    return dict(found)


def _entry(key: str, text: str) -> str:
    """The key, and beside it the text; below it where the key is long."""
    head = f"  {key:<{KEY_WIDTH - 1}} "
    if len(head) > KEY_WIDTH + 2:
        return f"{head.rstrip()}\n{_entry('', text)}"
    return textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=" " * (KEY_WIDTH + 2)).rstrip()
