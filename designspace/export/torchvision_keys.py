"""The weights of X and Y networks under the names that torchvision's RegNet has for them."""

from __future__ import annotations

import re

BLOCKS = ("x", "y")  # that torchvision's RegNet has

# Within a block: of ours, and of torchvision's.
LAYERS = {
    "x": {"branch.0": "f.a", "branch.1": "f.b", "branch.2": "f.c", "shortcut": "proj"},
    "y": {
        "branch.0": "f.a",
        "branch.1": "f.b",
        "branch.2.gate.0": "f.se.fc1",
        "branch.2.gate.2": "f.se.fc2",
        "branch.3": "f.c",
        "shortcut": "proj",
    },
}


def to_torchvision(key: str, block: str) -> str:
    """Torchvision's name of one of our weights."""
    if key.startswith("head."):
        return f"fc.{key.removeprefix('head.')}"
    found = re.fullmatch(r"stages\.(\d+)\.(\d+)\.(.+)", key)
    if found is None:
        return key  # of the stem
    stage, place, rest = int(found[1]) + 1, found[2], found[3]
    for ours, theirs in LAYERS[block].items():
        if rest.startswith(f"{ours}."):
            return f"trunk_output.block{stage}.block{stage}-{place}.{theirs}{rest.removeprefix(ours)}"
    raise KeyError(key)
