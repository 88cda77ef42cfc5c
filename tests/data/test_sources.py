"""The images themselves: pixels, labels, splits, and files that are missing or damaged."""

import gzip
import importlib.util
import struct
import urllib.error
from pathlib import Path

import numpy as np
import pytest

from designspace.data import sources
from designspace.data.found import find_data
from designspace.data.loading import load_data
from designspace.data.settings import DataSettings
from designspace.data.sources import hold_out, read_cifar, read_embedded, read_fashion_mnist, read_idx
from designspace.errors import UserError

DEBIAN = sources.DEBIAN_FASHION_MNIST
needs_debian = pytest.mark.skipif(
    not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is absent"
)


def published() -> tuple[np.ndarray, np.ndarray]:
    """The training split, read without the code under test: 16 and 8 bytes of header."""
    images = gzip.decompress((DEBIAN / "train-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((DEBIAN / "train-labels-idx1-ubyte.gz").read_bytes())[8:]
    return np.frombuffer(images, np.uint8).reshape(60_000, 28, 28), np.frombuffer(labels, np.uint8)


def embedded_rows() -> tuple[np.ndarray, np.ndarray]:
    with np.load(sources.EMBEDDED_FILE, allow_pickle=False) as arrays:
        return arrays["train_rows"].astype(int), arrays["val_rows"].astype(int)


def test_embedded_set_is_balanced_and_disjoint() -> None:
    data, (train_rows, val_rows) = read_embedded(), embedded_rows()
    assert np.bincount(data.train_labels).tolist() == [800] * 10
    assert np.bincount(data.val_labels).tolist() == [400] * 10
    assert len({*train_rows, *val_rows}) == 12_000
    train = {image.tobytes() for image in data.train_images}
    assert not any(image.tobytes() in train for image in data.val_images)
    assert sources.EMBEDDED_FILE.stat().st_size < 8e6


@needs_debian
def test_embedded_pixels_are_the_published_ones() -> None:
    images, labels = published()
    data, (train_rows, val_rows) = read_embedded(), embedded_rows()
    assert np.array_equal(data.train_images, images[train_rows])
    assert np.array_equal(data.train_labels, labels[train_rows])
    assert np.array_equal(data.val_images, images[val_rows])
    assert np.array_equal(data.val_labels, labels[val_rows])


@needs_debian
def test_full_set_is_split_without_overlap_and_contains_the_small_one() -> None:
    images, labels = published()
    rows = hold_out(labels.astype(np.int64), 10_000)
    assert sorted([*rows.train, *rows.val]) == list(range(60_000))
    data = read_fashion_mnist(None, 10_000)
    assert np.bincount(data.train_labels).tolist() == [5000] * 10
    assert np.bincount(data.val_labels).tolist() == [1000] * 10
    assert np.array_equal(data.train_images, images[rows.train])
    assert np.array_equal(data.val_images, images[rows.val])
    assert np.array_equal(data.val_labels, labels[rows.val])
    train_rows, val_rows = embedded_rows()
    assert {*train_rows} <= {*rows.train}
    assert {*val_rows} <= {*rows.val}


@needs_debian
def test_the_script_makes_the_same_file_again(tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "scripts" / "make_fashion_mnist_small.py"
    spec = importlib.util.spec_from_file_location("make_fashion_mnist_small", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.make(DEBIAN, tmp_path / "a.npz") == sources.EMBEDDED_SHA256
    script.make(DEBIAN, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_hold_out_is_balanced_also_where_it_does_not_divide() -> None:
    labels = np.repeat(np.arange(3), 20)
    rows = hold_out(labels, 7)
    assert np.bincount(labels[rows.val]).tolist() == [3, 2, 2]
    assert np.array_equal(np.sort(np.concatenate([rows.train, rows.val])), np.arange(60))
    assert np.array_equal(rows.val, hold_out(labels, 7).val)
    assert not np.array_equal(rows.val, hold_out(labels, 7, seed=1).val)


def error_of(function, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_damaged_embedded_file(tmp_path: Path) -> None:
    content, path = sources.EMBEDDED_FILE.read_bytes(), tmp_path / "set.npz"
    swapped = bytearray(content)
    swapped[3_000_000] ^= 1
    for damaged in (content[:-1000], content[:5], b"", bytes(swapped)):
        path.write_bytes(damaged)
        message = error_of(read_embedded, path)
        assert str(path) in message
        assert "reinstall" in message
    assert "missing" in error_of(read_embedded, tmp_path / "none.npz")


def test_changed_embedded_file(tmp_path: Path) -> None:
    with np.load(sources.EMBEDDED_FILE) as arrays:
        changed = {name: arrays[name].copy() for name in arrays.files}
    changed["val_labels"][0] += 1
    np.savez(tmp_path / "set.npz", **changed)
    assert "other content" in error_of(read_embedded, tmp_path / "set.npz")


def write_idx(path: Path, values: np.ndarray) -> None:
    content = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files(tmp_path: Path, suffix: str) -> None:
    values, path = np.arange(24, dtype=np.uint8).reshape(2, 3, 4), tmp_path / f"x{suffix}"
    write_idx(path, values)
    assert np.array_equal(read_idx(path), values)
    path.write_bytes(path.read_bytes()[:-3])
    assert "not a complete idx file" in error_of(read_idx, path)
    path = tmp_path / "floats"
    path.write_bytes(struct.pack(">BBBBI4s", 0, 0, 13, 1, 4, b"abcd"))
    assert "not a complete idx file" in error_of(read_idx, path)


def test_fashion_mnist_of_the_wrong_size(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    write_idx(raw / "train-images-idx3-ubyte", np.zeros((6, 28, 28), np.uint8))
    write_idx(raw / "train-labels-idx1-ubyte.gz", np.zeros(60_000, np.uint8))
    message = error_of(read_fashion_mnist, tmp_path, 10_000)
    assert "60,000" in message
    assert str(raw) in message


def refuse(*arguments: object, **options: object) -> None:
    if options.get("download"):
        raise urllib.error.URLError("no route\nto host")
    raise RuntimeError("Dataset not found or corrupted.")


def test_fashion_mnist_that_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "DEBIAN_FASHION_MNIST", tmp_path / "debian")
    monkeypatch.setattr("torchvision.datasets.FashionMNIST", refuse)
    refuse.__name__ = "FashionMNIST"
    message = error_of(read_fashion_mnist, None, 10_000)
    for part in ("debian", "cache", "apt-get install dataset-fashion-mnist", "no route to host"):
        assert part in message


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10", "cifar100"])
def test_a_root_without_the_set_is_not_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Neither another copy nor a download takes its place."""
    monkeypatch.setattr("torchvision.datasets.CIFAR10", refuse)
    monkeypatch.setattr("torchvision.datasets.CIFAR100", refuse)
    for function in (find_data, lambda settings: load_data(settings, resolution=32)):
        message = error_of(function, DataSettings(name, root=str(tmp_path)))
        assert str(tmp_path) in message
        files = sources.CIFAR_FILES.get(name, sources.FASHION_MNIST_FILES)
        assert all(file in message for file in files)
        assert "data.root=null" in message
        assert list(tmp_path.iterdir()) == []


def test_a_root_that_lacks_one_file_is_told(tmp_path: Path) -> None:
    folder = tmp_path / sources.CIFAR_FOLDERS["cifar10"]
    folder.mkdir()
    for file in sources.CIFAR_FILES["cifar10"]:
        (folder / file).write_bytes(b"")
    message = error_of(read_cifar, "cifar10", tmp_path, 5_000)
    assert f"{str(folder)!r} is damaged (data_batch_1, data_batch_2" in message
    (folder / "data_batch_3").unlink()
    assert f"{str(folder)!r} lacks data_batch_3;" in error_of(read_cifar, "cifar10", tmp_path, 5_000)


def test_cifar_that_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("torchvision.datasets.CIFAR10", refuse)
    assert str(tmp_path) in error_of(read_cifar, "cifar10", None, 5_000)
    assert list((tmp_path / "designspace").iterdir()) == []  # nothing half downloaded stays


@needs_debian
def test_other_images_in_files_of_the_same_names_have_another_digest(tmp_path: Path) -> None:
    images, labels = published()
    for name, values in zip(sources.FASHION_MNIST_FILES, (images, labels), strict=True):
        write_idx(tmp_path / name, values)
    settings = DataSettings("fashion_mnist", root=str(tmp_path))
    found = find_data(settings)
    assert found.digest == find_data(DataSettings("fashion_mnist", root=str(DEBIAN))).digest
    write_idx(tmp_path / sources.FASHION_MNIST_FILES[0], 255 - images)
    assert find_data(settings).digest != found.digest


class Cifar:
    """Stands for torchvision's class: finds its folder, or makes it when told to download."""

    base_folder = "cifar-10-batches-py"
    train_list, test_list, meta = (("data_batch_1", "0"),), (), {"filename": "batches.meta", "md5": "0"}
    works = True

    def __init__(self, root: str | Path, train: bool, download: bool = False) -> None:
        folder = Path(root) / self.base_folder
        if download:
            folder.mkdir()
            for file in sources.CIFAR_FILES["cifar10"]:
                (folder / file).touch()
        if not folder.is_dir() or not (self.works or download):
            raise RuntimeError("Dataset not found or corrupted.")
        assert train
        self.targets = [*range(10)] * 3
        self.data = np.arange(30, dtype=np.uint8).reshape(30, 1, 1, 1).repeat(3, axis=3)


def test_cifar_is_downloaded_once_and_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("torchvision.datasets.CIFAR10", Cifar)
    for _ in range(2):
        data = read_cifar("cifar10", None, 10)
        assert [path.name for path in (tmp_path / "designspace").iterdir()] == [Cifar.base_folder]
        assert np.bincount(data.val_labels).tolist() == [1] * 10
        assert np.array_equal(data.train_images[:, 0, 0, 0] % 10, data.train_labels)
    monkeypatch.setattr(Cifar, "works", False)
    message = error_of(read_cifar, "cifar10", None, 10)
    assert "(data_batch_1, batches.meta differ from what was published); delete the folder" in message
