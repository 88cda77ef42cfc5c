"""From the settings to batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from designspace.data.augmentation import augmentation_of
from designspace.data.catalog import data_info, list_images, root_path
from designspace.data.folders import FolderListing, list_test_images
from designspace.data.found import DataFound
from designspace.data.images import ImageData, InMemoryImages, at_resolution
from designspace.data.npz import inspect_npz, pixel_statistics, read_npz_set
from designspace.data.sets import FOLDER_SETS, IN_MEMORY_SETS, NPZ
from designspace.data.settings import DataSettings
from designspace.data.sources import ByteArray, ImageArrays, read_cifar, read_embedded, read_fashion_mnist
from designspace.data.test_split import read_test_images
from designspace.errors import UserError

CHANGED = "data.root: holds other images than when this run began; start it again"


@dataclass(frozen=True)
class Splits:
    """Which images are trained on, and which the network is evaluated on (`val_batches`)."""

    train: tuple[str, ...] = ("train",)  # or ("train", "val")
    evaluate: str = "val"  # or "test", for the final training alone


def load_data(
    settings: DataSettings,
    *,
    resolution: int,
    device: torch.device | str = "cpu",
    found: DataFound | None = None,
    splits: Splits = Splits(),
) -> ImageData:
    """The data set at `resolution` x `resolution` pixels, its batches on `device`.

    Raises:
        UserError: it cannot be used, or is no longer what was `found` when the run began.
    """
    if resolution < 1:
        raise UserError(f"resolution={resolution}: must be at least 1 pixel")
    if settings.name in FOLDER_SETS:
        return _load_folder(settings, resolution, device, found, splits)
    data = _load_arrays(settings, resolution, device, splits)
    if found is not None and settings.name == NPZ and inspect_npz(root_path(settings)).digest != found.digest:
        raise UserError(CHANGED)
    return data


def _load_folder(
    settings: DataSettings,
    resolution: int,
    device: torch.device | str,
    found: DataFound | None,
    splits: Splits,
) -> ImageData:
    from designspace.data.folder_images import FolderImages  # torchvision: slow to import

    listing = list_images(settings)
    if found is not None:
        listing = listing.without(frozenset(found.left_out or ()))
        if listing.info(settings.name) != found.info:
            raise UserError(CHANGED)
    listing = _of_folder(listing, splits)
    return FolderImages(
        listing.info(settings.name),
        listing,
        resolution=resolution,
        augmentation=augmentation_of(settings, resolution),
        num_workers=settings.num_workers,
        device=device,
    )


def _load_arrays(
    settings: DataSettings, resolution: int, device: torch.device | str, splits: Splits
) -> ImageData:
    info = data_info(settings)
    arrays = _read_arrays(settings, info.num_val)
    known = IN_MEMORY_SETS.get(settings.name)
    mean, std = (known.mean, known.std) if known is not None else pixel_statistics(arrays.train_images)
    there = {
        "train": (arrays.train_images, arrays.train_labels),
        "val": (arrays.val_images, arrays.val_labels),
    }
    trained_on = zip(*(there[name] for name in splits.train), strict=True)
    images, labels = (np.concatenate(parts) for parts in trained_on)
    evaluate = there[splits.evaluate] if splits.evaluate in there else read_test_images(settings)
    return InMemoryImages(
        replace(info, num_train=len(images), num_val=len(evaluate[0])),
        train=(_to_tensor(images, resolution), torch.from_numpy(labels)),
        val=(_to_tensor(evaluate[0], resolution), torch.from_numpy(evaluate[1])),
        mean=mean,
        std=std,
        augmentation=augmentation_of(settings, resolution),
        device=device,
    )


def _of_folder(listing: FolderListing, splits: Splits) -> FolderListing:
    """The listing with the images of `splits` in the place of those for training and validation."""
    there = {"train": listing.train, "val": listing.val}
    evaluate = there[splits.evaluate] if splits.evaluate in there else list_test_images(listing)
    return replace(listing, train=list(chain(*(there[name] for name in splits.train))), val=evaluate)


def _read_arrays(settings: DataSettings, num_val: int) -> ImageArrays:
    root = None if settings.root is None else Path(settings.root).expanduser()
    if settings.name == NPZ:
        return read_npz_set(root_path(settings))
    if settings.name == "fashion_mnist_small":
        return read_embedded()
    if settings.name == "fashion_mnist":
        return read_fashion_mnist(root, num_val)
    return read_cifar(settings.name, root, num_val)


def _to_tensor(images: ByteArray, resolution: int) -> Tensor:
    """Grey [n, h, w] or colour [n, h, w, 3] bytes as [n, 1 or 3, r, r]."""
    channels_last = torch.from_numpy(images).view(*images.shape[:3], -1)
    return at_resolution(channels_last.permute(0, 3, 1, 2).contiguous(), resolution)
