"""Where processes that are started look for modules: never in the current folder, whatever it holds.

Python puts that folder first for `python -c`, as multiprocessing starts its processes, and in notebooks: a
`random.py` in it would be executed in place of the standard library's.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from multiprocessing import process
from pathlib import Path

PACKAGE_PLACE = str(Path(__file__).resolve().parents[2])
VARIABLE = "PYTHONSAFEPATH"


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """Processes started within look for modules where this process does, but for the current folder."""
    if needs_current_folder():
        yield
        return
    before, variable = sys.path, os.environ.get(VARIABLE)
    sys.path, os.environ[VARIABLE] = [entry for entry in sys.path if entry], "1"
    try:
        yield
    finally:
        sys.path = before
        if variable is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = variable


def needs_current_folder() -> bool:
    """Whether this package itself is found through the current folder alone, as in a clone not installed."""
    return "" in sys.path and _started_in() == PACKAGE_PLACE and PACKAGE_PLACE not in sys.path


def _started_in() -> str:
    """The current folder when this process began; empty where it did not exist."""
    return str(getattr(process, "ORIGINAL_DIR", None) or "")
