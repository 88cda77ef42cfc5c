"""What is at `data.root`: kept with a population and compared, so that no study mixes data. No torch."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from designspace.data.catalog import data_info, list_images, npz_info, root_path
from designspace.data.folders import FolderListing, ImageFile
from designspace.data.holdout import Shares
from designspace.data.npz import inspect_npz
from designspace.data.sets import FOLDER_SETS, NPZ
from designspace.data.settings import DataInfo, DataSettings
from designspace.data.sources import CIFAR_FOLDERS, fashion_mnist_sha256, locate_cifar
from designspace.errors import UserError, refuse, shown

log = logging.getLogger(__name__)

NAMED = 3  # classes or files that one line names


@dataclass(frozen=True)
class DataFound:
    """A data set as it was found; picklable, sent to every worker without its listing."""

    info: DataInfo  # without the images that are left out
    classes: tuple[str, ...]
    digest: str  # of names and sizes of all images with their split, whatever the root is called
    left_out: tuple[str, ...] | None = None  # that cannot be read, by path below the root; None: not tried
    shares: Shares = field(default_factory=Shares)  # that were held out
    listing: FolderListing | None = None  # of a folder set

    def summary(self) -> dict[str, Any]:
        """What config.yaml holds as `data_found`."""
        shares = {"val_share": self.shares.val, "test_share": self.shares.test}
        return {
            "classes": [printable(name) for name in self.classes],
            "train_images": self.info.num_train,
            "val_images": self.info.num_val,
            **({} if self.left_out is None else {"unreadable": len(self.left_out)}),
            **{name: share for name, share in shares.items() if share},
            "digest": self.digest,
        }


def find_data(settings: DataSettings) -> DataFound | None:
    """Look at the data set, and say what is left out; None where the name alone says what the images are.

    What is not there, and can be downloaded, is.

    Raises:
        UserError: the settings are invalid, or the data unusable.
    """
    refuse(settings.problems())
    if settings.name in FOLDER_SETS:
        listing = list_images(settings)
        found = DataFound(
            listing.info(settings.name), listing.classes, _digest(listing), None, listing.shares, listing
        )
        _tell(found, settings.groups)
        return found
    if settings.name == NPZ:
        npz = inspect_npz(root_path(settings))
        return DataFound(npz_info(npz), _numbers(npz.num_classes), npz.digest)
    root = None if settings.root is None else root_path(settings)
    if settings.name == "fashion_mnist":
        info = data_info(settings)
        return DataFound(info, _numbers(info.num_classes), fashion_mnist_sha256(root))
    if settings.name in CIFAR_FOLDERS:
        locate_cifar(settings.name, root)  # whose content torchvision checks
    return None


def _numbers(num_classes: int) -> tuple[str, ...]:
    return tuple(map(str, range(num_classes)))


def data_changes(there: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> list[str]:
    """How two sections `data_found` differ, in words; populations of earlier versions have none."""
    if not there or not now:
        return []
    tried = [there.get("unreadable"), now.get("unreadable")]
    if there["digest"] == now["digest"] and (None in tried or tried[0] == tried[1]):
        return []
    classes, other = there.get("classes") or [], now.get("classes") or []
    changes = []
    if classes != other:
        gone, new = ([n for n in a if n not in b] for a, b in ((classes, other), (other, classes)))
        changes.append(f"classes (there alone {_few(gone)}, now alone {_few(new)})")
    if None in tried:
        there, now = ({**found, "unreadable": None} for found in (there, now))
    keys = ("train_images", "val_images", "unreadable", "val_share", "test_share")
    counts = [(key, there.get(key), now.get(key)) for key in keys]
    changes += [f"{key}={shown(a)} there, {shown(b)} now" for key, a, b in counts if a != b]
    return [f"the images of data.root: {', '.join(changes) or 'other names or sizes of files'}"]


def printable(name: str) -> str:
    """A file name as text that can be written, also where it is not UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _few(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (", ".join(map(repr, names[:NAMED])) or "none") + more


def _tell(found: DataFound, groups: str | None) -> None:
    listing = found.listing
    assert listing is not None, "of a folder set"
    if listing.no_images:
        kinds = ", ".join(f"{count:,} {ending}" for ending, count in sorted(listing.no_images.items()))
        log.warning("data.root: files that are not taken for images: %s", kinds)
    if found.shares != Shares():
        log.info(
            "data.root: held out of each class%s: %g for validation (%s images), %g for test (%s images)",
            "" if groups is None else ", in whole groups",
            found.shares.val, f"{len(listing.val):,}", found.shares.test, f"{len(listing.test):,}",
        )  # fmt: skip


def _digest(listing: FolderListing) -> str:
    """SHA-256 of split, name and size of every image, sorted.

    Raises:
        UserError: one file is there under two classes.
    """
    files = [(split, file) for split, part in listing.splits().items() for file in part]
    places = np.full((2, len(files)), -1, np.int64)  # device and inode
    lines = []
    for row, (split, file) in enumerate(files):
        size = -1
        try:
            status = os.stat(file.path)
        except OSError:  # such as a link that leads nowhere
            places[1, row] = row
        else:
            size, places[0, row] = status.st_size, status.st_dev
            places[1, row] = np.uint64(status.st_ino).astype(np.int64)
        lines.append(os.fsencode(f"{split}\0{listing.relative(file)}\0{size}\n"))
    _check_links(files, places)
    return hashlib.sha256(b"".join(sorted(lines))).hexdigest()


def _check_links(files: list[tuple[str, ImageFile]], places: np.ndarray[Any, Any]) -> None:
    """Refuse a file with two classes; say how many are for training and for validation at once."""
    order = np.lexsort(places)
    same = (places[:, order[1:]] == places[:, order[:-1]]).all(axis=0)
    in_both = []
    for at in np.flatnonzero(same):
        (split, file), (other_split, other) = files[order[at]], files[order[at + 1]]
        if file.label != other.label:
            raise UserError(f"data.root: {file.path!r} and {other.path!r} are one file under two classes")
        if split != other_split:
            in_both.append(file.path)
    if in_both:
        log.warning(
            "data.root: files that are in two of train/, val/ and test/: %d, the first is %r",
            len(in_both), in_both[0],
        )  # fmt: skip


def without(found: DataFound, names: frozenset[str]) -> DataFound:
    """The same without some images. Raises UserError where a class has none left."""
    assert found.listing is not None, "of a folder set"
    listing = found.listing.without(names)
    return replace(found, info=listing.info(found.info.name), left_out=tuple(sorted(names)), listing=listing)
