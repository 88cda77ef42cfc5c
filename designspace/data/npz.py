"""A data set in one .npz file, laid out as MedMNIST: train_images, train_labels, val_images, ... No torch."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from designspace.data.sources import ByteArray, ImageArrays, IntArray, LabelledImages
from designspace.errors import UserError

NEEDED = (
    "train_images",
    "train_labels",
    "val_images",
    "val_labels",
)
TEST = ("test_images", "test_labels")  # for the final training alone
CHANNELS = (1, 3)


@dataclass(frozen=True)
class NpzInfo:
    """What the file says without its images being read."""

    num_classes: int
    num_train: int
    num_val: int
    digest: str  # of names, sizes and checksums of the arrays: the content, however it is packed


def inspect_npz(path: Path) -> NpzInfo:
    """Check everything but the pixels. Raises UserError where the file cannot be used."""
    with _readable(path), zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if lacking := [name for name in NEEDED if name not in members]:
            raise _UnusableError(
                f"lacks {', '.join(lacking)}; it has {', '.join(sorted(members)) or 'nothing'}"
            )
        shapes = {}
        for split in ("train", "val"):
            shape, dtype = _header(archive, members[f"{split}_images"])
            shapes[split] = _checked_shape(f"{split}_images", shape, dtype)
        if shapes["train"][1:] != shapes["val"][1:]:
            raise _UnusableError(
                f"train_images and val_images must be alike, got {shapes['train']} and {shapes['val']}"
            )
        labels = {split: _labels(path, split, shapes[split][0]) for split in ("train", "val")}
        checksums = "".join(f"{name} {members[name].CRC} {members[name].file_size}\n" for name in NEEDED)
    num_classes = _checked_classes(labels["train"], labels["val"])
    return NpzInfo(
        num_classes,
        num_train=len(labels["train"]),
        num_val=len(labels["val"]),
        digest=hashlib.sha256(checksums.encode()).hexdigest(),
    )


def read_npz_set(path: Path) -> ImageArrays:
    """All of it, checked. Raises UserError where the file cannot be used."""
    inspect_npz(path)
    with _readable(path), np.load(path, allow_pickle=False) as arrays:
        images: dict[str, ByteArray] = {split: arrays[f"{split}_images"] for split in ("train", "val")}
    with _readable(path):
        labels = {split: _labels(path, split, len(images[split])) for split in images}
    return ImageArrays(images["train"], labels["train"], images["val"], labels["val"])


def count_npz_test(path: Path) -> int:
    """Number of test images; 0 where the file has none."""
    with _readable(path), zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        return _header(archive, members[TEST[0]])[0][0] if all(name in members for name in TEST) else 0


def read_npz_test(path: Path) -> LabelledImages:
    """The test images and labels, checked. Raises UserError where they cannot be used."""
    num_classes = inspect_npz(path).num_classes
    with _readable(path), np.load(path, allow_pickle=False) as arrays:
        images, like = arrays["test_images"], arrays["val_images"].shape
        shape = _checked_shape("test_images", images.shape, images.dtype)
        if shape[1:] != like[1:]:
            raise _UnusableError(f"val_images and test_images must be alike, got {like} and {shape}")
        labels = _labels(path, "test", len(images))
    if labels.min() < 0 or labels.max() >= num_classes:
        raise UserError(
            f"data.root: test_labels must be 0 to {num_classes - 1} as train_labels are, "
            f"got {labels.min()} to {labels.max()}"
        )
    return images, labels


def pixel_statistics(images: ByteArray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of bytes [n, h, w] or [n, h, w, c], of pixels in [0, 1]."""
    channels = images.reshape(*images.shape[:3], -1)
    values = np.arange(256) / 255
    means, stds = [], []
    for channel in range(channels.shape[3]):
        counts = sum(  # image by image, so that no copy of all is made
            np.bincount(image.ravel(), minlength=256) for image in channels[..., channel]
        )
        mean = float(np.average(values, weights=counts))
        means.append(mean)
        std = float(np.sqrt(np.average((values - mean) ** 2, weights=counts)))
        stds.append(std or 1.0)  # 1: all pixels are equal
    return tuple(means), tuple(stds)


class _UnusableError(ValueError):
    """What is wrong with the file, in words."""


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except _UnusableError as error:
        raise UserError(f"data.root: {str(path)!r} {error}") from None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        problem = " ".join(str(error).split())
        raise UserError(f"data.root: {str(path)!r} is not a whole .npz file ({problem})") from None


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with archive.open(member) as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
    return shape, dtype


def _checked_shape(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    rule = "must be uint8 [n, h, h] or [n, h, h, c] with 1 or 3 channels"
    fits = dtype == np.uint8 and len(shape) in (3, 4) and (len(shape) == 3 or shape[3] in CHANNELS)
    if not fits or shape[0] < 1 or shape[1] != shape[2] or shape[1] < 1:
        raise _UnusableError(f"cannot be used: {name} {rule}, got {dtype} {list(shape)}")
    return shape


def _labels(path: Path, split: str, images: int) -> IntArray:
    with np.load(path, allow_pickle=False) as arrays:
        labels: npt.NDArray[Any] = arrays[f"{split}_labels"]
    if labels.shape not in ((images,), (images, 1)) or not np.issubdtype(labels.dtype, np.integer):
        raise _UnusableError(
            f"cannot be used: {split}_labels must be whole numbers [{images}] or [{images}, 1], "
            f"one for each image, got {labels.dtype} {list(labels.shape)}"
        )
    return labels.reshape(-1).astype(np.int64)


def _checked_classes(train: IntArray, val: IntArray) -> int:
    """Number of classes, which are 0 to the highest label; each must be trained on."""
    present = np.unique(train)
    num_classes = len(present)
    if present[0] != 0 or present[-1] != num_classes - 1 or num_classes < 2:
        few = ", ".join(map(str, present[:10])) + (", ..." if num_classes > 10 else "")
        raise UserError(
            f"data.root: train_labels must be all of 0 to the number of classes - 1, at least 2; got {few}"
        )
    if val.min() < 0 or val.max() >= num_classes:
        raise UserError(
            f"data.root: val_labels must be 0 to {num_classes - 1} as train_labels are, "
            f"got {val.min()} to {val.max()}"
        )
    return num_classes
