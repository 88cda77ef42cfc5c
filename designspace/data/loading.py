"""From the settings to batches."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from designspace.data.catalog import FOLDER_SETS, IN_MEMORY_SETS, data_info, list_images
from designspace.data.images import ImageData, InMemoryImages, at_resolution
from designspace.data.settings import DataSettings
from designspace.data.sources import ByteArray, ImageArrays, read_cifar, read_embedded, read_fashion_mnist
from designspace.errors import UserError


def load_data(settings: DataSettings, *, resolution: int, device: torch.device | str = "cpu") -> ImageData:
    """The data set at `resolution` x `resolution` pixels, its batches on `device`."""
    if resolution < 1:
        raise UserError(f"budget.resolution: must be at least 1 pixel, got {resolution}")
    if settings.name in FOLDER_SETS:
        from designspace.data.folder_images import FolderImages  # torchvision: slow to import

        listing = list_images(settings)
        return FolderImages(
            listing.info(settings.name),
            listing,
            resolution=resolution,
            flip=settings.flip,
            lighting=settings.lighting,
            num_workers=settings.num_workers,
            device=device,
        )
    info = data_info(settings)
    known = IN_MEMORY_SETS[settings.name]
    arrays = _read_arrays(settings, info.num_val)
    return InMemoryImages(
        info,
        train=(_to_tensor(arrays.train_images, resolution), torch.from_numpy(arrays.train_labels)),
        val=(_to_tensor(arrays.val_images, resolution), torch.from_numpy(arrays.val_labels)),
        mean=known.mean,
        std=known.std,
        flip=settings.flip,
        crop_padding=settings.crop_padding,
        device=device,
    )


def _read_arrays(settings: DataSettings, num_val: int) -> ImageArrays:
    root = None if settings.root is None else Path(settings.root).expanduser()
    if settings.name == "fashion_mnist_small":
        return read_embedded()
    if settings.name == "fashion_mnist":
        return read_fashion_mnist(root, num_val)
    return read_cifar(settings.name, root, num_val)


def _to_tensor(images: ByteArray, resolution: int) -> Tensor:
    """Grey [n, h, w] or colour [n, h, w, 3] bytes as [n, 1 or 3, r, r]."""
    channels_last = torch.from_numpy(images).view(*images.shape[:3], -1)
    return at_resolution(channels_last.permute(0, 3, 1, 2).contiguous(), resolution)
