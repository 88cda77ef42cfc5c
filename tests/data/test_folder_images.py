"""Folders of images: the listing against torchvision's, and batches that no worker can change."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from designspace.data.augmentation import EIGENVALUES
from designspace.data.catalog import list_images
from designspace.data.folder_images import Lighting
from designspace.data.loading import load_data
from designspace.data.settings import DataInfo, DataSettings


def batches(settings: DataSettings, seed: int = 0, epoch: int = 0, start_step: int = 0, batch_size: int = 4):
    data = load_data(settings, resolution=24)
    return list(data.train_batches(batch_size=batch_size, seed=seed, epoch=epoch, start_step=start_step))


def equal(first: list, second: list) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b)
        for one, two in zip(first, second, strict=True)
        for a, b in zip(one, two, strict=True)
    )


@pytest.mark.parametrize("split", ["train", "val"])
def test_listing_equals_torchvisions(folder_settings: DataSettings, image_folder: Path, split: str) -> None:
    listing, reference = list_images(folder_settings), ImageFolder(image_folder / split)
    assert list(listing.classes) == reference.classes == ["a", "b", "c"]
    assert [(file.path, file.label) for file in getattr(listing, split)] == reference.samples
    assert listing.info("x") == DataInfo("x", 3, 21, 9)


def test_batches_do_not_depend_on_workers_or_global_state(folder_settings: DataSettings) -> None:
    reference = batches(folder_settings)
    assert [tuple(images.shape) for images, _ in reference] == [(4, 3, 24, 24)] * 5
    torch.rand(3)
    state = torch.get_rng_state()
    assert equal(reference, batches(folder_settings))
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(3)
    assert equal(reference, batches(dataclasses.replace(folder_settings, num_workers=2)))
    assert equal(reference[3:], batches(folder_settings, start_step=3))
    assert not equal(reference, batches(folder_settings, epoch=1))
    assert not equal(reference, batches(folder_settings, seed=1))


def test_the_incomplete_batch_comes_last(folder_settings: DataSettings) -> None:
    data = load_data(folder_settings, resolution=24)
    kept = list(data.train_batches(batch_size=4, seed=0, epoch=0, drop_last=False))
    assert equal(kept, batches(folder_settings))  # one of the 21 images is left over
    kept = list(data.train_batches(batch_size=6, seed=0, epoch=0, drop_last=False))
    assert [len(labels) for _, labels in kept] == [6, 6, 6, 3]
    assert equal(kept[:3], batches(folder_settings, batch_size=6))


def test_augmentation_changes_from_epoch_to_epoch(folder_settings: DataSettings) -> None:
    """The same image looks different: not only the order depends on the epoch."""
    (first, labels), (second, again) = (batches(folder_settings, epoch=e, batch_size=21)[0] for e in (0, 1))
    assert torch.equal(labels.bincount(), again.bincount())
    assert torch.cdist(first.flatten(1), second.flatten(1)).min() > 1


def test_memory_format_and_types(folder_settings: DataSettings) -> None:
    images, labels = batches(folder_settings)[0]
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)


def test_validation_is_ordered_complete_and_fixed(folder_settings: DataSettings) -> None:
    data = load_data(folder_settings, resolution=24)
    once = list(data.val_batches(4))
    assert torch.cat([labels for _, labels in once]).tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert equal(once, list(data.val_batches(4)))


def test_validation_crop_is_central(tmp_path: Path) -> None:
    """At resolution 32 the shorter side becomes 32 * 256 / 224 = 37, so these images are only cropped."""
    image = torch.randint(0, 256, (37, 51, 3), dtype=torch.uint8)
    for split in ("train", "val"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.fromarray(image.numpy()).save(tmp_path / split / name / "0.png")
    data = load_data(DataSettings(name="image_folder", root=str(tmp_path)), resolution=32)
    batch, _ = next(data.val_batches(1))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = (image[2:34, 10:42] / 255 - mean) / std  # margins 5 / 2 and 19 / 2, rounded to even
    assert torch.allclose(batch[0].permute(1, 2, 0), expected, atol=1e-5)


def test_without_augmentation_the_training_images_are_those_of_validation(image_folder: Path) -> None:
    """The whole of the shorter side; what is cut off of the longer one is central."""
    shutil.rmtree(image_folder / "val")
    shutil.copytree(image_folder / "train", image_folder / "val")
    settings = DataSettings("image_folder", root=str(image_folder), augmentation="none", lighting=0.1)
    data = load_data(settings, resolution=24)
    trained = torch.cat([images for images, _ in data.train_batches(batch_size=21, seed=0, epoch=0)])
    ((whole, _),) = data.val_batches(21)
    assert (torch.cdist(trained.flatten(1), whole.flatten(1)).sort(dim=1).values[:, 0] == 0).all()
    cropped = batches(dataclasses.replace(settings, augmentation="padded_crop", flip=False), batch_size=21)
    assert not torch.equal(cropped[0][0], trained)


def test_lighting_adds_one_colour_with_the_given_spread() -> None:
    torch.manual_seed(0)
    image, lighting = torch.rand(3, 4, 4), Lighting(0.1)
    change = torch.stack([lighting(image) - image for _ in range(4000)])  # [draws, rgb, 4, 4]
    assert (change.std(dim=(2, 3)) < 1e-6).all()
    total_variance = change[:, :, 0, 0].var(dim=0).sum().item()
    assert total_variance == pytest.approx(0.01 * sum(v * v for v in EIGENVALUES), rel=0.1)
