"""A study and its images: what is kept of them, and that no study mixes data without a word."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from designspace.config import LimitSettings, RunConfig, SpaceSettings
from designspace.data import readable
from designspace.data.settings import DataInfo, DataSettings
from designspace.errors import UserError
from designspace.launch.settings import LauncherSettings
from designspace.networks.settings import NetworkSettings
from designspace.pipeline import plan, sample_and_train
from designspace.pipeline.advice import small_set_advice
from designspace.spaces.sampling import BudgetSettings
from designspace.store.paths import SpaceFolder
from designspace.store.records import read_record
from designspace.training.settings import TrainSettings

TINY = """
family: anynet
block: x
stages: 1
parameters:
  depths: {distribution: uniform, low: 1, high: 2, step: 1}
  widths: {distribution: uniform, low: 8, high: 32, step: 8}
  bottleneck_ratios: {distribution: choice, values: [1, 2]}
  group_widths: {distribution: choice, values: [4, 8]}
"""


def write_images(root: Path, classes: str = "ab", train: int = 4, val: int = 2, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    for split, count in (("train", train), ("val", val)):
        for name in classes:
            (root / split / name).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{i}.png")
    return root


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    (tmp_path / "tiny.yaml").write_text(TINY)
    return RunConfig(
        space=SpaceSettings(str(tmp_path / "tiny.yaml")),
        study="test",
        output_root=str(tmp_path / "results"),
        num_models=2,
        budget=BudgetSettings(resolution=8),
        network=NetworkSettings(stem_width=8),
        data=DataSettings("image_folder", root=str(write_images(tmp_path / "images"))),
        train=TrainSettings(epochs=1, batch_size=4, val_batch_size=4),
        launcher=LauncherSettings(name="debug", max_retries=0),
    )


def with_root(config: RunConfig, root: Path, **data) -> RunConfig:
    return replace(config, data=replace(config.data, root=str(root), **data))


def other_space(config: RunConfig) -> RunConfig:
    path = Path(config.space.source).with_name("other.yaml")
    path.write_text(TINY)
    return replace(config, space=SpaceSettings(str(path)))


def kept(folder: SpaceFolder) -> dict:
    return yaml.safe_load(folder.config.read_text())["data_found"]


def test_what_was_found_is_kept_with_the_population(config: RunConfig) -> None:
    found = kept(sample_and_train.run(config).folder)
    assert found.pop("digest").isalnum()
    assert found == {"classes": ["a", "b"], "train_images": 8, "val_images": 4, "unreadable": 0}


def test_the_same_content_elsewhere_is_the_same(config: RunConfig, tmp_path: Path) -> None:
    sample_and_train.run(config)
    shutil.move(tmp_path / "images", tmp_path / "moved")
    more = replace(with_root(config, tmp_path / "moved"), num_models=3, repeats=1, subsample=1)
    assert sample_and_train.run(more).counts == {"done": 3}


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("class", "classes (there alone none, now alone 'c'), train_images=8 there, 12 now"),
        ("classes", "classes (there alone 'a', 'b', now alone 'x', 'y')"),
        ("more", "train_images=8 there, 10 now, val_images=4 there, 6 now"),
        ("other", "the images of data.root: other names or sizes of files"),
    ],
)
def test_other_images_are_refused_and_told_of_in_other_spaces(
    config: RunConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture, change: str, part: str
) -> None:
    folder = sample_and_train.run(config).folder
    before = folder.models.read_bytes(), folder.config.read_bytes()
    if change == "class":
        write_images(tmp_path / "images", "c")
    elif change == "classes":
        config = with_root(config, write_images(tmp_path / "others", "xy"))
    elif change == "more":
        write_images(tmp_path / "images", train=5, val=3)
    else:
        (tmp_path / "images" / "train" / "a" / "0.png").rename(tmp_path / "images" / "train" / "a" / "9.png")
    with pytest.raises(UserError) as caught:
        sample_and_train.run(replace(config, num_models=3))
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (folder.models.read_bytes(), folder.config.read_bytes()) == before
    caplog.clear()
    sample_and_train.run(other_space(config))
    assert "other: the errors of tiny in study test cannot be compared with these" in caplog.text
    assert part in caplog.text


def test_a_study_of_an_earlier_version_goes_on(
    config: RunConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = sample_and_train.run(config).folder
    settings = yaml.safe_load(folder.config.read_text())
    del settings["data_found"]
    settings["data"] = {key: settings["data"][key] for key in ("name", "root", "flip", "lighting")}
    del settings["train"]["last_batch"]
    folder.config.write_text(yaml.safe_dump(settings))
    caching = replace(config, data=replace(config.data, cache="auto", cache_root=str(tmp_path / "cache")))
    caching = replace(caching, train=replace(config.train, last_batch="train"))
    assert sample_and_train.run(replace(caching, num_models=3)).counts == {"done": 3}
    assert sample_and_train.run(other_space(caching)).counts == {"done": 2}
    assert "cannot be compared" not in caplog.text
    assert yaml.safe_load(folder.config.read_text())["train"]["last_batch"] == "drop"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("images", "changes", "advised"),
    [
        (240, {}, True),  # 1 step an epoch
        (6300, {}, True),  # 49
        (6400, {}, False),
        (6400, {"batch_size": 641}, True),  # above a tenth
        (240, {"batch_size": 16, "epochs": 4}, True),
        (240, {"batch_size": 16, "epochs": 40}, False),  # what is recommended
    ],
)
def test_small_sets_get_advice(config: RunConfig, images: int, changes: dict, advised: bool) -> None:
    asked = replace(config, train=replace(TrainSettings(), **changes))
    advice = small_set_advice(asked, DataInfo("image_folder", 3, images, 60))
    assert (advice is not None) == advised
    assert advice is None or "train.batch_size=16 train.epochs=40 is recommended" in advice


def test_a_run_that_learnt_nothing_says_so(config: RunConfig, caplog: pytest.LogCaptureFixture) -> None:
    """Two classes of noise; a smaller one among the validation images."""
    root = Path(config.data.root)
    for name in "01":
        (root / "val" / "b" / f"{name}.png").unlink()
    write_images(root, "b", train=0, val=1)
    folder = sample_and_train.run(config).folder
    record = read_record(next(iter(folder.records.glob("*.json"))))
    assert (record.chance, record.val_images) == (pytest.approx(100 / 3), 3)
    assert "8 training images in batches of 4 make 2 steps in an epoch" in caplog.text
    assert "None of the 2 models is shown to be better than chance, whose error is 33.33 %" in caplog.text


def test_decoded_images_are_read_once_and_kept_for_the_study(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the cache there is no other look at the images, and an image that is skipped is not in it."""
    monkeypatch.setattr(readable, "unreadable_images", lambda paths, threads: pytest.fail("tried once more"))
    data = replace(config.data, cache="auto", cache_root=str(tmp_path / "cache"), on_unreadable="skip")
    caching, path = replace(config, data=data), tmp_path / "images" / "train" / "a" / "0.png"
    folder = sample_and_train.run(replace(caching, study="whole")).folder
    assert yaml.safe_load(folder.config.read_text())["data"]["cache"] == "on"
    monkeypatch.undo()
    path.write_bytes(bytes(path.stat().st_size))
    skipping = sample_and_train.run(caching).folder
    assert (kept(skipping)["unreadable"], kept(skipping)["train_images"]) == (1, 7)
    assert len(list((tmp_path / "cache").glob("*.decoded"))) == 2
    with pytest.raises(UserError, match=r"data\.cache=on there, off now"):
        sample_and_train.run(with_root(caching, tmp_path / "images", cache="off"))


@pytest.mark.parametrize("how", ["limit", "unreadable", "sample"])
def test_a_first_command_that_trained_nothing_ties_the_study_to_nothing(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "limit":
        monkeypatch.setattr(plan, "visible_gpus", lambda: ["0"])
        with pytest.raises(UserError, match="limits"):
            sample_and_train.run(replace(config, limits=LimitSettings(gpu_hours=1e-9)))
    elif how == "unreadable":
        (tmp_path / "images" / "train" / "a" / "0.png").write_bytes(b"")
        with pytest.raises(UserError, match="cannot be read"):
            sample_and_train.run(config)
    else:
        sample_and_train.run(replace(config, stop_after="sample"))
    other = with_root(config, write_images(tmp_path / "others", "xyz", seed=1), flip=False)
    result = sample_and_train.run(other)
    assert result.counts == {"done": 2}
    fresh = sample_and_train.run(replace(other, study="fresh", stop_after="sample")).folder
    assert result.folder.models.read_bytes() == fresh.models.read_bytes()
    assert kept(result.folder)["classes"] == ["x", "y", "z"]
    assert kept(result.folder)["unreadable"] == 0
    with pytest.raises(UserError, match="classes"):
        sample_and_train.run(config)


def test_a_population_that_was_sampled_first_keeps_what_is_found_later(config: RunConfig) -> None:
    assert "unreadable" not in kept(sample_and_train.run(replace(config, stop_after="sample")).folder)
    assert kept(sample_and_train.run(config).folder)["unreadable"] == 0


def test_a_population_of_which_nothing_was_trained_is_replaced_as_a_whole(
    config: RunConfig, tmp_path: Path
) -> None:
    sample_and_train.run(replace(config, stop_after="sample"))
    other = replace(with_root(config, write_images(tmp_path / "others", "xyz")), seed=1)
    assert sample_and_train.run(other).counts == {"done": 2}
    with pytest.raises(UserError, match="seed=1 there, 0 now"):
        sample_and_train.run(config)


def test_images_that_cannot_be_read_stop_the_run_before_anything_is_written(
    config: RunConfig, tmp_path: Path
) -> None:
    path = tmp_path / "images" / "train" / "a" / "0.png"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"0.png': cannot be read \(.*; in all 1 of 12 images"):
        sample_and_train.run(config)
    assert [p.name[:7] for p in (tmp_path / "results" / "test").iterdir()] == ["images_"]


def test_skipped_images_are_counted_and_their_number_may_not_change(
    config: RunConfig, tmp_path: Path
) -> None:
    path = tmp_path / "images" / "train" / "a" / "0.png"
    whole = path.read_bytes()
    path.write_bytes(bytes(len(whole)))
    skipping = replace(with_root(config, tmp_path / "images", on_unreadable="skip"), repeats=1, subsample=1)
    folder = sample_and_train.run(skipping).folder
    assert (kept(folder)["unreadable"], kept(folder)["train_images"]) == (1, 7)
    assert sample_and_train.run(replace(skipping, num_models=3)).counts == {"done": 3}
    path.write_bytes(whole)
    with pytest.raises(UserError, match="7 there, 8 now, unreadable=1 there, 0 now"):
        sample_and_train.run(replace(skipping, num_models=4))


def test_images_are_tried_once_for_all_spaces_of_a_study(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    original = readable.unreadable_images

    def count(paths, threads):
        tried.append(len(paths))
        return original(paths, threads)

    monkeypatch.setattr(readable, "unreadable_images", count)
    sample_and_train.run(config)
    sample_and_train.run(replace(config, num_models=3))
    sample_and_train.run(other_space(config))
    assert tried == [12, 0, 0]


def test_an_image_that_turns_bad_is_the_reason_of_the_failure(config: RunConfig, tmp_path: Path) -> None:
    sample_and_train.run(config)
    path = tmp_path / "images" / "train" / "a" / "0.png"
    path.write_bytes(bytes(path.stat().st_size))
    for workers in (0, 1):
        more = with_root(replace(config, num_models=3 + workers), tmp_path / "images", num_workers=workers)
        result = sample_and_train.run(more)
        models = list(pd.read_parquet(result.folder.models)["model_id"])
        reason = read_record(result.folder.record(models[-1])).reason
        assert reason.startswith(f"UnreadableImageError: {str(path)!r}: cannot be read (")
        assert len(reason) < len(str(path)) + 120


def test_an_undivided_folder_says_which_images_are_held_out(config: RunConfig, tmp_path: Path) -> None:
    flat = write_images(tmp_path / "flat", train=10, val=1) / "train"
    folder = sample_and_train.run(with_root(config, flat)).folder
    assert kept(folder) | {"digest": ""} == {
        "classes": ["a", "b"], "train_images": 12, "val_images": 4, "unreadable": 0,
        "val_share": 0.2, "test_share": 0.2, "digest": "",
    }  # fmt: skip
    (verdict,) = folder.study.root.glob("images_*.json")
    held_out = json.loads(verdict.read_text())["held_out"]
    assert {split: len(files) for split, files in held_out.items()} == {"val": 4, "test": 4}
    with pytest.raises(UserError, match="val_images=4 there, 6 now"):
        sample_and_train.run(with_root(config, flat, val_share=0.3))


def test_a_set_in_one_file(config: RunConfig, tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "set.npz"
    arrays = {
        f"{split}_{kind}": rng.integers(0, 256, (count, 8, 8), dtype=np.uint8) if kind == "images"
        else np.arange(count)[:, None] % 3
        for split, count in (("train", 12), ("val", 6)) for kind in ("images", "labels")
    }  # fmt: skip
    np.savez(path, **arrays)
    one = replace(config, data=DataSettings("npz", root=str(path)))
    folder = sample_and_train.run(one).folder
    assert kept(folder)["classes"] == ["0", "1", "2"]
    path.rename(tmp_path / "moved.npz")
    moved = replace(one, data=DataSettings("npz", root=str(tmp_path / "moved.npz")), num_models=3)
    assert sample_and_train.run(moved).counts == {"done": 3}
    np.savez(tmp_path / "moved.npz", **(arrays | {"val_labels": arrays["val_labels"][::-1]}))
    with pytest.raises(UserError, match="names or sizes of files"):
        sample_and_train.run(replace(moved, num_models=4))
