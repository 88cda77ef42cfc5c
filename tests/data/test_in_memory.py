"""Batches of the sets that fit in memory."""

import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from designspace.data.augmentation import (
    AREAS,
    EIGENVALUES,
    RATIOS,
    Augmentation,
    augmentation_of,
    draw_boxes,
    resized_crops,
)
from designspace.data.images import InMemoryImages, at_resolution, epoch_generator
from designspace.data.loading import load_data
from designspace.data.settings import DataInfo, DataSettings
from designspace.errors import UserError

MEAN, STD = 0.2860, 0.3530


@pytest.fixture(scope="module")
def small() -> InMemoryImages:
    data = load_data(DataSettings(), resolution=32)
    assert isinstance(data, InMemoryImages)
    return data


def toy(n: int = 40, channels: int = 3, size: int = 8, **options: object) -> tuple[InMemoryImages, Tensor]:
    """A set of random images whose label is the row; mean 0 and standard deviation 1 make pixels x / 255."""
    pixels = torch.randint(1, 256, (n, channels, size, size), generator=torch.Generator().manual_seed(1))
    images, labels = pixels.to(torch.uint8), torch.arange(n)
    info = DataInfo("toy", n, n, n)
    ones, zeros = (1.0,) * channels, (0.0,) * channels
    how = Augmentation(**options)
    data = InMemoryImages(info, (images, labels), (images, labels), mean=zeros, std=ones, augmentation=how)
    return data, images


def epoch(data: InMemoryImages, batch_size: int = 128, seed: int = 0, epoch: int = 0, start_step: int = 0):
    return list(data.train_batches(batch_size=batch_size, seed=seed, epoch=epoch, start_step=start_step))


def equal(first: list, second: list) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b)
        for one, two in zip(first, second, strict=True)
        for a, b in zip(one, two, strict=True)
    )


@pytest.mark.parametrize("padding", [0, 2])
def test_batches_depend_on_seed_and_epoch_alone(padding: int) -> None:
    data, _ = toy(padding=padding)
    reference = epoch(data, 8, seed=3, epoch=2)
    torch.rand(5), epoch(data, 8, seed=9), epoch(data, 8, epoch=7)
    other, _ = toy(padding=padding)
    assert equal(reference, epoch(data, 8, seed=3, epoch=2))
    assert equal(reference, epoch(other, 8, seed=3, epoch=2))
    assert not equal(reference, epoch(data, 8, seed=3, epoch=1))
    assert not equal(reference, epoch(data, 8, seed=2, epoch=2))
    assert not equal(reference, epoch(data, 8, seed=2, epoch=3)), "seed and epoch must not add up"


def test_start_step_continues_an_epoch(small: InMemoryImages) -> None:
    reference = epoch(small, seed=1, epoch=1)
    assert len(reference) == small.info.steps_per_epoch(128) == 62
    assert equal(reference[40:], epoch(small, seed=1, epoch=1, start_step=40))
    assert epoch(small, start_step=62) == []


def test_global_random_state_is_untouched(small: InMemoryImages) -> None:
    state = torch.get_rng_state()
    epoch(small)
    assert torch.equal(state, torch.get_rng_state())


def test_an_epoch_shows_each_image_at_most_once() -> None:
    data, _ = toy(n=42)
    labels = torch.cat([labels for _, labels in epoch(data, batch_size=8)])
    assert len(labels) == 40  # the incomplete batch is dropped
    assert len(labels.unique()) == 40
    assert not torch.equal(labels, labels.sort().values)


@pytest.mark.parametrize(
    ("n", "sizes"), [(42, [8] * 5 + [2]), (41, [8] * 5), (40, [8] * 5), (47, [8] * 5 + [7])]
)
def test_the_last_batch_is_trained_unless_it_is_one_image(n: int, sizes: list[int]) -> None:
    data, _ = toy(n=n)
    kept = list(data.train_batches(batch_size=8, seed=0, epoch=0, drop_last=False))
    assert [len(labels) for _, labels in kept] == sizes
    assert len(kept) == data.info.steps_per_epoch(8, drop_last=False)
    assert sum(sizes) == data.info.images_per_epoch(8, drop_last=False)
    assert equal(kept[:5], epoch(data, batch_size=8))  # the others are what they are without it


def test_images_are_either_upright_or_mirrored() -> None:
    data, images = toy(n=400)
    flipped = []
    for batch, labels in epoch(data, batch_size=50):
        for image, row in zip(batch * 255, labels, strict=True):
            original = images[row].float()
            is_mirrored = torch.allclose(image, original.flip(2))
            assert is_mirrored or torch.allclose(image, original)
            flipped.append(is_mirrored)
    assert 150 < sum(flipped) < 250  # 5 standard deviations around 200
    again = [torch.allclose(x * 255, images[y].float()) for x, y in epoch(toy(400, flip=False)[0], 1)]
    assert all(again)


def test_random_crops_are_windows_of_the_padded_image() -> None:
    data, images = toy(n=300, padding=2, flip=False)
    seen = torch.zeros(5, 5)
    for batch, labels in epoch(data, batch_size=1):
        padded = torch.nn.functional.pad(images[labels[0]], (2, 2, 2, 2)).float()
        matches = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.allclose(batch[0] * 255, padded[:, top : top + 8, left : left + 8])
        ]
        assert len(matches) == 1
        seen[matches[0]] += 1
    assert (seen > 0).all()  # expected 12 of each; none missing


def test_resized_crops_are_torchvisions() -> None:
    images = torch.randint(0, 256, (40, 3, 16, 16), dtype=torch.uint8)
    boxes = draw_boxes(40, 16, torch.Generator().manual_seed(0))
    for image, box, ours in zip(images, boxes.T.tolist(), resized_crops(images, boxes), strict=True):
        theirs = v2.functional.resized_crop(image.float(), *box, [16, 16], antialias=True)
        assert torch.allclose(ours, theirs, atol=1e-3)  # of 255


def test_boxes_of_resized_crops_are_drawn_as_torchvisions() -> None:
    torch.manual_seed(0)
    image, n = torch.zeros(3, 32, 32), 4000
    drawn = [v2.RandomResizedCrop.get_params(image, list(AREAS), list(RATIOS)) for _ in range(n)]
    theirs, ours = torch.tensor(drawn).float(), draw_boxes(n, 32, torch.Generator().manual_seed(0)).T.float()
    assert torch.allclose(ours.mean(0), theirs.mean(0), atol=0.4)
    assert torch.allclose(ours.std(0), theirs.std(0), atol=0.4)
    assert torch.allclose(ours.T.corrcoef(), theirs.T.corrcoef(), atol=0.06)


def test_colour_noise_is_one_colour_an_image() -> None:
    """Each image gets one colour at random, and all else stays the same."""
    (plain, _), (noisy, _) = toy(n=400, flip=False), toy(n=400, flip=False, lighting=0.1)
    changes = torch.cat([b - a for (a, _), (b, _) in zip(epoch(plain, 50), epoch(noisy, 50), strict=True)])
    assert (changes.std(dim=(2, 3)) < 1e-6).all()
    expected = 0.01 * sum(value * value for value in EIGENVALUES)
    assert changes[:, :, 0, 0].var(dim=0).sum().item() == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Augmentation(flip=True)),
        ({"name": "cifar10", "crop_padding": 4}, Augmentation(padding=4)),
        ({"name": "image_folder", "lighting": 0.1}, Augmentation(resized_crop=True, lighting=0.1)),
        ({"augmentation": "none", "crop_padding": 4}, Augmentation(flip=False)),
        ({"augmentation": "flip", "crop_padding": 4}, Augmentation()),
        ({"augmentation": "padded_crop", "flip": False}, Augmentation(flip=False, padding=3)),
        ({"augmentation": "resized_crop", "lighting": 0.2}, Augmentation(resized_crop=True, lighting=0.2)),
        ({"name": "imagenet", "augmentation": "flip", "lighting": 0.1}, Augmentation()),
    ],
)
def test_each_set_is_augmented_as_usual_unless_asked_otherwise(changes: dict, expected: object) -> None:
    assert augmentation_of(DataSettings(**changes), resolution=28) == expected


def test_validation_is_complete_ordered_and_not_augmented() -> None:
    data, images = toy(n=42, padding=2)
    batches = list(data.val_batches(8))
    assert torch.equal(torch.cat([labels for _, labels in batches]), torch.arange(42))
    assert torch.allclose(torch.cat([x for x, _ in batches]) * 255, images.float())


def test_grey_becomes_three_equal_standardised_channels(small: InMemoryImages) -> None:
    train, val = epoch(small)[0], next(small.val_batches(128))
    for images, labels in (train, val):
        assert images.shape == (128, 3, 32, 32)
        assert images.dtype == torch.float32
        assert labels.shape == (128,)
        assert labels.dtype == torch.int64
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(images[:, 0], images[:, 1])
        assert torch.equal(images[:, 0], images[:, 2])
        assert torch.allclose(images[:, :, :2], torch.tensor(-MEAN / STD))  # the margin is black
        assert images.max() == pytest.approx((1 - MEAN) / STD)


def test_colour_is_standardised_per_channel() -> None:
    images, labels = torch.full((4, 3, 2, 2), 51, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64)
    split = (images, labels)
    data = InMemoryImages(DataInfo("x", 2, 4, 4), split, split, mean=(0.0, 0.1, 0.2), std=(0.5, 0.1, 1.0))
    batch, _ = next(data.val_batches(4))
    assert batch[0, :, 0, 0].tolist() == pytest.approx([0.4, 1.0, 0.0], abs=1e-6)
    assert batch.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("batch_size", [0, 8001])
def test_batch_larger_than_the_training_split(small: InMemoryImages, batch_size: int) -> None:
    with pytest.raises(UserError, match=r"^batch_size=\d+: .*8000 training images"):
        small.info.steps_per_epoch(batch_size)


def test_resolution() -> None:
    image = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    image[..., 14:] = 200
    padded = at_resolution(image, 32)
    assert torch.equal(padded[..., 2:30, 2:30], image)
    assert padded.sum(dtype=torch.int64) == image.sum(dtype=torch.int64)
    for resolution in (16, 48):
        resized = at_resolution(image, resolution)
        assert resized.shape[-2:] == (resolution, resolution)
        assert resized.float().mean().item() == pytest.approx(100, abs=2)
    with pytest.raises(UserError, match="resolution=0: must be at least 1 pixel"):
        load_data(DataSettings(), resolution=0)


def test_epoch_generators_do_not_repeat() -> None:
    first = {epoch_generator(seed, epoch).initial_seed() for seed in range(50) for epoch in range(50)}
    assert len(first) == 2500
