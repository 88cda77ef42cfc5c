"""Images of a folder, decoded once a machine into one file of bytes that all workers share. No torch.

The file's name is a digest of the listing, the resolution and how images are brought to it: other images have
another file, and none is ever changed. It holds the pixels, then their sums, both as NumPy saves arrays.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy
from PIL import Image

from designspace.data.folders import FolderListing, ImageFile
from designspace.data.reading import UnreadableImageError, read_image
from designspace.data.settings import DataSettings
from designspace.data.sources import ByteArray, cache_folder
from designspace.errors import UserError
from designspace.files import host_name, replacing

HOW = "the central square by Pillow's bilinear filter, channels first; 1"  # in the digest
SAMPLED = 64  # files whose content is in the digest as well, beside names, sizes and times of all
SAMPLED_BYTES = 65_536  # of each, from its beginning
SUFFIX = ".decoded"
CHANNELS = 3
QUIET_SECONDS, LINE_SECONDS = 2.0, 30.0  # before the first line that says what takes so long, and between two
CHUNK = 16  # images that a thread takes at once

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Decoded:
    """All images of some files, in their order."""

    images: ByteArray  # [n, 3, r, r], mapped: read where it is looked at, and shared by all processes
    sums: npt.NDArray[np.int64]  # [n, 2, 3]: of pixels, and of their squares, over each channel of an image

    def statistics(self, count: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel of the first images, of pixels in [0, 1]."""
        pixels = count * self.images.shape[2] * self.images.shape[3]
        mean, square = self.sums[:count].sum(axis=0) / pixels / [[255], [255**2]]
        std = np.sqrt(np.maximum(square - mean**2, 0))
        return tuple(mean.tolist()), tuple(value or 1.0 for value in std.tolist())  # 1: all pixels are equal


class DecodedFiles:
    """The decoded images of these files at `resolution`, in a file of the folder `cache_root`."""

    def __init__(
        self, settings: DataSettings, root: Path, files: Sequence[ImageFile], resolution: int
    ) -> None:
        given = settings.cache_root
        folder = cache_folder() / "decoded" if given is None else Path(given).expanduser()
        self.files = files
        self.resolution = resolution
        self.path = folder / (_digest(root, files, resolution)[:32] + SUFFIX)

    @classmethod
    def of(cls, settings: DataSettings, listing: FolderListing, resolution: int) -> DecodedFiles:
        """Those of the images for training, then those for validation."""
        return cls(settings, listing.root, [*listing.train, *listing.val], resolution)

    def read(self) -> Decoded:
        """The images. Raises OSError or ValueError where they are not there."""
        with open(self.path, "rb") as file:
            npy.read_magic(file)
            if npy.read_array_header_1_0(file) != (self._shape, False, np.dtype(np.uint8)):
                raise ValueError("other images than expected")
            start = file.tell()
            file.seek(start + self._bytes)
            sums = np.load(file, allow_pickle=False)
        # Private to the process where written to, which nothing does: torch wants arrays that can be.
        return Decoded(np.memmap(self.path, np.uint8, "c", start, self._shape), sums)

    def ensure(self, threads: int) -> DecodedFiles:
        """Decode what is not there. Raises UserError where an image cannot be read, or as `write`."""
        for path, why in self.write(threads).items():
            raise UnreadableImageError(path, why)
        return self

    def write(self, threads: int) -> dict[str, str]:
        """Decode what is not there. Returns the images (by path) that cannot be read, and why.

        Where there are any, nothing is written. A second process that starts meanwhile waits for the first.

        Raises:
            UserError: the folder cannot be written, or the disk is full.
        """
        if self.are_there():
            return {}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _alone(self.path):
                return {} if self.are_there() else self._write(threads)
        except OSError as error:
            raise UserError(
                f"data.cache_root: {str(self.path.parent)!r} cannot hold the decoded images, "
                f"{self._bytes / 1e9:,.2f} GB ({error.strerror}); choose another folder, or data.cache=off"
            ) from None

    def are_there(self) -> bool:
        """Whether the whole file is."""
        try:
            self.read()
        except (OSError, ValueError, EOFError):
            return False
        return True

    @property
    def _shape(self) -> tuple[int, int, int, int]:
        return len(self.files), CHANNELS, self.resolution, self.resolution

    @property
    def _bytes(self) -> int:
        return int(np.prod(self._shape))

    def _write(self, threads: int) -> dict[str, str]:
        if shutil.disk_usage(self.path.parent).free < self._bytes:
            raise OSError(0, "not enough space on the disk")
        with contextlib.suppress(_IncompleteError), replacing(self.path) as temporary:
            unreadable = self._write_to(temporary, threads)
            if unreadable:
                raise _IncompleteError
        return unreadable

    def _write_to(self, temporary: Path, threads: int) -> dict[str, str]:
        unreadable: dict[str, str] = {}
        sums = np.zeros((len(self.files), 2, CHANNELS), np.int64)
        header = {"descr": "|u1", "fortran_order": False, "shape": self._shape}
        with open(temporary, "wb") as file, ThreadPool(threads) as pool:  # Pillow decodes without the lock
            npy.write_array_header_1_0(file, header)
            decoded = pool.imap(self._decode, self.files, chunksize=CHUNK)
            for row, pixels in enumerate(counted(decoded, len(self.files), "decoding all images, once")):
                if isinstance(pixels, UnreadableImageError):
                    unreadable[self.files[row].path] = str(pixels.args[1])
                elif not unreadable:
                    file.write(pixels.tobytes())
                    values = pixels.reshape(CHANNELS, -1).astype(np.int64)
                    sums[row] = values.sum(axis=1), (values**2).sum(axis=1)
            np.save(file, sums)
        return unreadable

    def _decode(self, file: ImageFile) -> ByteArray | UnreadableImageError:
        try:
            return central_square(read_image(file.path), self.resolution)
        except UnreadableImageError as error:
            return error


def counted(results: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The results, and from time to time a line that says how many there are."""
    next_line = time.monotonic() + QUIET_SECONDS
    for done, result in enumerate(results, start=1):
        yield result
        if time.monotonic() > next_line:
            next_line = time.monotonic() + LINE_SECONDS
            log.info("data.root: %s: %s of %s", what, f"{done:,}", f"{total:,}")


class _IncompleteError(Exception):
    """Not all images can be read: nothing is to be written."""


def central_square(image: Image.Image, resolution: int) -> ByteArray:
    """The largest square in the middle of an image, at r x r pixels: [3, r, r]."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    if width != height:
        image = image.crop((left, top, left + side, top + side))
    if side != resolution:
        image = image.resize((resolution, resolution), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)


def _digest(root: Path, files: Sequence[ImageFile], resolution: int) -> str:
    """Of what can be seen of all files without reading them, of the beginning of some, and of HOW."""
    digest = hashlib.sha256(f"{HOW}\0{resolution}\n".encode())
    prefix = os.path.join(root, "")
    for file in files:
        with contextlib.suppress(OSError):  # it cannot be read, and will be named
            status = os.stat(file.path)
            name = os.fsencode(file.path.removeprefix(prefix))
            digest.update(name + f"\0{status.st_size} {status.st_mtime_ns}\n".encode())
    for file in files[:: max(1, len(files) // SAMPLED)]:
        with contextlib.suppress(OSError), open(file.path, "rb") as opened:
            digest.update(opened.read(SAMPLED_BYTES))
    return digest.hexdigest()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time, as long as it lives; what killed ones have left is removed.

    Where the file system has no locks, several may decode the same: each writes a file of its own, which
    takes the name when it is whole.
    """
    with open(path.with_name(f".{path.name}.lock"), "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            yield
            return
        for left in path.parent.glob(f".{path.name}.{host_name()}.*.tmp"):
            left.unlink(missing_ok=True)
        yield
