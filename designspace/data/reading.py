"""One image file as a person sees it, in 8 bits and three channels. No torch.

Everything that opens an image calls `read_image`: checking, training and validation see the same pixels.
"""

from __future__ import annotations

import os

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from designspace.errors import UserError

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"),  # as torchvision
    *(".jpe", ".jfif", ".gif", ".apng", ".pbm", ".pnm"),  # which Pillow reads as well
)
PNM_AND_PNG = ("PPM", "PNG")  # formats whose whole numbers go up to 65535, also where Pillow keeps 32 bits
TIFF_BITS, TIFF_PHOTOMETRIC, TIFF_WHITE_IS_ZERO = 258, 262, 0


class UnreadableImageError(UserError):
    """An image that cannot be read: (path, why)."""

    def __str__(self) -> str:
        path, why = self.args
        return f"{path!r}: cannot be read ({why})"


def read_image(path: str) -> Image.Image:
    """The image in mode RGB: rotated as its EXIF data say, on white, the first of several frames.

    Whole numbers of 16 bits are scaled to 8; palettes, grey, CMYK, YCbCr and LAB are converted.

    Raises:
        UnreadableImageError: the file is missing, damaged or no image, or the range of its pixels is unknown.
    """
    try:
        with open(path, "rb") as file, Image.open(file) as image:
            image.load()
            return _opaque(_upright(_in_8_bits(image)))
    except UnidentifiedImageError:  # whose message names the file once more
        why = "of no known image format" if os.path.getsize(path) else "the file is empty"
    except OSError as error:
        why = error.strerror or str(error)
    except MemoryError:  # of this process; the file may be sound
        raise
    except Exception as error:  # damaged files make Pillow raise whatever there is
        why = str(error) or type(error).__name__
    raise UnreadableImageError(path, " ".join(why.split())) from None


def _upright(image: Image.Image) -> Image.Image:
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # damaged EXIF data; viewers show such a picture as it is stored
        return image
    return image


def _opaque(image: Image.Image) -> Image.Image:
    """In mode RGB, on white."""
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
        assert converted is not None, "None is for changes in place"
        return converted
    if not image.has_transparency_data:
        return image.convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _in_8_bits(image: Image.Image) -> Image.Image:
    """Grey images of more than 8 bits scaled by the range of their format; all others as they are."""
    if image.mode == "F" or (image.mode == "I" and image.format not in PNM_AND_PNG):
        kind = "floating-point" if image.mode == "F" else "32-bit"
        raise ValueError(f"{kind} pixels have no known range; save it with 8 or 16 bits per channel")
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    tags = getattr(image, "tag_v2", {})  # of TIFF files
    highest = 2 ** min(16, tags.get(TIFF_BITS, (16,))[0]) - 1  # 12 bits are stored unscaled
    values = np.asarray(image).astype(np.int64)
    grey = (values * 255 + highest // 2) // highest
    if tags.get(TIFF_PHOTOMETRIC) == TIFF_WHITE_IS_ZERO:  # which Pillow heeds up to 8 bits
        grey = 255 - grey
    if (transparent := image.info.get("transparency")) is not None:  # one value, of 16 bits
        grey = np.where(values == transparent, 255, grey)
    scaled = Image.fromarray(grey.astype(np.uint8))
    if exif := image.getexif():
        scaled.info["exif"] = exif.tobytes()  # tells how it is rotated
    return scaled
