"""Settings, their errors, and the files in conf/data."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from designspace.data.catalog import data_info
from designspace.data.loading import load_data
from designspace.data.sets import DATA_NAMES
from designspace.data.settings import DataInfo, DataSettings
from designspace.errors import UserError

CONF = Path(__file__).parents[2] / "conf" / "data"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (DataSettings(), DataInfo("fashion_mnist_small", 10, 8_000, 4_000)),
        (DataSettings("fashion_mnist"), DataInfo("fashion_mnist", 10, 50_000, 10_000)),
        (DataSettings("fashion_mnist", val_images=500), DataInfo("fashion_mnist", 10, 59_500, 500)),
        (DataSettings("cifar10"), DataInfo("cifar10", 10, 45_000, 5_000)),
        (DataSettings("cifar100"), DataInfo("cifar100", 100, 45_000, 5_000)),
    ],
)
def test_data_info(settings: DataSettings, expected: DataInfo) -> None:
    assert data_info(settings) == expected


def test_data_info_is_what_is_loaded() -> None:
    data = load_data(DataSettings(), resolution=28)
    assert data.info == data_info(DataSettings())
    assert sum(len(labels) for _, labels in data.val_batches(1000)) == data.info.num_val
    assert data.info.steps_per_epoch(1) == data.info.num_train


def test_metadata_needs_no_torch() -> None:
    code = "import sys; from designspace.data.catalog import data_info; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("name", DATA_NAMES)
def test_configuration_files(name: str) -> None:
    text = (CONF / f"{name}.yaml").read_text()
    assert [line.split(":")[0] for line in text.splitlines() if line.startswith("# W")] == [
        "# What",
        "# Where",
    ]
    assert "\n# Cost:" in text
    settings = OmegaConf.to_object(
        OmegaConf.merge(OmegaConf.structured(DataSettings), OmegaConf.create(text))
    )
    assert isinstance(settings, DataSettings)
    assert settings.name == name
    if settings.name in ("image_folder", "imagenet", "npz"):
        with pytest.raises(UserError, match=r"data\.root=null: must be an existing"):
            data_info(settings)
    else:
        assert data_info(settings) == data_info(DataSettings(name))


def test_every_configuration_file_is_known() -> None:
    assert {path.stem for path in CONF.glob("*.yaml")} == set(DATA_NAMES)


def messages(settings: DataSettings) -> str:
    """The one-line error that both `data_info` and `load_data` give."""
    found = []
    for function in (data_info, lambda settings: load_data(settings, resolution=32)):
        with pytest.raises(UserError) as caught:
            function(settings)
        found.append(str(caught.value))
    assert found[0] == found[1]
    assert "\n" not in found[0]
    return found[0]


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (DataSettings("mnist"), ["data.name", "=mnist", *DATA_NAMES]),
        (DataSettings("fashion_mnist", root="no/such\nfolder"), ["data.root", "existing folder"]),
        (DataSettings(root="."), ["data.root", "part of the package"]),
        (DataSettings(val_images=100), ["data.val_images", "brings its own", "100"]),
        (
            DataSettings("cifar100", val_images=99),
            ["data.val_images", "at least 100 and at most 49900", "99"],
        ),
        (DataSettings("cifar10", val_images=50_000), ["data.val_images", "49990", "50000"]),
        (DataSettings("image_folder"), ["data.root", "null"]),
        (DataSettings("image_folder", root=".", crop_padding=4), ["data.crop_padding", "must be 0", "4"]),
        (DataSettings(cache="auto"), ["data.cache=auto", "off for data=fashion_mnist_small"]),
        (DataSettings(augmentation="crop"), ["data.augmentation=crop", "padded_crop"]),
        (DataSettings(augmentation="flip", flip=False), ["data.flip=false", "true with"]),
        (DataSettings(lighting=0.1), ["data.lighting", "must be 0", "0.1"]),
        (
            DataSettings(num_workers=-1, crop_padding=-2),
            ["data.num_workers", "-1", "data.crop_padding", "-2"],
        ),
    ],
)
def test_settings_that_cannot_be_used(settings: DataSettings, parts: list[str]) -> None:
    message = messages(settings)
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(("name", "split"), [("image_folder", "train"), ("imagenet", "val")])
def test_folder_without_a_split(
    folder_settings: DataSettings, image_folder: Path, name: str, split: str
) -> None:
    folder_settings.name = name
    shutil.rmtree(image_folder / split)
    assert str(image_folder / split) in messages(folder_settings)


def test_folder_without_classes(folder_settings: DataSettings, image_folder: Path) -> None:
    for path in (image_folder / "train").iterdir():
        shutil.rmtree(path)
    (image_folder / "train" / "0.png").touch()
    assert "no class folders" in messages(folder_settings)


def test_folder_of_one_class(folder_settings: DataSettings, image_folder: Path) -> None:
    for split in ("train", "val"):
        for name in ("a", "b"):
            shutil.rmtree(image_folder / split / name)
    assert "at least 2 classes" in messages(folder_settings)


def test_folder_whose_splits_differ(folder_settings: DataSettings, image_folder: Path) -> None:
    (image_folder / "val" / "a").rename(image_folder / "val" / "z")
    message = messages(folder_settings)
    assert "lacks 1 ['a']" in message
    assert "1 of its own ['z']" in message


def test_empty_class(folder_settings: DataSettings, image_folder: Path) -> None:
    for path in (image_folder / "val" / "b").iterdir():
        path.unlink()
    assert str(image_folder / "val" / "b") in messages(folder_settings)


def test_imagenet_has_1000_classes(folder_settings: DataSettings, image_folder: Path) -> None:
    folder_settings.name = "imagenet"
    assert "1000 classes" in messages(folder_settings)
