"""train.precision=auto and train.memory_format=auto: what is fastest on the device, chosen once for a study.

Both change the last digits of the errors, so that all networks of a study have to be trained alike: whoever
comes first measures and writes the choice down, and everybody else goes by that, on whatever device.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from designspace.errors import UserError, refuse
from designspace.files import create
from designspace.training.settings import AUTO, MEMORY_FORMATS, PRECISIONS, TrainSettings

OPTIONS = {"precision": PRECISIONS, "memory_format": MEMORY_FORMATS}  # the plainest first
ROUNDS = 2  # of timing each candidate; the better one counts
MARGIN = 0.05  # by which a candidate must be faster than a plainer one


@dataclass(frozen=True)
class Choice:
    """What was chosen, and the seconds a step that each candidate took (None: it cannot be run)."""

    chosen: dict[str, Any]  # text, by name of the setting
    seconds: dict[str, float | None]  # of a training step, by candidate, mean over networks
    device: str

    def __str__(self) -> str:
        """One line for people."""
        times = ", ".join(
            f"{name} {'not possible' if seconds is None else f'{1e3 * seconds:,.1f} ms'}"
            for name, seconds in self.seconds.items()
        )
        chosen = " ".join(f"train.{name}={value}" for name, value in self.chosen.items())
        return f"{chosen} ({times} a step, {self.device})"

    def applied(self, settings: TrainSettings) -> TrainSettings:
        """The settings without `auto`."""
        return replace(settings, **self.chosen)


def asked(settings: TrainSettings) -> list[str]:
    """The settings that are to be chosen."""
    return [name for name in OPTIONS if getattr(settings, name) == AUTO]


def choose(settings: TrainSettings, seconds: Callable[[TrainSettings], float], device: str) -> Choice:
    """Time every candidate.

    `seconds` gives those of a training step, and raises RuntimeError where it cannot be run.

    Raises:
        UserError: nothing can be run.
    """
    names = asked(settings)
    values = itertools.product(*(OPTIONS[name] for name in names))
    candidates: dict[str, dict[str, Any]] = {
        " ".join(pair): dict(zip(names, pair, strict=True)) for pair in values
    }
    best: dict[str, float | None] = dict.fromkeys(candidates)
    for _, (label, candidate) in itertools.product(range(ROUNDS), candidates.items()):
        with contextlib.suppress(RuntimeError):
            measured = round(seconds(replace(settings, **candidate)), 6)
            best[label] = min(measured, best[label] or measured)
    possible = {label: value for label, value in best.items() if value is not None}
    if not possible:
        raise UserError(f"train.{names[0]}=auto: none of {', '.join(best)} can be run; name one to see why")
    fastest = next(iter(possible))
    for label, value in possible.items():
        fastest = label if value < (1 - MARGIN) * possible[fastest] else fastest
    return Choice(candidates[fastest], best, device)


def read_choice(path: Path, settings: TrainSettings) -> Choice | None:
    """The choice that was written down; None where there is none. Raises UserError where it is not one."""
    try:
        choice = Choice(**json.loads(_read(path)))
        if sorted(choice.chosen) != sorted(asked(settings)):
            raise ValueError("chooses something else")
        refuse(choice.applied(settings).problems())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: cannot be used: {error}; delete it to choose again") from None
    return choice


def _read(path: Path) -> str:
    """The text of the file; on a file system without hard links, it may come a moment after the file."""
    for _ in range(20):
        if text := path.read_text(encoding="utf-8"):
            return text
        time.sleep(0.1)
    return ""


def write_choice(path: Path, choice: Choice) -> None:
    """Write the choice down, unless somebody else has done so meanwhile."""
    with contextlib.suppress(FileExistsError):
        create(path, json.dumps(vars(choice), indent=1) + "\n")
