"""What a cluster must be able to do: it queues tasks, each with the keys of the items that it works on.

A further cluster is one more module beside `slurm`, with a function `open_queue`, and its name in `CLUSTERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from designspace.launch.settings import LauncherSettings


class Queue(Protocol):
    """The tasks of one folder on a cluster, those included that an earlier driver submitted."""

    @property
    def refusal(self) -> str | None:
        """Why the cluster takes no more tasks now, or None."""

    def submit(self, tasks: Sequence[tuple[Sequence[str], Callable[[], Any]]]) -> int:
        """Submit (keys, task) pairs; returns how many the cluster took, the first of them.

        A task is pickled. One that has a method `stop` is told by it, from a signal handler, that its time is
        over; it saves what there is, and is started again later.

        Raises:
            UserError: the cluster refuses the request as it is.
        """

    def live_keys(self) -> set[str] | None:
        """Keys of all tasks that wait or run; None where the cluster does not answer."""

    def log_of(self, key: str) -> Path | None:
        """The newest error log of a task that worked on the key."""

    def cancel(self) -> None:
        """Cancel all tasks of the folder."""


def open_queue(folder: Path, settings: LauncherSettings) -> Queue:
    """The cluster that `launcher` names, with the tasks that are noted in the folder."""
    queue: Queue = import_module(f"designspace.launch.{settings.name}").open_queue(folder, settings)
    return queue
