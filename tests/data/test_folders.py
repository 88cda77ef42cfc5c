"""What counts as an image of which class: links, hidden files, undivided folders."""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from designspace.data.catalog import data_info, list_images
from designspace.data.found import find_data
from designspace.data.holdout import Shares, hold_out_files
from designspace.data.settings import DataInfo, DataSettings
from designspace.errors import UserError


def refusal(settings: DataSettings) -> str:
    with pytest.raises(UserError) as caught:
        find_data(settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("target", ["..", ".", "../..", "{root}", "/"])
def test_links_that_lead_upwards_add_no_images(
    folder_settings: DataSettings, image_folder: Path, target: str
) -> None:
    before = list_images(folder_settings)
    (image_folder / "train" / "a" / "loop").symlink_to(target.format(root=image_folder))
    (image_folder / "train" / "loop").symlink_to(image_folder)
    assert list_images(folder_settings) == before


def test_a_link_to_itself_is_named(folder_settings: DataSettings, image_folder: Path) -> None:
    (image_folder / "train" / "a" / "self").symlink_to("self")
    message = refusal(folder_settings)
    assert "data.root: '" in message
    assert "cannot be read (Too many levels of symbolic links)" in message


def test_a_folder_with_two_names_counts_once(folder_settings: DataSettings, image_folder: Path) -> None:
    (image_folder / "train" / "c" / "same").symlink_to("more")
    (image_folder / "train" / "c" / "more" / "again").symlink_to("../more")
    assert list_images(folder_settings).info("x") == DataInfo("x", 3, 21, 9)


def test_linked_folders_are_followed(folder_settings: DataSettings, image_folder: Path) -> None:
    before = find_data(folder_settings)
    (image_folder / "train").rename(image_folder / "elsewhere")
    (image_folder / "train").symlink_to("elsewhere")
    shutil.move(image_folder / "val" / "a", image_folder / "val_a")
    (image_folder / "val" / "a").symlink_to("../val_a")
    assert find_data(folder_settings).digest == before.digest


@pytest.mark.parametrize("kind", ["link", "hard link", "folder", "class"])
def test_one_file_under_two_classes_is_refused(
    folder_settings: DataSettings, image_folder: Path, kind: str
) -> None:
    train = image_folder / "train"
    if kind == "link":
        (train / "a" / "z.png").symlink_to("../b/0.png")
    elif kind == "hard link":
        os.link(train / "b" / "0.png", train / "a" / "z.png")
    elif kind == "folder":
        (train / "a" / "more").symlink_to("../b")
    else:
        shutil.rmtree(train / "a")
        (train / "a").symlink_to("b")
    message = refusal(folder_settings)
    assert "are one file under two classes" in message
    assert str(train / "b") in message


def test_a_split_that_is_another_is_refused(folder_settings: DataSettings, image_folder: Path) -> None:
    shutil.rmtree(image_folder / "val")
    (image_folder / "val").symlink_to("train")
    assert "val' are the same folder" in refusal(folder_settings)
    (image_folder / "val").unlink()
    (image_folder / "val").mkdir()
    for name in "abc":
        (image_folder / "val" / name).symlink_to(f"../train/{name}")
    assert "are the same folder, in train/ and in val/" in refusal(folder_settings)


def test_a_file_in_two_splits_is_told(
    folder_settings: DataSettings, image_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (image_folder / "val" / "a" / "z.png").symlink_to("../../train/a/0.png")
    find_data(folder_settings)
    assert "files that are in two of train/, val/ and test/: 1, the first is" in caplog.text


def test_hidden_files_and_folders_are_no_images_and_no_classes(
    folder_settings: DataSettings, image_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (image_folder / "train" / "a" / "notes.txt").unlink()
    before, image = list_images(folder_settings), image_folder / "train" / "a" / "0.png"
    for name in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
        for place in (image_folder, image_folder / "train", image_folder / "train" / "a"):
            (place / name).mkdir()
            shutil.copy(image, place / name / "x.png")
    shutil.copy(image, image_folder / "val" / "b" / "._x.png")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (image_folder / "train" / "b" / name).touch()
    assert list_images(folder_settings) == before
    find_data(folder_settings)
    assert caplog.text == ""


def test_other_files_are_counted_aloud_by_their_ending(
    folder_settings: DataSettings, image_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a/x.HEIC", "b/y.heic", "b/README", "labels.csv"):
        (image_folder / "train" / name).touch()
    os.mkfifo(image_folder / "train" / "a" / "pipe.png")
    find_data(folder_settings)
    assert len(caplog.records) == 1
    assert (
        "data.root: files that are not taken for images: 1 .csv, 2 .heic, 1 .png, 1 .txt, 1 without ending"
        in caplog.text
    )


@pytest.mark.parametrize("ending", ["JPG", "jfif", "Gif", "TIFF", "webp"])
def test_endings_of_images(folder_settings: DataSettings, image_folder: Path, ending: str) -> None:
    (image_folder / "train" / "a" / f"x.{ending}").touch()
    assert data_info(folder_settings).num_train == 22


def test_the_digest_depends_on_content_and_not_on_the_place(
    folder_settings: DataSettings, image_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(image_folder, copy)
    reference = find_data(folder_settings).digest
    settings = DataSettings("image_folder", root=str(copy))
    assert find_data(settings).digest == reference
    (copy / "train" / "a" / "0.png").rename(copy / "train" / "a" / "9.png")
    renamed = find_data(settings).digest
    (copy / "train" / "a" / "9.png").write_bytes(b"longer or shorter")
    assert len({reference, renamed, find_data(settings).digest}) == 3


# ---- folders that are not divided --------------------------------------------------------------------------


def flat(image_folder: Path) -> DataSettings:
    """Only <root>/<class>/*: 10 images of each class."""
    for name in "abc":
        for path in list((image_folder / "val" / name).rglob("*.png")):
            path.rename(image_folder / "train" / name / f"v{path.name}")
    (image_folder / "train" / "a" / "notes.txt").unlink()
    shutil.rmtree(image_folder / "val")
    (image_folder / "train").rename(image_folder / "whole")
    return DataSettings("image_folder", root=str(image_folder / "whole"))


def test_classes_alone_are_divided_in_three(image_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = flat(image_folder)
    with caplog.at_level("INFO"):
        found = find_data(settings)
    assert "held out of each class: 0.2 for validation (6 images), 0.2 for test (6 images)" in caplog.text
    listing = found.listing
    files = {split: {file.path for file in part} for split, part in listing.splits().items()}
    assert {split: len(part) for split, part in files.items()} == {"train": 18, "val": 6, "test": 6}
    assert len(set.union(*files.values())) == 30
    for part, each in ((listing.train, 6), (listing.val, 2), (listing.test, 2)):
        assert Counter(file.label for file in part) == dict.fromkeys(range(3), each)
    assert found.summary()["val_share"] == 0.2
    settings.val_share = 0.3
    other = find_data(settings)
    assert other.info == DataInfo("image_folder", 3, 15, 9)
    assert other.digest != found.digest
    assert {file.path for file in other.listing.test} == files["test"]


def test_train_alone_gives_validation_images_and_leaves_test_alone(
    folder_settings: DataSettings, image_folder: Path
) -> None:
    shutil.rmtree(image_folder / "val")
    for test in (False, True):
        if test:
            shutil.copytree(image_folder / "train", image_folder / "test")
        listing = find_data(folder_settings).listing
        assert listing.info("x") == DataInfo("x", 3, 18, 3)
        assert listing.test == []
        assert listing.shares == Shares(val=0.2)


def test_the_division_is_a_function_of_names_alone() -> None:
    """Neither order nor place matters. Known values, so that no study changes its own."""
    names = [f"a/{i}.png" for i in range(10)]
    rows = hold_out_files(names, Shares(0.2, 0.2))
    backwards = hold_out_files(names[::-1], Shares(0.2, 0.2))
    assert {names[row] for row in rows.val} == {names[::-1][row] for row in backwards.val}
    assert {names[row] for row in rows.test} == {names[::-1][row] for row in backwards.test}
    assert sorted([*rows.train, *rows.val, *rows.test]) == list(range(10))
    assert (rows.val, rows.test) == KNOWN
    others = hold_out_files([f"b/{i}.png" for i in range(10)], Shares(0.2, 0.2))
    assert (others.val, others.test) != KNOWN


KNOWN = ([0, 9], [1, 5])  # printf 0/a/5.png | sha256sum, and so on, sorted: 5 and 1 for test, then 9 and 0


def test_a_class_of_too_few_images_to_divide(image_folder: Path) -> None:
    settings = flat(image_folder)
    for path in sorted((image_folder / "whole" / "a").glob("*.png"))[2:]:
        path.unlink()
    assert "'a' has 2 images" in refusal(settings).replace(str(image_folder / "whole") + "/", "")


@pytest.mark.parametrize("name", ["validation", "valid", "training"])
def test_splits_of_other_names_are_no_classes(
    folder_settings: DataSettings, image_folder: Path, name: str
) -> None:
    (image_folder / ("train" if name == "training" else "val")).rename(image_folder / name)
    if name == "training":
        (image_folder / "val").rename(image_folder / "validation")
    assert "must be called train/, val/ and test/" in refusal(folder_settings)


@pytest.mark.parametrize(
    ("shares", "part"),
    [
        ({"val_share": 0.0}, "data.val_share=0.0: must be above 0 and below 1"),
        ({"val_share": 1.0}, "data.val_share=1.0: must be above 0"),
        ({"test_share": -0.1}, "data.test_share=-0.1: must be at least 0 and below 1 - data.val_share=0.2"),
        ({"val_share": 0.6, "test_share": 0.4}, "data.test_share=0.4: must be at least 0 and below"),
        (
            {"name": "imagenet", "val_share": 0.1},
            "data.val_share=0.1: must be 0.2, since it has no effect on data=imagenet",
        ),
        ({"on_unreadable": "warn"}, "data.on_unreadable=warn: must be refuse or skip"),
    ],
)
def test_settings_that_cannot_be(image_folder: Path, shares: dict, part: str) -> None:
    assert part in refusal(DataSettings(**{"name": "image_folder", "root": str(image_folder), **shares}))
