"""Images of one group are held out together, and the classes are spread as well as that allows."""

import shutil
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from designspace.data.found import find_data
from designspace.data.groups import hold_out_groups, read_groups
from designspace.data.holdout import Shares
from designspace.data.settings import DataSettings
from designspace.errors import UserError, refuse

SHARES = Shares(0.2, 0.2)


def patients(n: int = 60, seed: int = 0) -> tuple[list[int], list[str]]:
    """Labels and groups of the images: 1 to 12 of each patient, of three classes, one rare."""
    rng = np.random.default_rng(seed)
    groups = [f"p{i}" for i in range(n) for _ in range(rng.integers(1, 13))]
    return rng.choice(3, len(groups), p=[0.6, 0.3, 0.1]).tolist(), groups


def test_no_group_is_in_two_parts_and_classes_have_their_shares() -> None:
    labels, groups = patients()
    rows = hold_out_groups(labels, groups, SHARES)
    parts = [rows.train, rows.val, rows.test]
    assert sorted(chain(*parts)) == list(range(len(labels)))
    held = [{groups[row] for row in part} for part in parts]
    assert not held[0] & held[1] | held[0] & held[2] | held[1] & held[2]
    whole = Counter(labels)
    for part, share in zip(parts, (0.6, 0.2, 0.2), strict=True):
        counts = Counter(labels[row] for row in part)
        assert all(abs(counts[label] / whole[label] - share) < 0.05 for label in whole)


def test_the_division_depends_on_no_order() -> None:
    labels, groups = patients(seed=1)
    order = np.random.default_rng(0).permutation(len(labels))
    rows = hold_out_groups(labels, groups, SHARES)
    mixed = hold_out_groups([labels[i] for i in order], [groups[i] for i in order], SHARES)
    assert sorted(order[mixed.val]) == rows.val
    assert sorted(order[mixed.test]) == rows.test


def flat(folder: Path) -> tuple[DataSettings, list[str]]:
    """The ten images of each class in one folder, and their paths below it."""
    for name in "abc":
        for path in list((folder / "val" / name).rglob("*.png")):
            path.rename(folder / "train" / name / f"v{path.name}")
    root = folder / "whole"
    (folder / "train" / "a" / "notes.txt").unlink()
    (folder / "train").rename(root)
    shutil.rmtree(folder / "val")
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    settings = DataSettings("image_folder", root=str(root), groups=str(folder / "groups.csv"))
    return settings, names


def write(settings: DataSettings, text: str) -> None:
    assert settings.groups is not None
    Path(settings.groups).write_text(text, encoding="utf-8")


def test_a_folder_is_divided_by_the_groups_of_a_file(image_folder: Path) -> None:
    settings, names = flat(image_folder)
    group = {name: f"g{i % 6}" for i, name in enumerate(names)}
    write(settings, "group,path,note\n" + "".join(f"{g},{name},\n" for name, g in group.items()))
    found = find_data(settings)
    parts = [{group[found.listing.relative(f)] for f in p} for p in found.listing.splits().values()]
    assert sorted(chain(*parts)) == sorted({*group.values()})
    assert [len(part) for part in parts] == [4, 1, 1]
    write(settings, "path,group\n" + "".join(f"{name},{i}\n" for i, name in enumerate(names)))
    assert find_data(settings).digest != found.digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the column 'path'"),
        ("path;group\na/0.png;1\n", "lacks the column 'path' in its first line, which must be path,group"),
        ("path,group\na/0.png\n", "line 2 must have a path and a group"),
        ("path,group\na/0.png,1\na/0.png,2\n", "line 3 gives 'a/0.png' a second group"),
        ("path,group\na/0.png,1\n", "has no group for 'a/1.png', and for 29 of 30 images in all"),
        ("path,group\n{one}", "class 'a' is in too few groups"),
    ],
)
def test_bad_files_are_answered_in_one_line(image_folder: Path, text: str, message: str) -> None:
    settings, names = flat(image_folder)
    write(settings, text.format(one="".join(f"{name},one\n" for name in names)))
    with pytest.raises(UserError, match=r"^data\.groups=.*groups\.csv: [^\n]*$") as caught:
        find_data(settings)
    assert message in str(caught.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"path,group\n\xff\xfe,1\n")
    with pytest.raises(UserError, match=r"cannot be read"):
        read_groups(tmp_path / "x.csv")


def test_groups_are_for_folders_that_are_divided(image_folder: Path) -> None:
    settings = DataSettings("image_folder", root=str(image_folder), groups=str(image_folder / "g"))
    write(settings, "")
    with pytest.raises(UserError, match=r"must be null, since data.root has validation images of its own"):
        find_data(settings)
    with pytest.raises(
        UserError, match=r"data.groups=g.csv: must be null, since it has no effect on data=cifar10"
    ):
        refuse(DataSettings("cifar10", groups="g.csv").problems())
    with pytest.raises(UserError, match=r"data.groups=none: must be an existing CSV file"):
        refuse(DataSettings("image_folder", root=str(image_folder), groups="none").problems())
