"""What the batches of an epoch cost: a folder of images with and without the cache, against one .npz file.

    python scripts/benchmark/data.py --images 60000 --epochs 3

JPEG files of 32 x 32 pixels, batches of 128, flips, one thread; no network is trained. `folder`, `cache` and
`npz` are seconds an epoch (the median of the epochs), measured in turns; `decoding` the seconds that filling
the cache takes, once; `ratio` the median of an epoch's seconds with the cache over those with the .npz file.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from designspace.data.images import ImageData
from designspace.data.loading import load_data
from designspace.data.settings import DataSettings

SIDE, CLASSES, VAL_IMAGES = 32, 10, 100


def write_images(root: Path, count: int) -> None:
    """The same noisy colours as files and as one .npz file."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, images in (("train", count), ("val", VAL_IMAGES)):
        low = rng.integers(0, 256, (images, 4, 4, 3), dtype=np.uint8)
        labels = np.arange(images) * CLASSES // images
        pixels = np.empty((images, SIDE, SIDE, 3), np.uint8)
        for row, label in enumerate(labels):
            path = root / split / str(label) / f"{row}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(low[row]).resize((SIDE, SIDE)).save(path)
            pixels[row] = np.asarray(Image.open(path))
        arrays |= {f"{split}_images": pixels, f"{split}_labels": labels}
    np.savez(root / "images.npz", **arrays)


def epoch_seconds(data: ImageData, epoch: int) -> float:
    """Seconds that all batches of an epoch take."""
    start = time.perf_counter()
    for images, _ in data.train_batches(batch_size=128, seed=0, epoch=epoch):
        images.sum()  # as a network looks at them
    return time.perf_counter() - start


def measure(images: int, epochs: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_images(root, images)
        files = DataSettings("image_folder", str(root), augmentation="flip", cache_root=str(root / "cache"))
        cached, npz = replace(files, cache="on"), DataSettings("npz", str(root / "images.npz"))
        start = time.perf_counter()
        load_data(cached, resolution=SIDE)
        decoding = time.perf_counter() - start
        sets = {
            key: load_data(settings, resolution=SIDE)
            for key, settings in (("folder", files), ("cache", cached), ("npz", npz))
        }
        seconds: dict[str, list[float]] = {key: [] for key in sets}
        for epoch in range(epochs):
            for key, data in sets.items():
                if key != "folder" or epoch == 0:  # which takes so long that once is enough
                    seconds[key].append(epoch_seconds(data, epoch))
        ratio = float(np.median(np.divide(seconds["cache"], seconds["npz"])))
        medians = {key: float(np.median(values)) for key, values in seconds.items()}
        return {"images": images, **medians, "decoding": decoding, "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[60_000])
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--output", type=Path, help="CSV to write, one row for each number of images")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for images in arguments.images:
        rows.append(measure(images, arguments.epochs))
        print(", ".join(f"{key} {value:,.3f}" for key, value in rows[-1].items()), flush=True)
    if arguments.output is not None:
        pd.DataFrame(rows).round(3).to_csv(arguments.output, index=False)


if __name__ == "__main__":
    main()
