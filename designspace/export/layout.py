"""The folder of an exported network: its files, and what config.json says. No torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from designspace.errors import UserError
from designspace.networks.architecture import Architecture

FORMAT = 1
CONFIG, WEIGHTS, CARD, SOURCE = "config.json", "model.safetensors", "README.md", "network.py"
GRAPH, ONNX = "model.pt2", "model.onnx"


@dataclass(frozen=True)
class Description:
    """What config.json holds: all that is needed to use the weights, and where they come from."""

    network: dict[str, Any]  # an architecture, or {"name": label} of a published network
    classes: tuple[str, ...]  # by label
    resolution: int  # pixels
    resize: int | None  # shorter side before a central crop; null: the square image padded or resized
    mean: tuple[float, float, float]  # per channel, of pixels in [0, 1]
    std: tuple[float, float, float]
    keys: str  # of the weights: torchvision (its RegNet's), or designspace
    weights_sha256: str
    costs: dict[str, int]  # flops (multiply-adds), params, acts of one image
    errors: dict[str, Any]  # top-1 percent, on which images
    origin: dict[str, Any]  # study, space, model, seed, recipe, versions
    format: int = FORMAT

    @property
    def architecture(self) -> Architecture | str:
        """The network, or the label of a published one."""
        if "name" in self.network:
            return str(self.network["name"])
        values: Any = {key: tuple(v) if isinstance(v, list) else v for key, v in self.network.items()}
        return Architecture(**values)


def write_description(folder: Path, description: Description) -> None:
    text = json.dumps(asdict(description), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def read_description(folder: Path) -> Description:
    """What the folder's config.json says.

    Raises:
        UserError: there is none, or it was changed into something else.
    """
    path = folder / CONFIG
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.get("format") != FORMAT:
            raise UserError(f"{path}: has format {content.get('format')!r}; this version reads {FORMAT}")
        for key in ("classes", "mean", "std"):
            content[key] = tuple(content[key])
        description = Description(**content)
        sizes = len(description.mean), len(description.std), len(description.classes) >= 2
        if sizes != (3, 3, True) or not description.resolution >= 1 or min(description.std) <= 0:
            raise ValueError("3 means, 3 standard deviations above 0, 2 classes and a resolution are needed")
        assert description.architecture
    except FileNotFoundError:
        raise UserError(f"{folder}: holds no exported network, that is no {CONFIG}") from None
    except UserError:
        raise
    except (ValueError, TypeError, AttributeError, KeyError, AssertionError) as error:
        raise UserError(f"{path}: cannot be used: {' '.join(str(error).split())}") from None
    return description
