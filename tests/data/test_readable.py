"""Images that cannot be read are found before training, and named if they turn bad later."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from designspace.data import decoded, readable
from designspace.data.found import DataFound, find_data
from designspace.data.loading import load_data
from designspace.data.readable import check_images
from designspace.data.reading import UnreadableImageError, read_image
from designspace.data.settings import DataSettings
from designspace.errors import UserError


@pytest.fixture
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study") / "new" / "images.json"


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that are read, by path."""
    paths: list[str] = []

    def read(path: str):
        paths.append(path)
        return read_image(path)

    monkeypatch.setattr(readable, "read_image", read)
    return paths


def checked(settings: DataSettings, verdict: Path, on_unreadable: str = "refuse") -> DataFound:
    return check_images(find_data(settings), verdict, on_unreadable=on_unreadable, threads=2)


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:500])
    return path


def test_all_images_are_tried_once(folder_settings: DataSettings, verdict: Path, tried: list[str]) -> None:
    found = checked(folder_settings, verdict)
    assert found.left_out == ()
    assert len({*tried}) == len(tried) == 30
    checked(folder_settings, verdict)
    assert len(tried) == 30


def test_a_long_look_says_what_it_does(
    folder_settings: DataSettings, verdict: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr(decoded, "QUIET_SECONDS", -1.0)
    with caplog.at_level("INFO"):
        checked(folder_settings, verdict)
    assert "data.root: checking, once, that all images can be read: 1 of 30" in caplog.text


def test_other_content_is_tried_again(
    folder_settings: DataSettings, image_folder: Path, verdict: Path, tried: list[str]
) -> None:
    checked(folder_settings, verdict)
    (image_folder / "train" / "a" / "0.png").unlink()
    checked(folder_settings, verdict)
    assert len(tried) == 30 + 29


def test_images_that_cannot_be_read_are_refused_by_name_and_number(
    folder_settings: DataSettings, image_folder: Path, verdict: Path, tried: list[str]
) -> None:
    bad = [cut(image_folder / "train" / "a" / f"{i}.png") for i in range(3)]
    (image_folder / "val" / "b" / "z.png").symlink_to("nowhere.png")
    (image_folder / "val" / "a" / "z.png").touch()
    for _ in range(2):
        with pytest.raises(UserError) as caught:
            checked(folder_settings, verdict)
        message = str(caught.value)
        assert "\n" not in message
        assert f"{str(bad[0])!r}: cannot be read (" in message
        assert f"; in all 5 of 32 images, listed in {str(verdict)!r}; fix or remove them" in message
        assert "data.on_unreadable=skip" in message
    assert len(tried) == 32 + 5  # only those are tried again
    assert len(json.loads(verdict.read_text())["unreadable"]) == 5


def test_images_that_cannot_be_read_are_left_out_on_request(
    folder_settings: DataSettings, image_folder: Path, verdict: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cut(image_folder / "train" / "a" / "0.png")
    cut(image_folder / "val" / "c" / "1.png")
    found = checked(folder_settings, verdict, "skip")
    assert found.left_out == ("train/a/0.png", "val/c/1.png")
    assert (found.info.num_train, found.info.num_val) == (20, 8)
    assert found.summary()["unreadable"] == 2
    assert "in all 2 of 30 images" in caplog.text
    data = load_data(folder_settings, resolution=8, found=found)
    assert sum(len(labels) for _, labels in data.val_batches(4)) == 8
    assert data.info.steps_per_epoch(1) == 20


def test_a_mended_image_of_the_same_size_counts_again(
    folder_settings: DataSettings, image_folder: Path, verdict: Path
) -> None:
    path = image_folder / "train" / "a" / "0.png"
    whole = path.read_bytes()
    path.write_bytes(bytes(len(whole)))
    assert checked(folder_settings, verdict, "skip").left_out == ("train/a/0.png",)
    path.write_bytes(whole)
    assert checked(folder_settings, verdict, "skip").left_out == ()


def test_a_class_without_a_readable_image_is_refused(
    folder_settings: DataSettings, image_folder: Path, verdict: Path
) -> None:
    for path in (image_folder / "val" / "b").iterdir():
        cut(path)
    with pytest.raises(UserError, match="class 'b' has no image in val that can be read"):
        checked(folder_settings, verdict, "skip")


def test_held_out_images_are_written_down_and_test_images_not_tried(
    image_folder: Path, verdict: Path, tried: list[str]
) -> None:
    settings = DataSettings("image_folder", root=str(image_folder / "train"))
    found = checked(settings, verdict)
    held_out = json.loads(verdict.read_text())["held_out"]
    assert len(held_out["val"]) == len(held_out["test"]) == 3
    assert {os.path.relpath(path, image_folder / "train") for path in tried} == {
        found.listing.relative(file) for file in (*found.listing.train, *found.listing.val)
    }
    assert not {*held_out["test"]} & {os.path.relpath(path, image_folder / "train") for path in tried}


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_image_that_turns_bad_is_named_in_one_line(
    folder_settings: DataSettings, image_folder: Path, num_workers: int
) -> None:
    path = cut(image_folder / "val" / "c" / "1.png")
    data = load_data(dataclasses.replace(folder_settings, num_workers=num_workers), resolution=8)
    with pytest.raises(UnreadableImageError) as caught:
        list(data.val_batches(4))
    assert str(caught.value).startswith(f"{str(path)!r}: cannot be read (")
    assert len(str(caught.value)) < len(str(path)) + 100


def test_images_that_come_or_go_after_the_start_are_noticed(
    folder_settings: DataSettings, image_folder: Path
) -> None:
    found = find_data(folder_settings)
    (image_folder / "train" / "a" / "0.png").unlink()
    with pytest.raises(UserError, match="holds other images than when this run began"):
        load_data(folder_settings, resolution=8, found=found)
