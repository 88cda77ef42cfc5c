"""Whether reading JPEGs keeps up with the card: images a second by readers, and decoded on the device."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from session import Session, main

from designspace.data.loading import load_data
from designspace.data.settings import DataSettings


def readers(session: Session) -> None:
    """Full-size JPEGs made on the spot, read as experiment=paper reads them."""
    counts = (0, 1) if session.tiny else (4, 8, 16)
    batch, resolution = (4, 32) if session.tiny else (128, 224)
    found, sums = {}, set()
    with tempfile.TemporaryDirectory() as folder:
        make_images(Path(folder), 16 if session.tiny else 2048, (64, 48) if session.tiny else (500, 375))
        for count in counts:
            settings = DataSettings("image_folder", root=folder, num_workers=count, lighting=0.1)
            data = load_data(settings, resolution=resolution, device=session.device)
            start, images, total = time.perf_counter(), 0, 0.0
            for pixels, _ in data.train_batches(batch_size=batch, seed=0, epoch=0):
                total += float(pixels.double().sum())
                images += len(pixels)
            found[count] = images / (time.perf_counter() - start)
            sums.add(total)
            session.figure("images a second by readers, their start included", found)
            if session.seconds_left < 0.3 * session.options.seconds:
                break
        decode_on_device(session, Path(folder))
    session.check(
        "readers that give the same images, whatever their number", len(found), "all", len(sums) == 1
    )
    session.figure("images a second that the card takes", eaten(session.options.output / "paper.json"))


def make_images(root: Path, count: int, size: tuple[int, int]) -> None:
    """Smooth noise, of about the size of a photograph's file; every hundredth is for validation."""
    generator = np.random.default_rng(0)
    made = []
    for _ in range(min(count, 32)):
        small = generator.integers(0, 256, (size[1] // 4, size[0] // 4, 3), dtype=np.uint8)
        path = root / "made.jpg"
        Image.fromarray(small).resize(size, Image.Resampling.BILINEAR).save(path, quality=90)
        made.append(path.read_bytes())
        path.unlink()
    for i in range(count):
        folder = root / ("val" if i % 100 < 2 else "train") / f"class_{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i}.jpg").write_bytes(made[i % len(made)])


def decode_on_device(session: Session, root: Path) -> None:
    """torchvision's decoder on the card, where this torchvision has it."""
    from torchvision.io import decode_jpeg, read_file

    files = [
        read_file(str(path)) for path in sorted(root.glob("train/*/*.jpg"))[: 8 if session.tiny else 512]
    ]
    try:
        decode_jpeg(files[:1], device=session.device)
    except Exception as error:
        session.figure("decoding on the device", f"not possible: {' '.join(str(error).split())[:200]}")
        return
    start = time.perf_counter()
    decode_jpeg(files, device=session.device)
    if session.on_card:
        torch.cuda.synchronize()
    session.figure("images a second decoded on the device", len(files) / (time.perf_counter() - start))


def eaten(path: Path) -> dict[str, float] | str:
    """By network, as the part before this one measured it."""
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))["figures"]
    except (OSError, ValueError, KeyError):
        return "not measured"
    rates = {name: value for name, value in figures.items() if name.endswith(": images a second")}
    return {
        name: max(rate for way, rate in value.items() if way != "percent_of_peak")
        for name, value in rates.items()
    }


if __name__ == "__main__":
    main("feeding", (readers,))
