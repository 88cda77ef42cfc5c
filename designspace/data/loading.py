"""From the settings to batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from designspace.data.augmentation import augmentation_of
from designspace.data.catalog import data_info, is_cached, list_images, root_path
from designspace.data.decoded import DecodedFiles
from designspace.data.folders import FolderListing, list_test_images
from designspace.data.found import DataFound
from designspace.data.images import Batch, ImageData, InMemoryImages, at_resolution
from designspace.data.npz import inspect_npz, pixel_statistics, read_npz_set
from designspace.data.sets import FOLDER_SETS, IMAGENET_MEAN, IMAGENET_STD, IN_MEMORY_SETS, NPZ
from designspace.data.settings import DataInfo, DataSettings
from designspace.data.sources import (
    ByteArray,
    ImageArrays,
    IntArray,
    read_cifar,
    read_embedded,
    read_fashion_mnist,
)
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
    if settings.name not in FOLDER_SETS:
        there = _read_set(settings, resolution, found)
    else:
        listing = list_images(settings)
        if found is not None:
            listing = listing.without(frozenset(found.left_out or ()))
            if listing.info(settings.name) != found.info:
                raise UserError(CHANGED)
        if not is_cached(settings, listing.info(settings.name), resolution):
            return _folder_images(settings, _of_folder(listing, splits), resolution, device)
        there = _read_decoded(settings, listing, resolution)
    train, evaluate = [there.split(name) for name in splits.train], there.split(splits.evaluate)
    images, labels = train[0] if len(train) == 1 else map(torch.cat, zip(*train, strict=True))
    return InMemoryImages(
        replace(there.info, num_train=len(images), num_val=len(evaluate[0])),
        train=(images, labels),
        val=evaluate,
        mean=there.mean,
        std=there.std,
        augmentation=augmentation_of(settings, resolution),
        resize=resolution if settings.name in FOLDER_SETS else None,
        device=device,
    )


@dataclass(frozen=True)
class _InMemory:
    """A data set of which the images are read as a whole."""

    info: DataInfo
    train: Batch  # images uint8 [n, 1 or 3, r, r], labels int64 [n]
    val: Batch
    test: Callable[[], Batch]  # read where it is asked for alone
    mean: tuple[float, ...]  # per channel, of training pixels in [0, 1]
    std: tuple[float, ...]

    def split(self, name: str) -> Batch:
        return {"train": self.train, "val": self.val}[name] if name != "test" else self.test()


def _read_set(settings: DataSettings, resolution: int, found: DataFound | None) -> _InMemory:
    info = data_info(settings)
    arrays = _read_arrays(settings, info.num_val)
    if settings.name == NPZ:
        mean, std = pixel_statistics(arrays.train_images)
        if found is not None and inspect_npz(root_path(settings)).digest != found.digest:
            raise UserError(CHANGED)
    else:
        mean, std = IN_MEMORY_SETS[settings.name].mean, IN_MEMORY_SETS[settings.name].std

    def tensors(images: ByteArray, labels: IntArray) -> Batch:
        return _to_tensor(images, resolution), torch.from_numpy(labels)

    return _InMemory(
        info,
        tensors(arrays.train_images, arrays.train_labels),
        tensors(arrays.val_images, arrays.val_labels),
        lambda: tensors(*read_test_images(settings)),
        mean,
        std,
    )


def _read_decoded(settings: DataSettings, listing: FolderListing, resolution: int) -> _InMemory:
    """The images of a folder from the cache, which is filled where it is not."""

    def batch(there: DecodedFiles) -> Batch:
        labels = torch.tensor([file.label for file in there.files])
        return torch.from_numpy(there.ensure(torch.get_num_threads()).read().images), labels

    decoded = DecodedFiles.of(settings, listing, resolution)
    images, labels = batch(decoded)
    n, published = len(listing.train), settings.name == "imagenet"
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if published else decoded.read().statistics(n)
    return _InMemory(
        listing.info(settings.name),
        (images[:n], labels[:n]),
        (images[n:], labels[n:]),
        lambda: batch(DecodedFiles(settings, listing.root, list_test_images(listing), resolution)),
        mean,
        std,
    )


def _folder_images(
    settings: DataSettings, listing: FolderListing, resolution: int, device: torch.device | str
) -> ImageData:
    from designspace.data.folder_images import FolderImages  # torchvision: slow to import

    return FolderImages(
        listing.info(settings.name),
        listing,
        resolution=resolution,
        augmentation=augmentation_of(settings, resolution),
        num_workers=settings.num_workers,
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
