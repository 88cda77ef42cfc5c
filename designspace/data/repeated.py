"""Are there images that are trained on and validated with? Asked once for each content. No torch."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Hashable, Mapping
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np

from designspace.data.catalog import root_path
from designspace.data.decoded import CHUNK, counted
from designspace.data.folders import FolderListing
from designspace.data.found import DataFound
from designspace.data.sets import NPZ
from designspace.data.settings import DataSettings
from designspace.files import make_writable_folder, replacing

log = logging.getLogger(__name__)

BEGINNING = 4096  # bytes, by which most files of one size differ already
KEY = "train_and_val"  # of the file that remembers them


def warn_of_repeated(settings: DataSettings, found: DataFound, verdict: Path, *, threads: int) -> None:
    """Count and name the validation images of which the content is that of a training image, too.

    `verdict` remembers them, so that the next start need not look again. Sets that were published are not
    looked at, and neither are test images.
    """
    if found.listing is None and settings.name != NPZ:
        return
    known = _read(verdict, found.digest)
    if known is None:
        files = found.listing
        known = repeated_rows(root_path(settings)) if files is None else repeated_files(files, threads)
        _write(verdict, found.digest, known)
    if known:
        val, train = min(known.items())
        log.warning(
            "data.root: %s of the %s validation images are training images, too, and make errors look lower "
            "than they are: the first is %r, as %r; all are listed in %r",
            f"{len(known):,}", f"{found.info.num_val:,}", val, train, str(verdict),
        )  # fmt: skip


def repeated_files(listing: FolderListing, threads: int) -> dict[str, str]:
    """Validation images with the bytes of a training image: path below the root, to that of one of these."""
    train, val = ({file.path for file in files} for files in (listing.train, listing.val))
    told: dict[str, tuple[Hashable, ...]] = dict.fromkeys([*sorted(train), *sorted(val)], ())
    with ThreadPool(threads) as pool:
        for tell in (_size, _beginning, _whole):  # each of the files that are alike so far
            telling = pool.imap(tell, list(told), chunksize=CHUNK)
            more = counted(telling, len(told), "looking, once, for copies of training images")
            told = {
                p: (*known, new)
                for (p, known), new in zip(told.items(), more, strict=True)
                if new is not None
            }
            shared = {told[p] for p in told if p in train} & {told[p] for p in told if p in val}
            told = {path: known for path, known in told.items() if known in shared}
    names = {file.path: listing.relative(file) for file in (*listing.train, *listing.val)}
    by_content = {told[path]: names[path] for path in sorted(told, reverse=True) if path in train}
    return {names[path]: by_content[told[path]] for path in told if path in val}


def repeated_rows(path: Path) -> dict[str, str]:
    """The same of the images of an .npz file, by their rows."""
    with np.load(path, allow_pickle=False) as arrays:
        train, val = (
            [hashlib.sha256(image.tobytes()).digest() for image in arrays[f"{split}_images"]]
            for split in ("train", "val")
        )
    by_content = {digest: row for row, digest in enumerate(train)}
    return {
        f"val_images[{row}]": f"train_images[{by_content[digest]}]"
        for row, digest in enumerate(val)
        if digest in by_content
    }


def _readable(tell: Callable[[str], Hashable]) -> Callable[[str], Hashable]:
    """None where the file cannot be read."""

    def told(path: str) -> Hashable:
        with contextlib.suppress(OSError):
            return tell(path)
        return None

    return told


@_readable
def _size(path: str) -> Hashable:
    return os.path.getsize(path)


@_readable
def _beginning(path: str) -> Hashable:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read(BEGINNING)).digest()


@_readable
def _whole(path: str) -> Hashable:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _read(verdict: Path, digest: str) -> dict[str, str] | None:
    """Those that were found before; None where nobody has looked at this content."""
    content = _content(verdict)
    known = content.get(KEY) if content.get("digest") == digest else None
    return known if isinstance(known, dict) else None


def _content(verdict: Path) -> dict[str, object]:
    try:
        content = json.loads(verdict.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(verdict: Path, digest: str, repeated: Mapping[str, str]) -> None:
    """Beside what is there on the same content."""
    content = _content(verdict)
    kept = content if content.get("digest") == digest else {}
    make_writable_folder(verdict.parent)
    with replacing(verdict) as temporary:
        text = json.dumps({**kept, "digest": digest, KEY: dict(sorted(repeated.items()))}, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")
