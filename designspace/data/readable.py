"""Are there images that cannot be read? Asked once for each content, before anything is trained. No torch."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from multiprocessing.pool import ThreadPool
from pathlib import Path

from designspace.data.decoded import CHUNK, DecodedFiles, counted
from designspace.data.found import NAMED, DataFound, without
from designspace.data.reading import UnreadableImageError, read_image
from designspace.errors import UserError
from designspace.files import make_writable_folder, replacing

log = logging.getLogger(__name__)


def check_images(
    found: DataFound, verdict: Path, *, on_unreadable: str, threads: int, decoded: DecodedFiles | None = None
) -> DataFound:
    """Decode every image once; `verdict` remembers which cannot be read, so that the next start need not.

    Those that could not be read are tried again at each start. Test images are not tried: they are not used.
    With `decoded`, the images are kept as they are decoded.

    Raises:
        UserError: images cannot be read, unless `on_unreadable` is "skip": then they are left out.
    """
    listing = found.listing
    if listing is None:
        return found
    paths = {listing.relative(file): file.path for file in (*listing.train, *listing.val)}
    known = _read_verdict(verdict, found.digest)
    tried = paths if known is None else {name: paths[name] for name in known if name in paths}
    if known is None and decoded is not None:
        by_path = decoded.write(threads)
        unreadable = {name: by_path[path] for name, path in paths.items() if path in by_path}
    else:
        unreadable = unreadable_images(tried, threads)
    if known is None:
        _write_verdict(verdict, found, unreadable)
    if not unreadable:
        return replace(found, left_out=())
    first = sorted(unreadable)[:NAMED]
    named = ", ".join(f"{paths[name]!r}: cannot be read ({unreadable[name]})" for name in first)
    line = f"{named}; in all {len(unreadable):,} of {len(paths):,} images, listed in {str(verdict)!r}"
    if on_unreadable != "skip":
        raise UserError(f"{line}; fix or remove them, or leave them out with data.on_unreadable=skip")
    log.warning("%s; they are left out", line)
    return without(found, frozenset(unreadable))


def unreadable_images(paths: Mapping[str, str], threads: int) -> dict[str, str]:
    """Those of the images (by name) that cannot be read, with the reason."""
    with ThreadPool(threads) as pool:  # Pillow decodes without the interpreter's lock
        verdicts = pool.imap_unordered(_try_to_read, paths.items(), chunksize=CHUNK)
        verdicts_told = counted(verdicts, len(paths), "checking, once, that all images can be read")
        return {name: why for name, why in verdicts_told if why is not None}


def _try_to_read(item: tuple[str, str]) -> tuple[str, str | None]:
    name, path = item
    try:
        read_image(path)
    except UnreadableImageError as error:
        return name, str(error.args[1])
    return name, None


def _read_verdict(path: Path, digest: str) -> dict[str, str] | None:
    """The images that could not be read, or None where nobody has tried this content."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return dict(content["unreadable"]) if content["digest"] == digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_verdict(path: Path, found: DataFound, unreadable: Mapping[str, str]) -> None:
    """Also says which images were held out, where they were."""
    listing = found.listing
    assert listing is not None, "of a folder set"
    held_out = {"val": listing.val, "test": listing.test} if listing.shares.val else {}
    content = {
        "digest": found.digest,
        "images": len(listing.train) + len(listing.val),
        "unreadable": dict(sorted(unreadable.items())),
        "shares": asdict(listing.shares),
        "held_out": {split: [listing.relative(file) for file in files] for split, files in held_out.items()},
    }
    make_writable_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
