"""Images read from folders while training, by default augmented as in the paper (crops, flips, lighting)."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision.transforms import v2

from designspace.data.augmentation import AREAS, EIGENVALUES, EIGENVECTORS, RATIOS, Augmentation
from designspace.data.folders import FolderListing, ImageFile
from designspace.data.images import Batch, ImageData, Preprocessing, epoch_generator
from designspace.data.reading import UnreadableImageError, read_image
from designspace.data.sets import IMAGENET_MEAN, IMAGENET_STD
from designspace.data.settings import DataInfo

CROP_SHARE = 224 / 256  # side of the central crop in the shorter side of a validation image

# Readers are started for each pass: as forks they begin at once, whatever the process was started as itself.
_CONTEXT = "fork" if sys.platform == "linux" else None

Draw = tuple[int, int]  # row of the image, seed of its augmentation
Item = tuple[Tensor, int] | UnreadableImageError  # pixels and label


class Lighting(nn.Module):
    """Add to all pixels of an image one random colour along ImageNet's principal components."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = std
        self.components = torch.tensor(EIGENVECTORS) * torch.tensor(EIGENVALUES)  # [rgb, component]

    def forward(self, image: Tensor) -> Tensor:
        return image + (self.components @ (torch.randn(3) * self.std)).view(3, 1, 1)


def central_square(resolution: int, shorter_side: int) -> list[nn.Module]:
    """The image resized to a shorter side, and its central square cut out."""
    return [v2.Resize(shorter_side, antialias=True), v2.CenterCrop(resolution)]


def train_transform(resolution: int, how: Augmentation) -> nn.Module:
    resized_crop = v2.RandomResizedCrop(resolution, scale=AREAS, ratio=RATIOS, antialias=True)
    padded_crop = v2.RandomCrop(resolution, padding=how.padding)
    steps = [
        v2.PILToTensor(),
        *([resized_crop] if how.resized_crop else central_square(resolution, resolution)),
        *([padded_crop] if how.padding else []),
        *([v2.RandomHorizontalFlip()] if how.flip else []),
        v2.ToDtype(torch.float32, scale=True),
        *([Lighting(how.lighting)] if how.lighting else []),
        v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
    ]
    return cast(nn.Module, v2.Compose(steps))


def shown_side(resolution: int, how: Augmentation) -> int:
    """The shorter side of a validation image, before its central square is cut out."""
    return round(resolution / CROP_SHARE) if how.resized_crop else resolution


def val_transform(resolution: int, how: Augmentation) -> nn.Module:
    """The image as it is trained on: the middle of it, where crops are resized, else the whole square."""
    steps = [
        v2.PILToTensor(),
        *central_square(resolution, shown_side(resolution, how)),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
    ]
    return cast(nn.Module, v2.Compose(steps))


class SeededImages(Dataset[Item]):
    """Image files whose augmentation is a function of the seed they are asked for with.

    torchvision's transforms draw from torch's global CPU generator; it is seeded for one image and then
    put back, so that neither the worker that reads the image nor the images before it matter.
    """

    def __init__(self, files: Sequence[ImageFile], transform: nn.Module) -> None:
        self.files = files
        self.transform = transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, draw: Draw) -> Item:
        """The image, or why it cannot be read: raised in a reader, the line would drown in tracebacks."""
        row, seed = draw
        try:
            image = read_image(self.files[row].path)
        except UnreadableImageError as error:
            return error
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would also seed the GPUs
            return self.transform(image), self.files[row].label


def _batch(items: list[Item]) -> Batch | UnreadableImageError:
    """The images as one batch, or the first that cannot be read."""
    for item in items:
        if isinstance(item, UnreadableImageError):
            return item
    batch: list[Tensor] = default_collate(items)
    return batch[0], batch[1]


class FolderImages(ImageData):
    """A folder of images, read by `num_workers` processes (0: by the training process itself)."""

    def __init__(
        self,
        info: DataInfo,
        listing: FolderListing,
        *,
        resolution: int,
        augmentation: Augmentation,
        num_workers: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.info = info
        self.device = torch.device(device)
        self.num_workers = num_workers
        shorter_side = shown_side(resolution, augmentation)
        self.preprocessing = Preprocessing(resolution, shorter_side, IMAGENET_MEAN, IMAGENET_STD)
        self.train_counts, self.val_counts = (
            tuple(np.bincount([file.label for file in files], minlength=info.num_classes).tolist())
            for files in (listing.train, listing.val)
        )
        self._train = SeededImages(listing.train, train_transform(resolution, augmentation))
        self._val = SeededImages(listing.val, val_transform(resolution, augmentation))

    def train_batches(
        self, *, batch_size: int, seed: int, epoch: int, start_step: int = 0, drop_last: bool = True
    ) -> Iterator[Batch]:
        generator, n = epoch_generator(seed, epoch), self.info.num_train
        order = torch.randperm(n, generator=generator).tolist()
        seeds = torch.randint(2**62, (n,), generator=generator).tolist()
        first, end = start_step * batch_size, self.info.images_per_epoch(batch_size, drop_last=drop_last)
        yield from self._load(self._train, list(zip(order, seeds, strict=True))[first:end], batch_size)

    def val_batches(self, batch_size: int) -> Iterator[Batch]:
        yield from self._load(self._val, [(row, 0) for row in range(self.info.num_val)], batch_size)

    def _load(self, images: SeededImages, draws: list[Draw], batch_size: int) -> Iterator[Batch]:
        loader = DataLoader(
            images,
            batch_size=batch_size,
            sampler=cast("Sequence[int]", draws),  # handed to __getitem__ as they are
            collate_fn=_batch,
            num_workers=self.num_workers,
            multiprocessing_context=_CONTEXT if self.num_workers else None,
            pin_memory=self.device.type == "cuda",  # else non_blocking copies would block
            generator=torch.Generator(),  # else every pass would draw from the global one
        )
        for batch in loader:
            if isinstance(batch, UnreadableImageError):
                raise batch
            pixels, labels = batch
            yield (
                pixels.to(self.device, memory_format=torch.channels_last, non_blocking=True),
                labels.to(self.device, non_blocking=True),
            )
