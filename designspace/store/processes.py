"""Whether a process of this machine lives, and which start of it that is."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")


def boot() -> str:
    """This start of the machine: process numbers mean nothing after the next; empty where it is unknown."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def born(pid: int) -> str | None:
    """When a process began, in the kernel's own count; None where there is none alive.

    Without /proc (macOS) all that can be asked is whether there is one: it is then "".
    """
    try:
        fields = (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return "" if not (PROC / "self/stat").exists() and _answers(pid) else None
    return None if fields[0] in "ZX" else fields[19]  # a zombie is dead


def is_alive(pid: int) -> bool:
    """Whether there is such a process, other than a zombie."""
    return born(pid) is not None


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
