"""Groups of images that stay together when some are held out, as those of one patient. No torch."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from designspace.data.holdout import HOLDOUT_SEED, FileRows, Shares
from designspace.errors import UserError

COLUMNS = ("path", "group")


def read_groups(path: Path) -> dict[str, str]:
    """Group by the path of an image below the root, from a CSV file with the columns path and group.

    Raises:
        UserError: the file cannot be read, lacks a column, or names an image twice, in different groups.
    """
    groups: dict[str, str] = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if lacking := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
                raise _error(
                    path, f"lacks the column {lacking[0]!r} in its first line, which must be path,group"
                )
            for row in rows:
                name, group = ((row[column] or "").strip() for column in COLUMNS)
                if not name or not group:
                    raise _error(path, f"line {rows.line_num} must have a path and a group")
                if groups.setdefault(name.removeprefix("./"), group) != group:
                    raise _error(path, f"line {rows.line_num} gives {name!r} a second group")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _error(path, f"cannot be read ({reason})") from None
    return groups


def groups_of(names: Sequence[str], groups: Mapping[str, str], path: Path) -> list[str]:
    """The group of each image, by its path below the root. Raises UserError where one has none."""
    absent = [name for name in names if name not in groups]
    if absent:
        count = f"{len(absent):,} of {len(names):,} images"
        raise _error(path, f"has no group for {absent[0]!r}, and for {count} in all")
    return [groups[name] for name in names]


def hold_out_groups(labels: Sequence[int], groups: Sequence[str], shares: Shares) -> FileRows:
    """Divide images with these labels so that no group is in two parts.

    Groups are gone through in the order of a digest of seed and name. One is held out where that brings the
    images of each class nearer to their share (by squared distance, in shares of the class), so that the
    parts are stratified as well as the groups allow; then one more for a class that has none. The order of
    the images does not matter.

    Raises:
        TooFewGroupsError: a class has too few groups for an image of each part.
    """
    names = sorted({*groups}, key=lambda name: (_rank(name), name))
    number = {name: row for row, name in enumerate(names)}
    member = np.array([number[group] for group in groups])
    counts = np.zeros((len(names), max(labels) + 1), np.int64)  # images of each group and class
    np.add.at(counts, (member, np.asarray(labels)), 1)
    part = np.zeros(len(names), np.int64)  # 0: training; then validation and test
    for place, share in ((2, shares.test), (1, shares.val)):
        if share:
            _take(counts, part, place, share)
    rows = [np.flatnonzero(part[member] == place).tolist() for place in range(3)]
    return FileRows(*rows)


def _take(counts: npt.NDArray[np.int64], part: npt.NDArray[np.int64], place: int, share: float) -> None:
    """Give groups that are still for training to the part `place`, about a share of each class."""
    whole, left = counts.sum(axis=0), counts[part == 0].sum(axis=0)
    held = np.zeros(len(whole), np.int64)
    for lacks_any in (False, True):
        for group in np.flatnonzero(part == 0):
            more = counts[group]
            nearer = _distance(held + more, whole, share) < _distance(held, whole, share)
            wanted = bool(((held == 0) & (more > 0)).any()) if lacks_any else nearer
            if wanted and (left > more).all():
                part[group], held, left = place, held + more, left - more
    if not held.all():
        raise TooFewGroupsError(int(np.flatnonzero(held == 0)[0]))


def _distance(held: npt.NDArray[np.int64], whole: npt.NDArray[np.int64], share: float) -> float:
    return float(((held / whole - share) ** 2).sum())


class TooFewGroupsError(ValueError):
    """A class, by its label, has too few groups."""


def _rank(group: str) -> bytes:
    return hashlib.sha256(f"{HOLDOUT_SEED}/group/{group}".encode()).digest()


def _error(path: Path, problem: str) -> UserError:
    return UserError(f"data.groups={path}: {problem}")
