"""Batches of images: what every data set offers to the training loop, and the sets that fit in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from designspace.data.augmentation import (
    FLIPS,
    Augmentation,
    draw_boxes,
    draw_colours,
    padded_crops,
    resized_crops,
)
from designspace.data.settings import DataInfo

Batch = tuple[Tensor, Tensor]  # images float32 [b, 3, r, r] in channels_last, labels int64 [b]


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input of a network: what every reader of exported weights must do, too."""

    resolution: int  # pixels, of both sides
    resize: int | None  # shorter side before a central crop; None: the square image, see `at_resolution`
    mean: tuple[float, float, float]  # per channel, of pixels in [0, 1]
    std: tuple[float, float, float]


class ImageData(ABC):
    """A data set at one resolution, as batches on one device.

    The batches of an epoch, their order and augmentation, are a function of (seed, epoch) alone: neither
    the global random state nor earlier epochs nor the number of workers matters.
    """

    info: DataInfo
    preprocessing: Preprocessing  # of images that are evaluated
    train_counts: tuple[int, ...]  # training images of each class
    val_counts: tuple[int, ...]  # validation images of each class

    @property
    def chance_error(self) -> float:
        """Percent of the validation images that are not of their largest class."""
        return 100.0 * (1 - max(self.val_counts) / sum(self.val_counts))

    @abstractmethod
    def train_batches(
        self, *, batch_size: int, seed: int, epoch: int, start_step: int = 0, drop_last: bool = True
    ) -> Iterator[Batch]:
        """The batches of one epoch from step `start_step` on, as many as `info.steps_per_epoch` says."""

    @abstractmethod
    def val_batches(self, batch_size: int) -> Iterator[Batch]:
        """All validation images in their fixed order, without augmentation."""


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """The source of all randomness of one epoch; on the CPU, so that every device sees the same epoch."""
    mixed = np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed))


@dataclass(frozen=True)
class _Draws:
    """All that is random in an epoch, by place in it."""

    order: Tensor  # [n]: rows of the images
    flipped: Tensor  # [n]
    corners: Tensor  # [2, n]: rows and columns, of padded crops
    boxes: Tensor | None  # [4, n], of resized crops
    colours: Tensor | None  # [n, 3], of pixels in [0, 1]

    def to(self, device: torch.device) -> _Draws:
        boxes = None if self.boxes is None else self.boxes.to(device)
        colours = None if self.colours is None else self.colours.to(device)
        return _Draws(self.order.to(device), self.flipped.to(device), self.corners.to(device), boxes, colours)


class InMemoryImages(ImageData):
    """Images kept as bytes on the device; a batch is gathered, augmented and standardised there."""

    def __init__(
        self,
        info: DataInfo,
        train: Batch,  # images uint8 [n, 1 or 3, r, r], labels int64 [n]
        val: Batch,
        *,
        mean: tuple[float, ...],  # per channel, of pixels in [0, 1]
        std: tuple[float, ...],
        augmentation: Augmentation = FLIPS,
        resize: int | None = None,  # how images became r x r pixels, see `Preprocessing`
        device: torch.device | str = "cpu",
    ) -> None:
        self.info = info
        self.device = torch.device(device)
        self.augmentation = augmentation
        self.resolution = train[0].shape[-1]
        self.preprocessing = Preprocessing(self.resolution, resize, _three(mean), _three(std))
        self._train = train[0].to(self.device), train[1].to(self.device)
        self._val = val[0].to(self.device), val[1].to(self.device)
        self.train_counts, self.val_counts = (
            tuple(torch.bincount(labels, minlength=info.num_classes).tolist()) for _, labels in (train, val)
        )
        std_column = torch.tensor(std, device=self.device).view(-1, 1, 1)
        self._scale = 1 / (255 * std_column)
        self._shift = -torch.tensor(mean, device=self.device).view(-1, 1, 1) / std_column

    def train_batches(
        self, *, batch_size: int, seed: int, epoch: int, start_step: int = 0, drop_last: bool = True
    ) -> Iterator[Batch]:
        draws = self._draw(epoch_generator(seed, epoch))
        images, labels = self._train
        for step in range(start_step, self.info.steps_per_epoch(batch_size, drop_last=drop_last)):
            part = slice(step * batch_size, (step + 1) * batch_size)
            rows = draws.order[part]
            pixels = self._crop(images.index_select(0, rows), draws, part)
            pixels = torch.where(draws.flipped[part, None, None, None], pixels.flip(3), pixels)
            colours = None if draws.colours is None else draws.colours[part]
            yield self._standardise(pixels, colours), labels.index_select(0, rows)

    def val_batches(self, batch_size: int) -> Iterator[Batch]:
        images, labels = self._val
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            yield self._standardise(images[part]), labels[part]

    def _draw(self, generator: torch.Generator) -> _Draws:
        """The whole epoch at once, so that no step waits for a transfer."""
        how, n = self.augmentation, self.info.num_train
        order = torch.randperm(n, generator=generator)
        flipped = torch.rand(n, generator=generator) < (0.5 if how.flip else 0.0)
        corners = torch.randint(2 * how.padding + 1, (2, n), generator=generator)
        boxes = draw_boxes(n, self.resolution, generator) if how.resized_crop else None
        colours = draw_colours(n, how.lighting, generator) if how.lighting else None
        return _Draws(order, flipped, corners, boxes, colours).to(self.device)

    def _crop(self, pixels: Tensor, draws: _Draws, part: slice) -> Tensor:
        if draws.boxes is not None:
            return resized_crops(pixels, draws.boxes[:, part])
        if self.augmentation.padding:
            return padded_crops(pixels, draws.corners[:, part], self.augmentation.padding)
        return pixels

    def _standardise(self, pixels: Tensor, colours: Tensor | None = None) -> Tensor:
        """Pixels up to 255 [b, 1 or 3, r, r], and colours to add, to standardised floats [b, 3, r, r].

        In channels_last, written channel by channel, which is half the time of expanding and reordering.
        """
        values = pixels.float().mul_(self._scale).add_(self._shift)
        shape = (len(pixels), 3, *pixels.shape[2:])
        images = torch.empty(shape, device=self.device, memory_format=torch.channels_last)
        for channel in range(3):
            images[:, channel] = values[:, channel % values.shape[1]]
        if colours is not None:
            images += (colours.view(-1, 3, 1, 1) * 255) * self._scale
        return images


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    """One for each of three channels, which grey images have alike."""
    return values[0], values[len(values) // 2], values[-1]


def at_resolution(images: Tensor, resolution: int, max_margin: int = 4) -> Tensor:
    """Square uint8 images [n, c, h, h] at r x r pixels.

    A margin of up to `max_margin` pixels is filled with zeros (28 to 32 as usual for Fashion-MNIST); any
    other size is interpolated with antialiasing.
    """
    margin = resolution - images.shape[-1]
    if margin == 0:
        return images
    if 0 < margin <= max_margin:
        before, after = margin // 2, margin - margin // 2
        return functional.pad(images, (before, after, before, after))
    from torchvision.transforms.v2 import functional as transforms  # imported only where it is needed: slow

    resized: Tensor = transforms.resize(images, [resolution, resolution], antialias=True)
    return resized
