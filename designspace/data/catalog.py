"""What a data set that the settings choose has: `data_info`, its files. No torch, no images."""

from __future__ import annotations

from pathlib import Path

from designspace.data.folders import FolderListing, scan_image_folder
from designspace.data.holdout import Shares
from designspace.data.npz import NpzInfo, inspect_npz
from designspace.data.sets import FOLDER_SETS, IMAGENET_CLASSES, IN_MEMORY_SETS, NPZ
from designspace.data.settings import DataInfo, DataSettings
from designspace.errors import UserError, refuse


def data_info(settings: DataSettings) -> DataInfo:
    """Numbers of classes and images; folders and files are looked at, the others are constants."""
    if settings.name in FOLDER_SETS:
        return list_images(settings).info(settings.name)
    refuse(settings.problems())
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
    refuse(settings.problems())
    shares = Shares(settings.val_share, settings.test_share) if settings.name == "image_folder" else None
    groups = None if settings.groups is None else Path(settings.groups).expanduser()
    listing = scan_image_folder(root_path(settings), shares, groups)
    if settings.name == "imagenet" and len(listing.classes) != IMAGENET_CLASSES:
        raise UserError(
            f"data.root: imagenet has {IMAGENET_CLASSES} classes, {settings.root!r} "
            f"has {len(listing.classes)}; data=image_folder takes any number"
        )
    return listing


def is_cached(settings: DataSettings, info: DataInfo, resolution: int) -> bool:
    """Whether the images are kept decoded: asked for, or fitting at this resolution."""
    num_bytes = (info.num_train + info.num_val) * info.in_channels * resolution**2
    return settings.cache == "on" or (settings.cache == "auto" and num_bytes <= settings.cache_gb * 1e9)


def num_classes(settings: DataSettings) -> int:
    """Number of classes; the images of ImageNet need not be there for it."""
    if settings.name == "imagenet":
        return IMAGENET_CLASSES
    return data_info(settings).num_classes
