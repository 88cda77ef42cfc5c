"""Claims: no model is trained twice at the same time, on whatever machines.

A claim is a file beside the record, created exclusively and touched as long as training makes steps. It is
void if its owner is dead or, on another machine, has not touched it for CLAIM_SECONDS. Ages are taken from
the file system's own clock, so that the clocks of the machines do not matter. Should two trainings of a
model ever overlap all the same, they give the same record.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from designspace.files import create, host_name, temporary_name
from designspace.store.processes import boot, born

CLAIM_SECONDS = 60.0  # without a step, after which a claim of another machine is void
TOUCH_SECONDS = 2.0  # at least, between two touches


class ClaimedError(RuntimeError):
    """Another worker is at this model."""


@dataclass
class Claim:
    """A claim held by this process."""

    path: Path
    owner: str = "{}"  # JSON
    _touched: float = 0.0

    def touch(self) -> None:
        """Say that training makes progress; cheap enough for every step."""
        now = time.monotonic()
        if now - self._touched >= TOUCH_SECONDS:
            self._touched = now
            with contextlib.suppress(FileNotFoundError):
                os.utime(self.path)

    def note(self, epoch: int) -> None:
        """Say which epoch is in work, for people: in the file as it is, if it is there and still ours."""
        ours = self.owner.removesuffix("}")
        with contextlib.suppress(OSError), open(self.path, "r+", encoding="utf-8") as file:
            if file.read().startswith(ours):
                file.seek(0)
                file.write(f'{ours}, "epoch": {epoch:>7}}}')  # never shorter than before


def epochs_in_work(records: Path) -> list[int]:
    """The epochs, from 1, of the models that have a claim in the folder, as far as their owners told."""
    epochs = []
    for path in sorted(records.glob("*.claim")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            epochs.append(int(json.loads(path.read_text(encoding="utf-8"))["epoch"]))
    return epochs


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[Claim]:
    """Hold the claim for the time of the context. Raises ClaimedError where another worker holds it."""
    me = os.getpid()
    owner = json.dumps({"host": host_name(), "boot": boot(), "pid": me, "born": born(me)})
    for _ in range(2):
        try:
            create(path, owner)
            break
        except FileExistsError:
            if not is_void(path):
                raise ClaimedError(f"{path.stem} is being trained by another worker") from None
            path.unlink(missing_ok=True)
    else:
        raise ClaimedError(f"{path.stem} is being trained by another worker")
    try:
        yield Claim(path, owner)
    finally:
        path.unlink(missing_ok=True)


def is_void(path: Path, age: Callable[[Path], float] | None = None) -> bool:
    """Whether nobody is at work behind this claim any more.

    `age` tells the seconds since it was touched; `age_seconds`, the default, needs to write beside it.
    """
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        if (owner["host"], owner["boot"]) == (host_name(), boot()):
            return bool(born(int(owner["pid"])) != (owner["born"] or ""))  # null: of an earlier version
    except FileNotFoundError:
        return True
    except (ValueError, KeyError, TypeError):
        pass  # torn: its age decides
    return (age or age_seconds)(path) > CLAIM_SECONDS


def age_seconds(path: Path) -> float:
    """Seconds since the file was touched, by the file system's clock; 0 where it is gone."""
    probe = temporary_name(path)
    try:
        probe.touch()
        age = probe.stat().st_mtime - path.stat().st_mtime
        return max(0.0, age)
    except FileNotFoundError:
        return 0.0
    finally:
        probe.unlink(missing_ok=True)
