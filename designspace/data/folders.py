"""Folders of images, listed and checked: <root>/train/<class>/* and <root>/val/<class>/*. No torch.

Without val/, validation images are held out of train/; without train/ and val/, validation and test
images are held out of <root>/<class>/*. Names that begin with a dot, and what systems leave in folders, are
skipped.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path

from designspace.data.groups import TooFewGroupsError, groups_of, hold_out_groups, read_groups
from designspace.data.holdout import Shares, hold_out_files
from designspace.data.reading import IMAGE_SUFFIXES
from designspace.data.settings import DataInfo
from designspace.errors import UserError

EXPECTED = (
    "expected <root>/train/<class>/* and <root>/val/<class>/*, "
    "or, for data=image_folder, <root>/<class>/* alone"
)
SYSTEM_NAMES = ("__macosx", "@eadir", "thumbs.db", "desktop.ini")  # in lower case
SPLIT_LIKE = ("training", "valid", "validation", "dev", "testing")  # never meant as classes

Identity = tuple[int, int]  # device and inode: the same for all names of a folder or file


@dataclass(frozen=True, slots=True)
class ImageFile:
    path: str
    label: int  # rank of the class among the sorted names


@dataclass(frozen=True)
class FolderListing:
    """All image files of a folder set, in the order of torchvision's `ImageFolder`."""

    root: Path
    classes: tuple[str, ...]
    train: list[ImageFile]
    val: list[ImageFile]
    test: list[ImageFile] = field(default_factory=list)  # only where held out, see list_test_images
    shares: Shares = field(default_factory=Shares)  # that were held out
    no_images: Counter[str] = field(default_factory=Counter)  # other files by ending, left out

    def info(self, name: str) -> DataInfo:
        return DataInfo(name, len(self.classes), len(self.train), len(self.val))

    def splits(self) -> dict[str, list[ImageFile]]:
        return {"train": self.train, "val": self.val, "test": self.test}

    def relative(self, file: ImageFile) -> str:
        """The path below the root."""
        return file.path.removeprefix(os.path.join(self.root, ""))

    def without(self, names: Collection[str]) -> FolderListing:
        """The same without the images of these paths below the root.

        Raises:
            UserError: a class has no image left to train on or to validate with.
        """
        kept = {
            split: [file for file in files if self.relative(file) not in names]
            for split, files in self.splits().items()
        }
        for split in ("train", "val"):
            if gone := {*range(len(self.classes))} - {file.label for file in kept[split]}:
                name = self.classes[min(gone)]
                raise UserError(f"data.root: class {name!r} has no image in {split} that can be read")
        return replace(self, train=kept["train"], val=kept["val"], test=kept["test"])


def scan_image_folder(root: Path, shares: Shares | None = None, groups: Path | None = None) -> FolderListing:
    """List the folder; every way in which it cannot be trained on is a `UserError`.

    `shares` are held out where there is no val/; None: val/ is needed. `groups` is a CSV file, see
    `read_groups`, of images that stay together then.
    """
    try:
        if shares is None or (root / "val").is_dir():
            if groups is not None:
                raise UserError(
                    f"data.groups={groups}: must be null, since data.root has validation images of its own"
                )
            return _scan_train_and_val(root)
        return _scan_and_hold_out(root, shares, groups)
    except OSError as error:
        place = repr(str(error.filename or root))
        raise UserError(f"data.root: {place} cannot be read ({error.strerror})") from None


def _scan_train_and_val(root: Path) -> FolderListing:
    train, val = root / "train", root / "val"
    classes, val_classes = _class_names(train), _class_names(val)
    if train.samefile(val):
        raise UserError(f"data.root: {_quoted(train)} and {_quoted(val)} are the same folder")
    _check_classes(train, classes)
    if classes != val_classes:
        missing, extra = sorted({*classes} - {*val_classes}), sorted({*val_classes} - {*classes})
        raise UserError(
            f"data.root: train/ and val/ of {_quoted(root)} must have the same classes, "
            f"but val/ lacks {len(missing)} {missing[:3]} and has {len(extra)} of its own {extra[:3]}"
        )
    first, second = _scan_classes(train, classes), _scan_classes(val, classes)
    if common := sorted(first.folders.keys() & second.folders.keys()):
        one, two = first.folders[common[0]], second.folders[common[0]]
        raise UserError(f"data.root: {one!r} and {two!r} are the same folder, in train/ and in val/")
    return FolderListing(
        root, tuple(classes), first.files, second.files, no_images=first.no_images + second.no_images
    )


def _scan_and_hold_out(root: Path, shares: Shares, groups: Path | None) -> FolderListing:
    """Without val/: the images of train/, or of the root itself, are divided."""
    whole = root / "train" if any((root / split).is_dir() for split in ("train", "test")) else root
    if other := [name for name in SPLIT_LIKE if (root / name).is_dir()]:
        raise UserError(
            f"data.root: {_quoted(root)} has {other[0]}/ but no val/; folders of images for different uses "
            "must be called train/, val/ and test/"
        )
    if whole != root:
        shares = Shares(val=shares.val)
    classes = _class_names(whole)
    _check_classes(whole, classes)
    found = _scan_classes(whole, classes)
    if groups is None:
        by_class = groupby(found.files, key=attrgetter("label"))
        parts = [_hold_out(whole, list(files), shares) for _, files in by_class]
    else:
        parts = [_hold_out_groups(root, classes, found.files, shares, groups)]
    train, val, test = (list(chain(*split)) for split in zip(*parts, strict=True))  # of all classes
    return FolderListing(root, tuple(classes), train, val, test, shares, found.no_images)


def _hold_out(
    whole: Path, files: list[ImageFile], shares: Shares
) -> tuple[list[ImageFile], list[ImageFile], list[ImageFile]]:
    """The images of one class that are for training, validation and test."""
    names = [os.path.relpath(file.path, whole) for file in files]
    parts = hold_out_files(names, shares)
    if not parts.train:
        folder = str(whole / names[0].split(os.sep)[0])
        raise UserError(
            f"data.root: {folder!r} has {len(files)} images, of which {len(parts.val) + len(parts.test)} "
            "are to be held out; at least 1 must be left to train on"
        )
    train, val, test = ([files[row] for row in rows] for rows in (parts.train, parts.val, parts.test))
    return train, val, test


def _hold_out_groups(
    root: Path, classes: Sequence[str], files: list[ImageFile], shares: Shares, groups: Path
) -> tuple[list[ImageFile], list[ImageFile], list[ImageFile]]:
    """The images of all classes that are for training, validation and test, each group in one part."""
    names = [os.path.relpath(file.path, root).replace(os.sep, "/") for file in files]
    known = groups_of(names, read_groups(groups), groups)
    try:
        rows = hold_out_groups([file.label for file in files], known, shares)
    except TooFewGroupsError as error:
        raise UserError(
            f"data.groups={groups}: class {classes[error.args[0]]!r} is in too few groups to be in all of "
            "training, validation and test images"
        ) from None
    train, val, test = ([files[row] for row in part] for part in (rows.train, rows.val, rows.test))
    return train, val, test


def list_test_images(listing: FolderListing) -> list[ImageFile]:
    """Those that were held out, or else those of test/; empty where there are none.

    Raises:
        UserError: test/ has classes that are not trained on, or cannot be read.
    """
    folder = listing.root / "test"
    if listing.test or not folder.is_dir():
        return listing.test
    try:
        classes = _class_names(folder)
        if extra := sorted({*classes} - {*listing.classes}):
            raise UserError(f"data.root: {_quoted(folder)} has classes that are not in train/: {extra[:3]}")
        ranks = {name: rank for rank, name in enumerate(listing.classes)}
        found = _scan_classes(folder, classes).files
    except OSError as error:
        raise UserError(f"data.root: {_quoted(folder)} cannot be read ({error.strerror})") from None
    return [replace(file, label=ranks[classes[file.label]]) for file in found]


# ---- one split ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Split:
    files: list[ImageFile]
    folders: dict[Identity, str]  # that were looked into, each once
    no_images: Counter[str]


def _class_names(split: Path) -> list[str]:
    if not split.is_dir():
        raise UserError(f"data.root: no folder {_quoted(split)}; {EXPECTED}")
    above = _ancestors(split)
    with os.scandir(split) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if not _is_hidden(entry.name) and entry.is_dir() and _identity(entry.path) not in above
        )
    if not names:
        raise UserError(f"data.root: no class folders in {_quoted(split)}; {EXPECTED}")
    return names


def _check_classes(split: Path, classes: list[str]) -> None:
    if len(classes) < 2:
        raise UserError(f"data.root: at least 2 classes are needed, {_quoted(split)} has {classes}")


def _scan_classes(split: Path, classes: Sequence[str]) -> _Split:
    found = _Split([], {}, Counter())
    with os.scandir(split) as entries:  # files beside the class folders
        _count_other_files(found, (e.name for e in entries if not _is_hidden(e.name) and not e.is_dir()))
    for label, name in enumerate(classes):
        seen: dict[Identity, str] = {}
        paths = _image_paths(split / name, seen, found)
        if not paths:
            endings = ", ".join(IMAGE_SUFFIXES)
            raise UserError(f"data.root: no images in {_quoted(split / name)} ({endings}); {EXPECTED}")
        found.folders.update(seen)
        found.files.extend(ImageFile(path, label) for path in paths)
    return found


def _image_paths(folder: Path, seen: dict[Identity, str], found: _Split) -> list[str]:
    """All image files below a class folder, sorted; each real folder once, and none that lies above it."""
    above = _ancestors(folder) - {_identity(folder)}
    names_in: dict[str, list[str]] = {}
    waiting = [str(folder)]
    while waiting:
        path = waiting.pop()
        identity = _identity(path)
        if identity in seen or identity in above:
            continue
        seen[identity] = path
        with os.scandir(path) as entries:
            visible = sorted((e for e in entries if not _is_hidden(e.name)), key=lambda e: e.name)
        waiting += [entry.path for entry in reversed(visible) if entry.is_dir()]
        files = [entry for entry in visible if not entry.is_dir()]
        names_in[path] = [entry.name for entry in files if _is_image(entry)]
        _count_other_files(found, (entry.name for entry in files if not _is_image(entry)))
    return [os.path.join(path, name) for path in sorted(names_in) for name in names_in[path]]


def _is_image(entry: os.DirEntry[str]) -> bool:
    """By its ending; a link that leads nowhere is an image that cannot be read, a named pipe is none."""
    if not entry.name.lower().endswith(IMAGE_SUFFIXES):
        return False
    return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def _count_other_files(found: _Split, names: Iterator[str]) -> None:
    found.no_images.update(os.path.splitext(name)[1].lower() or "without ending" for name in names)


def _ancestors(folder: Path) -> set[Identity]:
    """The folder and all above it, by its name and by its real place."""
    return {
        _identity(above) for path in (folder.absolute(), folder.resolve()) for above in (path, *path.parents)
    }


def _identity(path: str | Path) -> Identity:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _quoted(path: Path) -> str:
    return repr(str(path))  # keeps a message on one line whatever the folder is called
