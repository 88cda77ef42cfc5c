"""The test split: other images than those trained on, from where each set keeps them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from designspace.data.loading import Splits, load_data
from designspace.data.settings import DataSettings
from designspace.data.sources import DEBIAN_FASHION_MNIST, read_embedded, read_embedded_test
from designspace.data.test_split import check_test_images, count_test_images, read_test_images
from designspace.errors import UserError


def test_the_embedded_test_images_are_balanced_and_in_no_other_split() -> None:
    images, labels = read_embedded_test()
    assert np.bincount(labels).tolist() == [400] * 10
    arrays = read_embedded()
    others = {image.tobytes() for image in (*arrays.train_images, *arrays.val_images)}
    assert not others & {image.tobytes() for image in images}
    assert count_test_images(DataSettings()) == len(images)


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_the_embedded_test_images_are_of_the_published_test_split() -> None:
    images, labels = read_test_images(DataSettings("fashion_mnist"))
    assert np.bincount(labels).tolist() == [1000] * 10
    published = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    few, few_labels = read_embedded_test()
    assert [published[image.tobytes()] for image in few] == few_labels.tolist()


@pytest.mark.parametrize("train", [("train",), ("train", "val")])
def test_trained_on_and_tested_on(tmp_path: Path, train: tuple[str, ...]) -> None:
    rng, content = np.random.default_rng(0), {}
    for number, split in enumerate(("train", "val", "test")):
        content[f"{split}_images"] = np.full((4 + number, 2, 2), 10 * number, np.uint8)
        content[f"{split}_images"][:, 0, 0] = rng.integers(256, size=4 + number)
        content[f"{split}_labels"] = np.arange(4 + number) % 2
    np.savez(tmp_path / "set.npz", **content)
    settings = DataSettings("npz", root=str(tmp_path / "set.npz"), flip=False)
    data = load_data(settings, resolution=2, splits=Splits(train, "test"))
    assert (data.info.num_train, data.info.num_val) == (4 + 5 * (len(train) - 1), 6)
    tested = torch.cat([images for images, _ in data.val_batches(4)])
    seen = torch.cat([images for images, _ in data.train_batches(batch_size=2, seed=0, epoch=0)])
    assert tested[:, 0, 1, 1].unique().numel() == 1
    assert seen[:, 0, 1, 1].unique().numel() == len(train)  # of each split its own colour
    assert tested[0, 0, 1, 1] not in seen[:, 0, 1, 1]


def test_images_of_a_test_folder_are_found_with_the_classes_of_train(image_folder: Path) -> None:
    settings = DataSettings("image_folder", root=str(image_folder))
    assert count_test_images(settings) == 0
    with pytest.raises(UserError, match=r"data.root=.*: has no test images \(test/<class>"):
        check_test_images(settings)
    shutil.copytree(image_folder / "val" / "c", image_folder / "test" / "c")
    assert check_test_images(settings) == 3
    data = load_data(settings, resolution=8, splits=Splits(evaluate="test"))
    assert [labels.tolist() for _, labels in data.val_batches(10)] == [[2, 2, 2]]
    shutil.copytree(image_folder / "val" / "c", image_folder / "test" / "d")
    with pytest.raises(UserError, match=r"has classes that are not in train/: \['d'\]"):
        count_test_images(settings)


def test_held_out_images_are_the_test_split(image_folder: Path) -> None:
    settings = DataSettings("image_folder", root=str(image_folder / "train"))
    assert count_test_images(settings) == 3 * 1  # a fifth of 7, of each class


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"test_labels": np.array([0, 7])}, "test_labels must be 0 to 1 as train_labels are, got 0 to 7"),
        ({"test_images": np.zeros((2, 3, 3), np.uint8)}, "val_images and test_images must be alike"),
        ({"test_labels": np.array([0, 1, 1])}, r"test_labels must be whole numbers \[2\]"),
    ],
)
def test_test_images_that_cannot_be_used(
    tmp_path: Path, changed: dict[str, np.ndarray], problem: str
) -> None:
    images, labels = np.zeros((2, 2, 2), np.uint8), np.array([0, 1])
    content = {f"{split}_{kind}": value for split in ("train", "val", "test")
               for kind, value in (("images", images), ("labels", labels))}  # fmt: skip
    np.savez(tmp_path / "set.npz", **(content | changed))
    settings = DataSettings("npz", root=str(tmp_path / "set.npz"))
    with pytest.raises(UserError, match=problem):
        read_test_images(settings)
