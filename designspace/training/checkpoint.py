"""Checkpoints inside a model: an interrupted training continues to bitwise the same error.

The batches of an epoch are a function of (seed, epoch), and what a network draws at random is one of (seed,
step), so weights, optimizer, position and what was measured so far are the whole state. A file is a SHA-256
digest and the bytes that it covers: a torn or changed one is noticed and counts as none.
"""

from __future__ import annotations

import hashlib
import io
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from designspace.files import replacing
from designspace.launch.interrupt import Interrupted

log = logging.getLogger(__name__)

State = dict[str, Any]


class Checkpointer:
    """Decides when to keep the state of one model, and where."""

    def __init__(
        self,
        path: Path,
        *,
        minutes: float = 0.0,
        interrupted: Callable[[], bool] = lambda: False,
        begun: str = "",
    ) -> None:
        """`minutes` between two checkpoints (0: one per epoch); `interrupted` is asked after each step.

        `begun` is kept as it is in every state: what went before this training.
        """
        self._path = path
        self._begun = begun
        self._seconds = 60 * minutes
        self._interrupted = interrupted
        self._last = time.monotonic()

    def load(self) -> State | None:
        """The state kept last; None where there is none that is whole."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        digest, payload = content[:32], content[32:]
        if hashlib.sha256(payload).digest() != digest:
            log.warning("%s: not a whole checkpoint; the model starts again", self._path)
            return None
        state: State = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        return state

    def after_step(self, state: Callable[[], State]) -> None:
        """Keep the state if it is time to, or if training was asked to stop: then raises Interrupted."""
        if self._interrupted():
            self._save(state())
            raise Interrupted
        if self._seconds and time.monotonic() - self._last >= self._seconds:
            self._save(state())

    def after_epoch(self, state: Callable[[], State]) -> None:
        """Keep the state, unless `minutes` says that this is too early."""
        if time.monotonic() - self._last >= self._seconds:
            self._save(state())

    def _save(self, state: State) -> None:
        buffer = io.BytesIO()
        torch.save({**state, "begun": self._begun}, buffer)
        payload = buffer.getvalue()
        with replacing(self._path) as temporary:
            temporary.write_bytes(hashlib.sha256(payload).digest() + payload)
        self._last = time.monotonic()
