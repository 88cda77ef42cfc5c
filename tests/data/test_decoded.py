"""The cache of decoded images: its batches are those of data=npz, and nothing can leave half a file."""

import dataclasses
import multiprocessing
import os
import resource
import shutil
import signal
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional

from designspace.data import decoded
from designspace.data.catalog import is_cached, list_images
from designspace.data.decoded import DecodedFiles
from designspace.data.images import InMemoryImages
from designspace.data.loading import Splits, load_data
from designspace.data.reading import read_image
from designspace.data.settings import DataInfo, DataSettings
from designspace.errors import UserError


@pytest.fixture
def settings(folder_settings: DataSettings, tmp_path_factory: pytest.TempPathFactory) -> DataSettings:
    cache = tmp_path_factory.mktemp("cache")
    return dataclasses.replace(folder_settings, cache="on", cache_root=str(cache / "new"))


def files_of(settings: DataSettings) -> DecodedFiles:
    return DecodedFiles.of(settings, list_images(settings), 24)


def kept(settings: DataSettings) -> list[Path]:
    return [path for path in Path(settings.cache_root).iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize("augmentation", ["flip", "padded_crop", "resized_crop"])
def test_batches_are_those_of_the_same_images_in_one_file(tmp_path: Path, augmentation: str) -> None:
    rng, arrays = np.random.default_rng(0), {}
    for split, count in (("train", 9), ("val", 6), ("test", 3)):
        images, labels = (
            rng.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8),
            np.arange(count) * 3 // count,
        )
        arrays |= {f"{split}_images": images, f"{split}_labels": labels}
        for row, (image, label) in enumerate(zip(images, labels, strict=True)):
            (tmp_path / split / "abc"[label]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(tmp_path / split / "abc"[label] / f"{row}.png")
    np.savez(tmp_path / "set.npz", **arrays)
    one = DataSettings("npz", str(tmp_path / "set.npz"), augmentation=augmentation)
    folder = DataSettings(
        "image_folder",
        str(tmp_path),
        augmentation=augmentation,
        cache="auto",
        cache_root=str(tmp_path / "cache"),
    )
    for splits in (Splits(), Splits(("train", "val"), "test")):
        ours, theirs = (load_data(each, resolution=16, splits=splits) for each in (folder, one))
        assert isinstance(ours, InMemoryImages)
        pairs = [(d.train_batches(batch_size=4, seed=1, epoch=2), d.val_batches(4)) for d in (ours, theirs)]
        for mine, other in zip(*pairs, strict=True):
            for (images, labels), (same, targets) in zip(mine, other, strict=True):
                assert torch.equal(labels, targets)
                assert torch.allclose(images, same, atol=1e-5)


def test_an_image_is_its_central_square(settings: DataSettings, image_folder: Path) -> None:
    path = image_folder / "train" / "a" / "0.png"  # 30 rows, 40 columns
    middle = torch.from_numpy(np.asarray(read_image(str(path)))[:, 5:35].copy()).permute(2, 0, 1)
    expected = functional.resize(middle, [24, 24], antialias=True)  # torchvision's
    images = files_of(settings).ensure(1).read().images
    assert np.abs(images[0].astype(int) - expected.numpy()).max() <= 1


def test_what_is_exported_says_how_images_are_shown(settings: DataSettings) -> None:
    """The shorter side at the resolution; without a cache and with resized crops, 256 / 224 of it."""
    changes = ({}, {"cache": "off"}, {"cache": "off", "augmentation": "flip"})
    sets = [load_data(dataclasses.replace(settings, **each), resolution=28) for each in changes]
    assert [data.preprocessing.resize for data in sets] == [28, 32, 28]


def test_what_is_there_is_used_and_other_images_are_decoded_anew(
    settings: DataSettings, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_of(settings).ensure(1)
    monkeypatch.setattr(decoded, "read_image", lambda path: pytest.fail("decoded again"))
    moved = shutil.copytree(image_folder, image_folder.with_name("moved"))  # with the times of the files
    assert files_of(dataclasses.replace(settings, root=str(moved))).ensure(1).path == before.path
    monkeypatch.undo()
    path = image_folder / "train" / "a" / "0.png"
    path.write_bytes(path.read_bytes()[:-1] + b"x")  # of the same name and size
    assert files_of(settings).path != before.path
    assert DecodedFiles.of(settings, list_images(settings), 23).path != before.path


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", None])
def test_a_damaged_file_is_written_anew(settings: DataSettings, content: bytes | None) -> None:
    files = files_of(settings).ensure(1)
    whole = files.path.read_bytes()
    files.path.write_bytes(whole[:-100] if content is None else content)
    assert files.ensure(1).path.read_bytes() == whole


def test_two_that_start_at_once_decode_once(settings: DataSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(decoded, "read_image", lambda path: tried.append(path) or read_image(path))
    with ThreadPool(2) as pool:
        first, second = pool.map(lambda _: files_of(settings).ensure(1).read().images, range(2))
    assert len(tried) == 30
    assert np.array_equal(first, second)


def in_a_process_that(settings: DataSettings, fails: str) -> int | None:
    """Exit code of a process that fills the cache and does not end well."""

    def fill() -> None:
        if fails == "is killed":
            decoded.CHUNK, square, left = 1, decoded.central_square, iter(range(20))
            decoded.central_square = lambda *given: (
                square(*given) if next(left, None) is not None else os.kill(os.getpid(), signal.SIGKILL)
            )
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        with pytest.raises(UserError, match=r"cannot hold the decoded images, 0.00 GB \(File too large\)"):
            files_of(settings).ensure(1)

    process = multiprocessing.get_context("fork").Process(target=fill)
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.parametrize(("fails", "code"), [("is killed", -signal.SIGKILL), ("cannot write", 0)])
def test_a_process_that_ends_early_leaves_nothing_that_is_used(
    settings: DataSettings, fails: str, code: int
) -> None:
    assert in_a_process_that(settings, fails) == code
    assert not files_of(settings).are_there()
    assert [path.suffix for path in kept(settings)] == ([".tmp"] if fails == "is killed" else [])
    files = files_of(settings).ensure(1)
    assert kept(settings) == [files.path]


def test_without_space_nothing_is_begun(settings: DataSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: full)
    with pytest.raises(UserError, match=r"data\.cache_root: .*not enough space.*data\.cache=off"):
        load_data(settings, resolution=24)
    assert kept(settings) == []


def test_auto_is_on_where_the_images_fit() -> None:
    info = DataInfo("image_folder", 10, 9_000, 1_000)
    auto = DataSettings("image_folder", cache="auto", cache_gb=1.5)
    assert is_cached(auto, info, 223)  # 1.492 GB
    assert not is_cached(auto, info, 224)  # 1.505 GB
    assert is_cached(dataclasses.replace(auto, cache="on"), info, 224)
    assert not is_cached(dataclasses.replace(auto, cache="off"), info, 1)
