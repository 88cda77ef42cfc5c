"""The test split, which the final training alone reads, once it is through."""

from __future__ import annotations

from pathlib import Path

from designspace.data.catalog import list_images, root_path
from designspace.data.folders import list_test_images
from designspace.data.npz import count_npz_test, read_npz_test
from designspace.data.sets import FOLDER_SETS, NPZ
from designspace.data.settings import DataSettings
from designspace.data.sources import (
    LabelledImages,
    read_cifar_test,
    read_embedded_test,
    read_fashion_mnist_test,
)
from designspace.errors import UserError

PUBLISHED = {"fashion_mnist_small": 4_000, "fashion_mnist": 10_000, "cifar10": 10_000, "cifar100": 10_000}


def count_test_images(settings: DataSettings) -> int:
    """Number of test images; 0 where the data set has none (as ImageNet, whose labels are not published)."""
    if settings.name in FOLDER_SETS:
        return len(list_test_images(list_images(settings)))
    if settings.name == NPZ:
        return count_npz_test(root_path(settings))
    return PUBLISHED[settings.name]


def check_test_images(settings: DataSettings) -> int:
    """Their number. Raises UserError where there are none."""
    count = count_test_images(settings)
    if not count:
        where = {"npz": "test_images and test_labels", "imagenet": "test/<class>/*"}.get(
            settings.name, "test/<class>/*, or images that data.test_share holds out of <root>/<class>/*"
        )
        raise UserError(
            f"data.root={settings.root}: has no test images ({where}), "
            "so that no final training can be tested"
        )
    return count


def read_test_images(settings: DataSettings) -> LabelledImages:
    """Those of a set that fits in memory."""
    root = None if settings.root is None else Path(settings.root).expanduser()
    if settings.name == NPZ:
        return read_npz_test(root_path(settings))
    if settings.name == "fashion_mnist_small":
        return read_embedded_test()
    if settings.name == "fashion_mnist":
        return read_fashion_mnist_test(root)
    return read_cifar_test(settings.name, root)
