"""The data sets there are: their constants, the check of the settings, `data_info`. No torch, no images."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from designspace.data.folders import FolderListing, scan_image_folder
from designspace.data.holdout import Shares
from designspace.data.npz import NpzInfo, inspect_npz
from designspace.data.settings import ON_UNREADABLE, DataInfo, DataSettings
from designspace.errors import Rule, UserError, broken, refuse


@dataclass(frozen=True)
class InMemorySet:
    """Constants of a small data set. Its validation images come out of the published training split."""

    num_classes: int
    num_train_split: int  # images of the training split, of which the validation images are held out
    num_val: int  # images held out unless `val_images` says otherwise
    mean: tuple[float, ...]  # per channel, of pixels in [0, 1]
    std: tuple[float, ...]
    split_is_fixed: bool = False  # the package brings the validation images apart


_GREY = ((0.2860,), (0.3530,))
IN_MEMORY_SETS = {
    "fashion_mnist_small": InMemorySet(10, 12_000, 4_000, *_GREY, split_is_fixed=True),
    "fashion_mnist": InMemorySet(10, 60_000, 10_000, *_GREY),
    "cifar10": InMemorySet(10, 50_000, 5_000, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": InMemorySet(100, 50_000, 5_000, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}
FOLDER_SETS = ("image_folder", "imagenet")
NPZ = "npz"
LOOKED_AT_SETS = ("image_folder", NPZ)  # whose classes nobody knows before
DATA_NAMES = (*IN_MEMORY_SETS, *FOLDER_SETS, NPZ)
IMAGENET_CLASSES = 1000
MAX_READERS = 1024  # processes
MAX_PADDING = 32  # pixels: the side of the images


def check_settings(settings: DataSettings) -> None:
    """Raise one `UserError` that reports everything wrong with the settings (not with the images)."""
    known = ("name", settings.name in DATA_NAMES, f"one of {', '.join(DATA_NAMES)}")
    refuse(broken("data", settings, [known]))  # alone, since the other rules go by it
    rules = [*_range_rules(settings), _root_rule(settings), _val_images_rule(settings)]
    refuse(broken("data", settings, rules))


def _range_rules(settings: DataSettings) -> Iterator[Rule]:
    in_folder, skips = settings.name in FOLDER_SETS, settings.on_unreadable == "skip"
    val, test = settings.val_share, settings.test_share
    yield "on_unreadable", settings.on_unreadable in ON_UNREADABLE, " or ".join(ON_UNREADABLE)
    yield "on_unreadable", in_folder or not skips, f"refuse for data={settings.name}"
    yield "num_workers", 0 <= settings.num_workers <= MAX_READERS, f"at least 0 and at most {MAX_READERS}"
    nothing = f"0 for data={settings.name}"
    if in_folder:
        yield "crop_padding", settings.crop_padding == 0, nothing
        yield "lighting", 0 <= settings.lighting < math.inf, "at least 0 and finite"
    else:
        padding = f"at least 0 and at most {MAX_PADDING} pixels"
        yield "crop_padding", 0 <= settings.crop_padding <= MAX_PADDING, padding
        yield "lighting", settings.lighting == 0, nothing
    if settings.name == "image_folder":  # the only set that may come undivided
        yield "val_share", 0 < val < 1, "above 0 and below 1"
        left = 1 - val if 0 < val < 1 else 1.0  # else that is the one problem
        yield "test_share", 0 <= test < left, f"at least 0 and below 1 - data.val_share={val}"
    else:
        for key in ("val_share", "test_share"):
            value = getattr(DataSettings, key)
            needless = f"{value}, since it has no effect on data={settings.name}"
            yield key, getattr(settings, key) == value, needless


def _root_rule(settings: DataSettings) -> Rule:
    root = None if settings.root is None else os.path.expanduser(settings.root)  # which leaves ~nobody
    if settings.name == NPZ:
        return "root", root is not None and os.path.isfile(root), "an existing .npz file"
    if settings.name in FOLDER_SETS:
        inside = "train/ and val/" if settings.name == "imagenet" else "the images"
        return "root", root is not None and os.path.isdir(root), f"an existing folder with {inside}"
    if settings.name == "fashion_mnist_small":
        return "root", root is None, f"null, since data={settings.name} is part of the package"
    return "root", root is None or os.path.isdir(root), "an existing folder, or null"


def _val_images_rule(settings: DataSettings) -> Rule:
    asked, known = settings.val_images, IN_MEMORY_SETS.get(settings.name)
    if known is None or known.split_is_fixed:
        allowed = f"null, since data={settings.name} brings its own validation images"
        return "val_images", asked is None, allowed
    lowest, highest = known.num_classes, known.num_train_split - known.num_classes
    allowed = f"at least {lowest} and at most {highest} for data={settings.name}, or null"
    return "val_images", asked is None or lowest <= asked <= highest, allowed


def data_info(settings: DataSettings) -> DataInfo:
    """Numbers of classes and images; folders and files are looked at, the others are constants."""
    if settings.name in FOLDER_SETS:
        return list_images(settings).info(settings.name)
    check_settings(settings)
    if settings.name == NPZ:
        return npz_info(inspect_npz(root_path(settings)))
    known = IN_MEMORY_SETS[settings.name]
    num_val = known.num_val if settings.val_images is None else settings.val_images
    return DataInfo(settings.name, known.num_classes, known.num_train_split - num_val, num_val)


def npz_info(found: NpzInfo) -> DataInfo:
    return DataInfo(NPZ, found.num_classes, found.num_train, found.num_val)


def root_path(settings: DataSettings) -> Path:
    """The path of a set that needs one."""
    assert settings.root is not None, "checked with the settings"
    return Path(settings.root).expanduser()


def list_images(settings: DataSettings) -> FolderListing:
    """The files of a folder set."""
    check_settings(settings)
    shares = Shares(settings.val_share, settings.test_share) if settings.name == "image_folder" else None
    listing = scan_image_folder(root_path(settings), shares)
    if settings.name == "imagenet" and len(listing.classes) != IMAGENET_CLASSES:
        raise UserError(
            f"data.root: imagenet has {IMAGENET_CLASSES} classes, {settings.root!r} "
            f"has {len(listing.classes)}; data=image_folder takes any number"
        )
    return listing


def num_classes(settings: DataSettings) -> int:
    """Number of classes; the images of ImageNet need not be there for it."""
    if settings.name == "imagenet":
        return IMAGENET_CLASSES
    return data_info(settings).num_classes
