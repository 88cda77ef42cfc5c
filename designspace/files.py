"""How a file is written: whole or not at all, under a name that can be, in a folder that can be written."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from designspace.errors import UserError

CONF_FOLDER = (Path(__file__).parent / "conf").resolve()  # of the package, or of the clone
MAX_NAME_BYTES = 255  # of a file name, on all usual file systems
NO_HARD_LINKS = (errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)  # what file systems say


def user_path(key: str, text: str) -> Path:
    """The path that a user gave for `key`; ~ is the home folder. Raises UserError where there is none."""
    path = os.path.expanduser(text)
    if path.startswith("~"):
        raise UserError(f"{key}={text}: no such home folder; ./{text} is a folder whose name begins with ~")
    return Path(path)


def make_writable_folder(path: Path) -> None:
    """Create the folder if need be. Raises UserError where nothing can be written into it."""
    check_name(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe.{host_name()}.{os.getpid()}.tmp"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"output_root: cannot write into {path}: {error.strerror}; choose another") from None


def check_name(path: Path) -> None:
    """Raises UserError where the path is not UTF-8, which neither our tables nor our YAML files take."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"{str(path)!a}: must be UTF-8; rename the folder") from None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; renamed to `path` on success, removed on failure.

    Readers see the old file or the whole new one, never a part.
    """
    temporary = temporary_name(path)
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk does not say where
        raise
    finally:
        temporary.unlink(missing_ok=True)


def create(path: Path, text: str) -> None:
    """Create a file with all its content at once; without hard links, the content comes a moment later.

    Raises:
        FileExistsError: the file exists; it is left as it is.
    """
    temporary = temporary_name(path)
    try:
        temporary.write_text(text, encoding="utf-8")
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in NO_HARD_LINKS:
                raise
            with open(path, "x", encoding="utf-8") as file:
                file.write(text)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """A name beside `path` that is this process's own, and that `remove_leftovers` knows."""
    return path.with_name(f".{path.name}.{host_name()}.{os.getpid()}.tmp")


def host_name() -> str:
    """This machine's name, usable in file names."""
    return re.sub(r"[^A-Za-z0-9-]", "_", socket.gethostname())
