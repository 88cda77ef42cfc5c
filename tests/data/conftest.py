from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from designspace.data.settings import DataSettings


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """Three classes of 7 + 3 noisy images of different sizes, some grey; one class has a subfolder."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 7), ("val", 3)):
        for name in ("b", "a", "c"):
            for i in range(count):
                folder = tmp_path / split / name / ("more" if name == "c" and i == 0 else "")
                folder.mkdir(parents=True, exist_ok=True)
                shape = (30 + i, 40) if i == 1 else (30 + i, 40, 3)
                Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{i}.png")
    (tmp_path / "train" / "a" / "notes.txt").write_text("no image")
    return tmp_path


@pytest.fixture
def folder_settings(image_folder: Path) -> DataSettings:
    return DataSettings(name="image_folder", root=str(image_folder), lighting=0.1)
