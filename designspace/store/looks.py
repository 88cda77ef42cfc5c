"""Which weights were tested: a look at the test split is written down before it is taken.

One file for each network, recipe and seed. The same weights may be looked at again, as a run does that was
killed in between: that tells nothing new. Other weights of the same network, recipe and seed are a second
look, by which a better one could be picked; it is refused unless it is asked for, and then counted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from designspace.errors import UserError
from designspace.files import replacing


@dataclass(frozen=True)
class Look:
    """What is looked at the test split with."""

    model_id: str  # of network and seed
    recipe: str  # digest
    weights_sha256: str


def note_look(folder: Path, look: Look, *, again: bool) -> int:
    """Write the look down; returns how many there are now of this network, recipe and seed.

    Raises:
        UserError: it would be a second one, and `again` is false.
    """
    path = _file(folder, look.model_id, look.recipe)
    taken = _taken(path)
    if look.weights_sha256 not in [one["weights_sha256"] for one in taken]:
        if taken and not again:
            raise UserError(
                f"{path}: this network was tested already with this recipe and seed, on {taken[0]['time']}; "
                "test.again=true takes another look, which is counted"
            )
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        taken.append({"weights_sha256": look.weights_sha256, "time": now})
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(taken, indent=1) + "\n", encoding="utf-8")
    return len(taken)


def count_looks(folder: Path, model_id: str, recipe: str) -> int:
    """How many looks were taken with this network, recipe and seed."""
    return len(_taken(_file(folder, model_id, recipe)))


def _file(folder: Path, model_id: str, recipe: str) -> Path:
    return folder / f"{model_id}_{recipe}.json"


def _taken(path: Path) -> list[dict[str, str]]:
    try:
        taken: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
        return [{key: str(one[key]) for key in ("weights_sha256", "time")} for one in taken]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError):
        raise UserError(f"{path}: is damaged; it says which networks were tested: restore it") from None
