"""Where the images of the in-memory sets come from: the package, idx files, or torchvision.

Validation images are held out of the published training splits. The published test splits are read by
`read_*_test` alone, for the final training.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from designspace.errors import UserError

logger = logging.getLogger(__name__)

EMBEDDED_FILE = Path(__file__).parent / "embedded" / "fashion_mnist_small.npz"
# Of the content, as printed by scripts/make_fashion_mnist_small.py:
EMBEDDED_SHA256 = "14579c08ae2a9207733b8604ebcd21dba68665e599e0986ff133fef6be8e8210"
EMBEDDED_TEST_FILE = EMBEDDED_FILE.with_name("fashion_mnist_small_test.npz")
EMBEDDED_TEST_SHA256 = "65d4f90748a0f62ef72abaf040dc4900347ec19181cd22cc6df7eb8c4032e266"
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # package dataset-fashion-mnist
FASHION_MNIST_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
FASHION_MNIST_TEST_FILES = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CIFAR_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
CIFAR_FILES = {  # all of which torchvision asks for
    "cifar10": (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"),
    "cifar100": ("train", "test", "meta"),
}
HOLDOUT_SEED = 0

ByteArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]
LabelledImages = tuple[ByteArray, IntArray]  # [n, height, width] grey or [n, height, width, 3], and [n]


@dataclass(frozen=True, eq=False)
class ImageArrays:
    """A training and a validation split in memory."""

    train_images: ByteArray  # [n, height, width] grey or [n, height, width, 3]
    train_labels: IntArray  # [n]
    val_images: ByteArray
    val_labels: IntArray


@dataclass(frozen=True, eq=False)
class Holdout:
    """Ascending rows of the images kept for training and of those held out."""

    train: IntArray
    val: IntArray


def hold_out(labels: IntArray, num_val: int, seed: int = HOLDOUT_SEED) -> Holdout:
    """Draw `num_val` rows, equally many of each class (the first ones give the remainder)."""
    rng = np.random.default_rng(seed)
    classes = np.unique(labels)
    quotas = np.full(len(classes), num_val // len(classes))
    quotas[: num_val % len(classes)] += 1
    drawn = [
        rng.permutation(np.flatnonzero(labels == k))[:quota] for k, quota in zip(classes, quotas, strict=True)
    ]
    val = np.sort(np.concatenate(drawn))
    return Holdout(np.setdiff1d(np.arange(len(labels)), val), val)


def _split(images: ByteArray, labels: IntArray, num_val: int) -> ImageArrays:
    rows = hold_out(labels, num_val)
    return ImageArrays(images[rows.train], labels[rows.train], images[rows.val], labels[rows.val])


# ---------------------------------------------------------------- the embedded set


def read_embedded(path: Path = EMBEDDED_FILE) -> ImageArrays:
    """The 8,000 + 4,000 Fashion-MNIST images that come with the package."""
    with _embedded(path):
        arrays = read_npz(path)
        if content_sha256(arrays) != EMBEDDED_SHA256:
            raise ValueError("other content than expected")
    return arrays


def read_embedded_test(path: Path = EMBEDDED_TEST_FILE) -> LabelledImages:
    """The 4,000 images of Fashion-MNIST's test split that come with the package."""
    with _embedded(path):
        with np.load(path, allow_pickle=False) as arrays:
            images, labels = arrays["test_images"], arrays["test_labels"].astype(np.int64)
        if sha256_of(images, labels) != EMBEDDED_TEST_SHA256:
            raise ValueError("other content than expected")
    return images, labels


@contextmanager
def _embedded(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        problem = " ".join(str(error).split())
        raise UserError(
            f"data.name=fashion_mnist_small: {str(path)!r} is missing, damaged or changed ({problem}); "
            "reinstall designspace or run scripts/make_fashion_mnist_small.py"
        ) from None


def read_npz(path: Path) -> ImageArrays:
    with np.load(path, allow_pickle=False) as arrays:
        return ImageArrays(
            arrays["train_images"],
            arrays["train_labels"].astype(np.int64),
            arrays["val_images"],
            arrays["val_labels"].astype(np.int64),
        )


def content_sha256(arrays: ImageArrays) -> str:
    """Digest of pixels and labels, the same whichever zlib packed them."""
    return sha256_of(arrays.train_images, arrays.train_labels, arrays.val_images, arrays.val_labels)


def sha256_of(*arrays: ByteArray | IntArray) -> str:
    """Digest of shapes and values."""
    digest = hashlib.sha256()
    for values in arrays:
        digest.update(repr(values.shape).encode())
        digest.update(values.astype("<i8" if values.dtype == np.int64 else np.uint8).tobytes())
    return digest.hexdigest()


# ---------------------------------------------------------------- Fashion-MNIST from idx files


def read_fashion_mnist(root: Path | None, num_val: int) -> ImageArrays:
    """All of Fashion-MNIST's training split, from `root`, else Debian's folder or torchvision's download."""
    images, labels = _fashion_mnist_split(locate_fashion_mnist(root), 60_000)
    return _split(images, labels, num_val)


def read_fashion_mnist_test(root: Path | None) -> LabelledImages:
    """Fashion-MNIST's test split, from where its training split is."""
    return _fashion_mnist_split(locate_fashion_mnist(root, FASHION_MNIST_TEST_FILES), 10_000)


def _fashion_mnist_split(files: list[Path], count: int) -> LabelledImages:
    images, labels = (read_idx(file) for file in files)
    if images.shape != (count, 28, 28) or labels.shape != (count,):
        raise UserError(
            f"data.root: {str(files[0])!r} and its labels must hold {count:,} images of 28x28, "
            f"got shapes {images.shape} and {labels.shape}"
        )
    return images, labels.astype(np.int64)


def locate_fashion_mnist(root: Path | None, names: Sequence[str] = FASHION_MNIST_FILES) -> list[Path]:
    """Images and labels: in `root` and nowhere else, or in the usual places, downloaded if need be."""
    store = root or cache_folder()
    folders = [store, store / "FashionMNIST" / "raw", *([] if root else [DEBIAN_FASHION_MNIST])]
    files = find_idx_files(folders, names)
    if files is None and root is not None:
        raise UserError(
            f"data.root: {str(root)!r} must hold {' and '.join(names)} (or .gz), itself or in "
            "FashionMNIST/raw; data.root=null looks in the usual places and downloads them"
        )
    if files is None:
        from torchvision.datasets import FashionMNIST

        looked_in = ", ".join(map(str, folders))
        _download(FashionMNIST, store, f"looked in {looked_in}; try: apt-get install dataset-fashion-mnist")
        files = find_idx_files(folders, names)
        if files is None:
            damaged = str(store / "FashionMNIST")
            raise UserError(f"data.name=fashion_mnist: {damaged!r} is damaged; delete it and start again")
    return files


def fashion_mnist_sha256(root: Path | None) -> str:
    """Digest of pixels and labels: other sets, such as MNIST, come in files of the same names and shapes."""
    digest = hashlib.sha256()
    for file in locate_fashion_mnist(root):
        digest.update(read_idx(file).tobytes())
    return digest.hexdigest()


def find_idx_files(folders: list[Path], names: Sequence[str] = FASHION_MNIST_FILES) -> list[Path] | None:
    """Images and labels, packed or not, in the first folder that has both."""
    for folder in folders:
        packed_or_not = [(folder / name, folder / f"{name}.gz") for name in names]
        found = [next((path for path in paths if path.is_file()), None) for paths in packed_or_not]
        files = [path for path in found if path is not None]
        if len(files) == len(names):
            return files
    return None


def read_idx(path: Path) -> ByteArray:
    """An idx file of unsigned bytes, plain or gzipped: 0, 0, 8, dimensions, big-endian sizes, values."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if content[:3] != b"\0\0\x08":
            raise ValueError("no idx header")
        shape = np.frombuffer(content, ">u4", count=content[3], offset=4)
        return np.frombuffer(content, np.uint8, offset=4 + shape.nbytes).reshape(shape.astype(int))
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
        raise UserError(f"data.root: {str(path)!r} is not a complete idx file ({error})") from None


# ---------------------------------------------------------------- CIFAR through torchvision


def read_cifar(name: str, root: Path | None, num_val: int) -> ImageArrays:
    """The training split of CIFAR-10 or CIFAR-100, from `root` or torchvision's download."""
    return _split(*_cifar_split(name, root, train=True), num_val)


def read_cifar_test(name: str, root: Path | None) -> LabelledImages:
    """The test split of CIFAR-10 or CIFAR-100, from where its training split is."""
    return _cifar_split(name, root, train=False)


def _cifar_split(name: str, root: Path | None, *, train: bool) -> LabelledImages:
    locate_cifar(name, root)
    dataset, store = _cifar(name), root or cache_folder()
    try:
        split = dataset(store, train=train)
    except RuntimeError:  # "not found or corrupted"
        folder = store / dataset.base_folder
        cure = "put a whole one there" if root else "delete the folder and start again"
        raise UserError(
            f"data.name={name}: {str(folder)!r} is damaged ({_damage(dataset, folder)}); {cure}"
        ) from None
    return split.data, np.array(split.targets, dtype=np.int64)


def locate_cifar(name: str, root: Path | None) -> None:
    """See that all files are there: in `root` and nowhere else, or downloaded if need be."""
    store, folder = root or cache_folder(), CIFAR_FOLDERS[name]
    if root is None and not (store / folder).is_dir():
        _download(_cifar(name), store, f"looked in {store}; data.root names another folder")
    if lacking := [file for file in CIFAR_FILES[name] if not (store / folder / file).is_file()]:
        rest = (
            "data.root=null downloads them"
            if root is not None
            else "delete what is left of it and start again"
        )
        raise UserError(f"data.name={name}: {str(store / folder)!r} lacks {', '.join(lacking)}; {rest}")


def _cifar(name: str) -> Any:
    from torchvision import datasets

    return {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]


def _damage(dataset: Any, folder: Path) -> str:
    """Which files are not those that were published."""
    published = [*dataset.train_list, *dataset.test_list, (dataset.meta["filename"], dataset.meta["md5"])]
    wrong = [file for file, md5 in published if hashlib.md5((folder / file).read_bytes()).hexdigest() != md5]
    return f"{', '.join(wrong)} differ from what was published" if wrong else "it cannot be loaded"


# ---------------------------------------------------------------- downloads


def cache_folder() -> Path:
    """Where downloads go unless `data.root` names a folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "designspace"


def _download(dataset: Any, store: Path, hint: str) -> None:
    """Let torchvision download a data set; it appears in `store` whole or not at all.

    Several training processes may arrive here at once: each downloads for itself, the first rename counts.
    """
    logger.info("downloading %s to %s", dataset.__name__, store)
    try:
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store, prefix=".download-") as temporary:
            dataset(temporary, train=True, download=True)
            for new in Path(temporary).iterdir():
                if not (store / new.name).exists():
                    new.rename(store / new.name)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"data.name: {dataset.__name__} cannot be downloaded ({reason}); {hint}") from None
