"""Where the parts of an analysis are computed: in this process, unless the caller passes worker processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

Setup = Callable[[], Callable[[Any], Any]]  # called once per worker; gives the function that items go through


class Executor(Protocol):
    """Applies a function to many items; `designspace.launch.local.Processes` does it in worker processes."""

    @property
    def workers(self) -> int:
        """Number of items that are in work at the same time."""
        ...

    def map(
        self,
        setup: Setup,
        items: Sequence[Any],
        *,
        complaint: Callable[[Any], str],
        ended: Callable[[Any], None] | None = None,
    ) -> list[Any]:
        """The values in the order of the items; `ended` is told of each item with a value, as it comes.

        Raises:
            RunError: a worker failed at an item; the message begins with `complaint(item)`.
        """
        ...


class InThisProcess:
    """One item after the other; exceptions pass through as they are."""

    workers = 1

    def map(
        self,
        setup: Setup,
        items: Sequence[Any],
        *,
        complaint: Callable[[Any], str],
        ended: Callable[[Any], None] | None = None,
    ) -> list[Any]:
        work, values = setup(), []
        for item in items:
            values.append(work(item))
            if ended is not None:
                ended(item)
        return values


IN_THIS_PROCESS = InThisProcess()
