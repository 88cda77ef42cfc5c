"""Load an exported network, and ask it what is on images. Nothing is unpickled."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as transforms

from designspace.data.images import at_resolution
from designspace.data.reading import read_image
from designspace.errors import UserError
from designspace.export.layout import WEIGHTS, Description, read_description
from designspace.export.torchvision_keys import to_torchvision
from designspace.networks.build import build_network

BATCH = 64


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """A network with its weights, in evaluation mode, and all that is needed to use it."""

    module: nn.Module
    description: Description

    def __repr__(self) -> str:
        d = self.description
        name = d.network.get("name") or f"{d.origin['model_id']} of {d.origin['space']}"
        error = d.errors.get("test_error")
        return (
            f"<{name}: {len(d.classes)} classes, {d.resolution} px, {d.costs['flops'] / 1e6:.2f} MF, "
            f"{d.costs['params']:,} params, test error {'not known' if error is None else f'{error:.2f} %'}>"
        )


def load_network(folder: str | Path) -> LoadedNetwork:
    """The network that `scripts/export.py` wrote into a folder.

    Raises:
        UserError: a file is missing, torn, or was changed.
    """
    folder = Path(folder)
    description = read_description(folder)
    path = folder / WEIGHTS
    try:
        if hashlib.sha256(path.read_bytes()).hexdigest() != description.weights_sha256:
            raise UserError(f"{path}: is not the file that was exported (other SHA-256 than in config.json)")
        weights = load_file(path)
    except FileNotFoundError:
        raise UserError(f"{path}: is missing") from None
    except SafetensorError as error:
        raise UserError(f"{path}: is damaged ({error})") from None
    network = build_network(description.architecture, num_classes=len(description.classes), seed=0)
    if description.keys == "torchvision":
        block = description.network["block"]
        theirs = {to_torchvision(name, block): name for name in network.state_dict()}
        weights = {theirs.get(name, name): value for name, value in weights.items()}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        problem = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: does not fit config.json: {problem}") from None
    return LoadedNetwork(network.eval(), description)


def predict(
    network: LoadedNetwork, images: Sequence[str | Path | Image.Image | np.ndarray[Any, Any]]
) -> pd.DataFrame:
    """Probabilities [n images, classes], and in the first column the most probable class.

    Images are paths, PIL images, or uint8 arrays [h, w] or [h, w, 3].

    Raises:
        UserError: an image cannot be read, or is no image.
    """
    d, parts = network.description, []
    for start in range(0, len(images), BATCH):
        batch = torch.stack([standardised(image, d) for image in images[start : start + BATCH]])
        with torch.inference_mode():
            parts.append(network.module(batch).softmax(dim=1))
    scores = torch.cat(parts).numpy() if parts else np.empty((0, len(d.classes)))
    found = pd.DataFrame(scores, columns=list(d.classes))
    found.insert(0, "class", [d.classes[k] for k in scores.argmax(axis=1)])
    return found


def standardised(image: str | Path | Image.Image | np.ndarray[Any, Any], description: Description) -> Tensor:
    """What the network takes, [3, r, r]."""
    pixels = _pixels(image)
    r = description.resolution
    if description.resize is None:
        side = min(pixels.shape[1:])
        pixels = at_resolution(transforms.center_crop(pixels, [side, side])[None], r)[0]
    else:
        pixels = transforms.resize(pixels, [description.resize], antialias=True)
        pixels = transforms.center_crop(pixels, [r, r])
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (description.mean, description.std))
    return (pixels.float() / 255 - mean) / std


def _pixels(image: str | Path | Image.Image | np.ndarray[Any, Any]) -> Tensor:
    """Bytes [3, h, w]."""
    if isinstance(image, str | Path):
        image = read_image(str(image))
    if isinstance(image, Image.Image):
        image = np.asarray(image.convert("RGB"))
    shaped = image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3))
    if image.dtype != np.uint8 or not shaped:
        raise UserError(f"images: must be uint8 [h, w] or [h, w, 3], got {image.dtype} {list(image.shape)}")
    pixels = torch.from_numpy(image.copy()).view(*image.shape[:2], -1).permute(2, 0, 1)
    return pixels.expand(3, -1, -1)
