"""Pack CIFAR-10 from image files into one .npz for `data=npz`: 45,000 + 5,000 images, the test images apart.

python scripts/pack_cifar10.py IMAGES.zip cifar10.npz

The archive holds train/<class>/*.jpg and test/<class>/*.jpg. 5,000 training images, equally many of each
class, are held out for validation. The same archive gives the same content, whose sha256 is printed. Images
decoded from JPEG differ a little from the published ones: say "CIFAR-10 (JPEG)" where results are shown.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from designspace.data.sources import ByteArray, ImageArrays, IntArray, content_sha256, hold_out
from designspace.files import replacing

NUM_VAL = 5_000


def read_split(archive: zipfile.ZipFile, split: str, classes: Sequence[str]) -> tuple[ByteArray, IntArray]:
    """Images uint8 [n, 32, 32, 3] and labels [n] of a split, in the order of the file names."""
    names = sorted(
        name for name in archive.namelist() if name.startswith(f"{split}/") and not name.endswith("/")
    )
    labels = np.array([classes.index(name.split("/")[1]) for name in names], dtype=np.int64)
    images = np.stack([np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in names])
    return images, labels


def pack(source: Path, output: Path) -> str:
    """Write the file; returns the sha256 of its training and validation images and labels."""
    with zipfile.ZipFile(source) as archive:
        classes = sorted({name.split("/")[1] for name in archive.namelist() if name.count("/") == 2})
        images, labels = read_split(archive, "train", classes)
        test_images, test_labels = read_split(archive, "test", classes)
    rows = hold_out(labels, NUM_VAL)
    arrays = ImageArrays(images[rows.train], labels[rows.train], images[rows.val], labels[rows.val])
    with replacing(output) as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            **{name: getattr(arrays, name) for name in arrays.__dataclass_fields__},
            test_images=test_images,
            test_labels=test_labels,
            class_names=np.array(classes),
        )
    return content_sha256(arrays)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="zip archive of the images")
    parser.add_argument("output", type=Path, help="file to write, .npz")
    options = parser.parse_args()
    try:
        print(pack(options.source, options.output))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
