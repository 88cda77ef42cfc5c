"""How training images are changed at random: what the settings ask for, and its doing for images in memory.

`folder_images` does the same to files that are read while training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from designspace.data.sets import FOLDER_SETS
from designspace.data.settings import DataSettings

AREAS, RATIOS = (0.08, 1.0), (3 / 4, 4 / 3)  # of a resized crop: share of the image, width / height
TRIES = 10  # at a crop that fits into the image, as torchvision; then the whole image is taken
PADDED_SHARE = 8  # the side of the images, over the padding that is usual: 4 pixels at 32
# Principal components of ImageNet's RGB values in [0, 1] (Krizhevsky et al. 2012, numbers as in pycls).
EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))


@dataclass(frozen=True)
class Augmentation:
    """What is done to each training image."""

    flip: bool = True  # horizontally, every second time
    padding: int = 0  # pixels of zeros around an image before a random crop
    resized_crop: bool = False  # of a random size and shape, enlarged to the resolution
    lighting: float = 0.0  # standard deviation of the PCA colour noise


FLIPS = Augmentation()


def augmentation_of(settings: DataSettings, resolution: int) -> Augmentation:
    """What the settings ask for; `data.augmentation=null` is what is usual for the set."""
    usual = "padded_crop" if settings.crop_padding else "flip"
    name = settings.augmentation or ("resized_crop" if settings.name in FOLDER_SETS else usual)
    padding = settings.crop_padding or max(1, resolution // PADDED_SHARE)
    return Augmentation(
        flip=settings.flip and name != "none",
        padding=padding if name == "padded_crop" else 0,
        resized_crop=name == "resized_crop",
        lighting=settings.lighting if name == "resized_crop" else 0.0,
    )


def draw_boxes(n: int, side: int, generator: torch.Generator) -> Tensor:
    """Boxes of resized crops [top, left, height, width; n] in square images, drawn as torchvision draws."""
    area = torch.empty(TRIES, n).uniform_(*AREAS, generator=generator) * side**2
    ratio = torch.empty(TRIES, n).uniform_(*map(math.log, RATIOS), generator=generator).exp()
    sizes = torch.stack([area / ratio, area * ratio]).sqrt().round().long()  # [2, tries, n]
    fits = ((sizes > 0) & (sizes <= side)).all(dim=0)
    first = fits.int().argmax(dim=0)
    chosen = sizes.gather(1, first.expand(2, 1, n)).squeeze(1)
    chosen = torch.where(fits.any(dim=0), chosen, side)
    corners = (torch.rand(2, n, generator=generator) * (side - chosen + 1)).long()
    return torch.cat([corners, chosen])


def resized_crops(images: Tensor, boxes: Tensor) -> Tensor:
    """The boxes [4, b] of the images [b, c, r, r], as floats at the full r x r pixels."""
    b, side = len(images), images.shape[-1]
    first, size = boxes[:2, :, None], boxes[2:, :, None]  # [2, b, 1]
    at = (torch.arange(side, device=images.device) + 0.5) * (size / side) - 0.5  # within the box
    at = torch.minimum(at.clamp(min=0), size - 1) + first
    rows, columns = (2 * at + 1) / side - 1  # as grid_sample counts: -1 to 1
    places = [columns[:, None, :].expand(b, side, side), rows[:, :, None].expand(b, side, side)]
    return functional.grid_sample(
        images.float(), torch.stack(places, dim=-1), padding_mode="border", align_corners=False
    )


def padded_crops(images: Tensor, corners: Tensor, padding: int) -> Tensor:
    """A window of r x r pixels of each padded image [b, c, r, r]; corners [2, b] are rows and columns."""
    side = images.shape[-1]
    padded = functional.pad(images, (padding,) * 4)
    windows = padded.unfold(2, side, 1).unfold(3, side, 1).permute(0, 2, 3, 1, 4, 5)  # a view
    top, left = corners
    return windows[torch.arange(len(images), device=images.device), top, left]


def draw_colours(n: int, std: float, generator: torch.Generator) -> Tensor:
    """Random colours [n, rgb] along ImageNet's principal components, to add to pixels in [0, 1]."""
    components = torch.tensor(EIGENVECTORS) * torch.tensor(EIGENVALUES)  # [rgb, component]
    return torch.randn(n, 3, generator=generator) * std @ components.T
