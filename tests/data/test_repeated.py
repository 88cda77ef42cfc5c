"""Images that are for training and for validation at once are counted and named, whatever they are called."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from designspace.data import repeated
from designspace.data.found import find_data
from designspace.data.repeated import repeated_files, repeated_rows, warn_of_repeated
from designspace.data.settings import DataSettings


def test_copies_are_found_by_their_bytes(folder_settings: DataSettings, image_folder: Path) -> None:
    listing = find_data(folder_settings).listing
    assert repeated_files(listing, threads=2) == {}
    shutil.copy(image_folder / "train" / "a" / "3.png", image_folder / "val" / "b" / "copy.png")
    shutil.copy(image_folder / "train" / "a" / "3.png", image_folder / "val" / "a" / "copy.png")
    shutil.copy(image_folder / "val" / "c" / "1.png", image_folder / "val" / "c" / "within_val.png")
    whole = bytearray((image_folder / "train" / "b" / "2.png").read_bytes())
    whole[-1] ^= 1  # after the first bytes, as long as the other
    (image_folder / "val" / "b" / "other.png").write_bytes(whole)
    (image_folder / "val" / "c" / "lost.png").symlink_to("nowhere")
    found = repeated_files(find_data(folder_settings).listing, threads=2)
    assert found == {f"val/{name}/copy.png": "train/a/3.png" for name in "ab"}


def test_they_are_named_at_each_start_and_looked_for_once(
    folder_settings: DataSettings, image_folder: Path, tmp_path_factory, monkeypatch, caplog
) -> None:
    shutil.copy(image_folder / "train" / "a" / "3.png", image_folder / "val" / "b" / "copy.png")
    verdict = tmp_path_factory.mktemp("study") / "images.json"
    found = find_data(folder_settings)
    for _ in range(2):
        caplog.clear()
        warn_of_repeated(folder_settings, found, verdict, threads=2)
        (line,) = [record.getMessage() for record in caplog.records]
        assert line.startswith("data.root: 1 of the 10 validation images are training images, too")
        assert "'val/b/copy.png', as 'train/a/3.png'" in line
        monkeypatch.setattr(repeated, "repeated_files", None)


def test_rows_of_an_npz_file(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", train_images=images[:4], val_images=images[[5, 2, 4]])
    assert repeated_rows(tmp_path / "set.npz") == {"val_images[1]": "train_images[2]"}


@pytest.mark.parametrize("content", ["", "[]", '{"digest": "other", "train_and_val": {"a": "b"}}'])
def test_what_is_remembered_of_others_is_not_taken(content: str, tmp_path: Path) -> None:
    (tmp_path / "images.json").write_text(content)
    assert repeated._read(tmp_path / "images.json", "mine") is None
