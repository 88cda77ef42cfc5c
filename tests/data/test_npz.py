"""Data sets in one .npz file: layout, digest, pixel statistics, and files that cannot be."""

from pathlib import Path

import numpy as np
import pytest
import torch

from designspace.data.catalog import data_info
from designspace.data.found import find_data
from designspace.data.loading import load_data
from designspace.data.npz import pixel_statistics
from designspace.data.settings import DataInfo, DataSettings
from designspace.errors import UserError

RNG = np.random.default_rng(0)


def arrays(*, channels: int | None = 3, size: int = 8, column: bool = True) -> dict[str, np.ndarray]:
    """12 training, 6 validation and 6 test images of 3 classes."""
    found = {}
    for split, count in (("train", 12), ("val", 6), ("test", 6)):
        shape = (count, size, size) if channels is None else (count, size, size, channels)
        found[f"{split}_images"] = RNG.integers(0, 256, shape, dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 3
        found[f"{split}_labels"] = labels[:, None] if column else labels
    return found


def saved(path: Path, content: dict[str, np.ndarray]) -> DataSettings:
    np.savez(path, **content)
    return DataSettings("npz", root=str(path), flip=False)


@pytest.mark.parametrize("column", [True, False])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_pixels_and_labels(tmp_path: Path, channels: int | None, column: bool) -> None:
    content = arrays(channels=channels, column=column)
    settings = saved(tmp_path / "set.npz", content)
    assert data_info(settings) == DataInfo("npz", 3, 12, 6)
    data = load_data(settings, resolution=8, found=find_data(settings))
    images, labels = next(data.val_batches(6))
    assert labels.tolist() == [0, 1, 2] * 2
    train = content["train_images"].reshape(12, 8, 8, -1) / 255
    mean, std = train.mean(axis=(0, 1, 2)), train.std(axis=(0, 1, 2))
    expected = (content["val_images"].reshape(6, 8, 8, -1) / 255 - mean) / std
    expected = np.broadcast_to(expected, (6, 8, 8, 3)).transpose(0, 3, 1, 2)
    assert torch.allclose(images.double(), torch.tensor(expected), atol=1e-5)
    assert len(list(data.train_batches(batch_size=5, seed=0, epoch=0))) == 2


def test_statistics_are_those_of_the_pixels() -> None:
    images = RNG.integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    mean, std = pixel_statistics(images)
    assert np.allclose(mean, (images / 255).mean(axis=(0, 1, 2)), rtol=1e-12)
    assert np.allclose(std, (images / 255).std(axis=(0, 1, 2)), rtol=1e-12)
    assert pixel_statistics(np.full((2, 3, 3), 51, np.uint8)) == ((pytest.approx(0.2),), (1.0,))


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    content = arrays()
    digest = find_data(saved(tmp_path / "a.npz", content)).digest
    np.savez_compressed(tmp_path / "b.npz", **content)
    assert find_data(DataSettings("npz", root=str(tmp_path / "b.npz"))).digest == digest
    without_test = {name: values for name, values in content.items() if "test" not in name}
    assert find_data(saved(tmp_path / "c.npz", without_test)).digest == digest
    settings = saved(tmp_path / "d.npz", content)
    found = find_data(settings)
    content["train_images"][3, 0, 0, 0] ^= 1
    assert find_data(saved(tmp_path / "d.npz", content)).digest != digest
    with pytest.raises(UserError, match="holds other images than when this run began"):
        load_data(settings, resolution=8, found=found)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"val_images": None}, ["lacks val_images; it has test_images"]),
        ({"train_images": np.zeros((12, 8, 8, 3), np.float32)}, ["train_images must be uint8", "float32"]),
        ({"train_images": np.zeros((12, 8, 6), np.uint8)}, ["[n, h, h]", "got uint8 [12, 8, 6]"]),
        ({"train_images": np.zeros((12, 8, 8, 4), np.uint8)}, ["1 or 3 channels", "[12, 8, 8, 4]"]),
        ({"train_images": np.zeros((12, 64), np.uint8)}, ["got uint8 [12, 64]"]),
        ({"val_images": np.zeros((6, 8, 8), np.uint8)}, ["must be alike", "(6, 8, 8)"]),
        ({"train_labels": np.zeros((12, 14), np.uint8)}, ["[12] or [12, 1]", "got uint8 [12, 14]"]),
        ({"train_labels": np.zeros(12)}, ["whole numbers", "got float64 [12]"]),
        ({"val_labels": np.zeros(5, int)}, ["val_labels must be whole numbers [6]", "[5]"]),
        ({"train_labels": np.arange(12) % 3 + 1}, ["train_labels must be all of 0", "got 1, 2, 3"]),
        ({"train_labels": np.arange(12) % 3 * 2}, ["got 0, 2, 4"]),
        ({"train_labels": np.zeros(12, int)}, ["at least 2; got 0"]),
        ({"val_labels": np.array([0, 1, 2, 3, 0, 0])}, ["val_labels must be 0 to 2", "got 0 to 3"]),
        ({"val_labels": np.array([0, 1, 2, -1, 0, 0])}, ["got -1 to 2"]),
        ({"train_labels": np.array(["a"] * 12, object)}, ["not a whole .npz file"]),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, changes: dict, parts: list[str]) -> None:
    content = {name: values for name, values in (arrays() | changes).items() if values is not None}
    settings = saved(tmp_path / "set.npz", content)
    for function in (data_info, find_data, lambda s: load_data(s, resolution=8)):
        with pytest.raises(UserError, match=r"data\.root") as caught:
            function(settings)
        assert "\n" not in str(caught.value)
        assert [part for part in parts if part not in str(caught.value)] == []


@pytest.mark.parametrize("kind", ["empty", "cut", "text", "flipped", "npy"])
def test_damaged_files(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "set.npz"
    settings = saved(path, arrays())
    content = bytearray(path.read_bytes())
    if kind == "npy":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    else:
        content[len(content) // 3] ^= 1
        path.write_bytes({"empty": b"", "cut": content[:-100], "text": b"no", "flipped": content}[kind])
    with pytest.raises(UserError, match=r"is not a whole \.npz file"):
        load_data(settings, resolution=8)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"root": None}, "data.root=null: must be an existing .npz file"),
        ({"root": "/"}, "must be an existing .npz file"),
        ({"val_images": 3}, "data.val_images=3: must be null"),
        ({"lighting": 0.1}, "data.lighting=0.1: must be 0"),
        ({"on_unreadable": "skip"}, "data.on_unreadable=skip: must be refuse"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, changes: dict, part: str) -> None:
    saved(tmp_path / "set.npz", arrays())
    with pytest.raises(UserError, match=part):
        data_info(DataSettings(**{"name": "npz", "root": str(tmp_path / "set.npz"), **changes}))
