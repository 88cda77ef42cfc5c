"""Folders of images, `<root>/train/<class>/*` and `<root>/val/<class>/*`, listed and checked. No torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from designspace.data.settings import DataInfo
from designspace.errors import UserError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # as torchvision
EXPECTED = "expected <root>/train/<class>/* and <root>/val/<class>/*"


@dataclass(frozen=True)
class ImageFile:
    path: str
    label: int  # rank of the class among the sorted names


@dataclass(frozen=True)
class FolderListing:
    """All image files of a folder set, in the order of torchvision's `ImageFolder`."""

    classes: tuple[str, ...]
    train: list[ImageFile]
    val: list[ImageFile]

    def info(self, name: str) -> DataInfo:
        return DataInfo(name, len(self.classes), len(self.train), len(self.val))


def scan_image_folder(root: Path) -> FolderListing:
    """List the folder; every way in which it cannot be trained on is a `UserError`."""
    classes = _class_names(root / "train")
    val_classes = _class_names(root / "val")
    if len(classes) < 2:
        raise UserError(f"data.root: at least 2 classes are needed, {_quoted(root / 'train')} has {classes}")
    if classes != val_classes:
        missing, extra = sorted({*classes} - {*val_classes}), sorted({*val_classes} - {*classes})
        raise UserError(
            f"data.root: train/ and val/ of {_quoted(root)} must have the same classes, "
            f"but val/ lacks {len(missing)} {missing[:3]} and has {len(extra)} of its own {extra[:3]}"
        )
    return FolderListing(
        tuple(classes), _image_files(root / "train", classes), _image_files(root / "val", classes)
    )


def _class_names(split: Path) -> list[str]:
    if not split.is_dir():
        raise UserError(f"data.root: no folder {_quoted(split)}; {EXPECTED}")
    with os.scandir(split) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir())
    if not names:
        raise UserError(f"data.root: no class folders in {_quoted(split)}; {EXPECTED}")
    return names


def _image_files(split: Path, classes: list[str]) -> list[ImageFile]:
    files: list[ImageFile] = []
    for label, name in enumerate(classes):
        found = [
            os.path.join(folder, file)
            for folder, _, names in sorted(os.walk(split / name, followlinks=True))
            for file in sorted(names)
            if file.lower().endswith(IMAGE_SUFFIXES)
        ]
        if not found:
            raise UserError(f"data.root: no images in {_quoted(split / name)} ({', '.join(IMAGE_SUFFIXES)})")
        files += [ImageFile(path, label) for path in found]
    return files


def _quoted(path: Path) -> str:
    return repr(str(path))  # keeps a message on one line whatever the folder is called
