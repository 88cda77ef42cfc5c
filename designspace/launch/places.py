"""What worker processes need of this machine's folders, looked at before they are started."""

from __future__ import annotations

import os
import tempfile
from multiprocessing import get_context, util

from designspace.errors import UserError

SOCKET_PATH = 103  # bytes that a socket's path may have on all systems (Linux: 107)
SOCKET_NAME = len("/pymp-xxxxxxxx/listener-xxxxxxxx")  # of multiprocessing, below the temporary folder
SHORT = "/tmp"
TEMPORARY = ("TMPDIR", "TEMP", "TMP")  # as tempfile reads them


def check_places() -> None:
    """Make sure that workers can be started.

    Raises:
        UserError: a folder that they need cannot be used; the message names it.
    """
    current_folder()
    try:
        get_context("spawn").Lock()
    except OSError as error:
        raise UserError(
            f"/dev/shm: {error.strerror}: worker processes need semaphores there; launcher=debug needs none"
        ) from None
    _keep_sockets_short()


def current_folder() -> str:
    """The current folder. Raises UserError where it was deleted."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise UserError(
            "current folder: it does not exist any more; change into one that does, with cd"
        ) from None


def _keep_sockets_short() -> None:
    """Let multiprocessing choose its folder, below a short one where the temporary folder's path is long."""
    before = tempfile.tempdir
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) + SOCKET_NAME <= SOCKET_PATH:
        return
    try:
        tempfile.tempdir = SHORT
        util.get_temp_dir()  # made once, and handed to workers
    except OSError as error:
        name = next((name for name in TEMPORARY if os.environ.get(name) == folder), TEMPORARY[0])
        raise UserError(
            f"{name}={folder}: too long for the sockets of worker processes, at most "
            f"{SOCKET_PATH - SOCKET_NAME} bytes; and {SHORT} cannot be used: {error.strerror}"
        ) from None
    finally:
        tempfile.tempdir = before
