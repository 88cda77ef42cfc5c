"""Which images of a class are held out for validation and test: a function of their names alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

HOLDOUT_SEED = 0  # of files; rows of arrays have their own, in sources.py


@dataclass(frozen=True)
class Shares:
    """What is held out of each class, as shares of its images."""

    val: float = 0.0
    test: float = 0.0


@dataclass(frozen=True)
class FileRows:
    """Ascending rows of the files of one class."""

    train: list[int]
    val: list[int]
    test: list[int]


def hold_out_files(names: Sequence[str], shares: Shares) -> FileRows:
    """Divide the files of one class; `names` are relative paths that begin with the class.

    The files are ranked by a digest of seed and name, and the first ones held out: neither the order of
    listing nor where the folder lies matters. At least one file is held out for each share that is not 0.
    """
    ranked = sorted(range(len(names)), key=lambda row: (_rank(names[row]), names[row]))
    num_test, num_val = (
        max(1, round(share * len(names))) if share else 0 for share in (shares.test, shares.val)
    )
    return FileRows(
        train=sorted(ranked[num_test + num_val :]),
        val=sorted(ranked[num_test : num_test + num_val]),
        test=sorted(ranked[:num_test]),
    )


def _rank(name: str) -> bytes:
    name = name.replace(os.sep, "/")
    return hashlib.sha256(f"{HOLDOUT_SEED}/".encode() + os.fsencode(name)).digest()
