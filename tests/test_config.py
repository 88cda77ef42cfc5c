"""Every file in conf/ composes, and says what its experiment promises."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from designspace import config as configuration
from designspace.config import (
    AnalyzeConfig,
    RunConfig,
    StatusConfig,
    TrainFinalConfig,
    described,
    differences,
    to_values,
)
from designspace.data.sets import DATA_NAMES
from designspace.errors import UserError
from designspace.files import CONF_FOLDER
from designspace.spaces.load import SPACE_FOLDER, available_spaces, load_models


def options(group):
    return sorted(path.stem for path in (CONF_FOLDER / group).glob("*.yaml"))


def composed(*overrides, name="sample_and_train", schema=RunConfig, convert=described):
    configuration.register()
    with initialize_config_dir(str(CONF_FOLDER), version_base="1.3"):
        return convert(compose(name, overrides=list(overrides)), schema)


def test_nothing_in_conf_is_left_out_here():
    groups = {path.parent.name for path in CONF_FOLDER.rglob("*.yaml")}
    assert groups == {"conf", "space", "data", "experiment", "launcher", "train"}
    assert {path.stem for path in CONF_FOLDER.glob("*.yaml")} == {
        "sample_and_train",
        "analyze",
        "status",
        "refine",
        "train_final",
        "export",
        "find",
    }
    assert Path(SPACE_FOLDER).samefile(CONF_FOLDER / "space")


@pytest.mark.parametrize("group", ["data", "experiment", "launcher", "train"])
def test_every_option_composes(group, tmp_path):
    for option in options(group):
        values = composed("space.source=anynetx_c", f"{group}={option}")
        assert isinstance(values, RunConfig)


def test_every_data_set_has_its_file():
    assert options("data") == sorted(DATA_NAMES)
    for option in options("data"):
        assert composed("space.source=anynetx_c", f"data={option}").data.name == option


@pytest.mark.parametrize("name", available_spaces())
def test_every_space_loads(name):
    assert load_models(name).name == name


def test_final_trainings_have_the_paper_s_recipe():
    values = composed(name="train_final", schema=TrainFinalConfig)
    assert (values.train.epochs, values.train.lr, values.train.weight_decay) == (100, 0.1, 5e-5)


def test_analyze_composes():
    assert composed(name="analyze", schema=AnalyzeConfig).regimes == []


def test_status_composes():
    assert composed("json=true", name="status", schema=StatusConfig).json


def test_experiments():
    laptop = composed("space.source=anynetx_c")
    assert (laptop.study, laptop.num_models, laptop.data.name) == ("laptop", 64, "fashion_mnist_small")
    assert (laptop.budget.flops, laptop.budget.resolution) == ([0.9e6, 1.0e6], 32)
    assert (laptop.train.epochs, laptop.train.lr, laptop.train.batch_size) == (4, 0.1, 128)
    assert (laptop.network.stem_width, laptop.network.stem_stride) == (16, 2)
    clothes = composed("space.source=anynetx_c", "experiment=fashion_mnist")
    changed = {key for key, _, _ in differences(asdict(clothes), asdict(laptop))}
    assert changed == {
        "study", "num_models", "data.name", "data.val_images", "train.epochs", "train.warmup_epochs",
    }  # fmt: skip
    paper = composed("space.source=anynetx_c", "experiment=paper")
    assert (paper.num_models, paper.budget.flops, paper.budget.resolution) == (500, [360e6, 400e6], 224)
    assert (paper.train.epochs, paper.train.lr, paper.train.batch_size) == (10, 0.05, 128)
    assert (paper.data.name, paper.network.stem_width) == ("imagenet", 32)
    assert (paper.train.precision, laptop.train.precision) == ("bf16", "fp32")


def test_the_choice_on_the_command_line_wins_over_the_experiment():
    values = composed("space.source=anynetx_c", "experiment=paper", "data=cifar10", "train.lr=0.3")
    assert (values.data.name, values.train.lr, values.num_models) == ("cifar10", 0.3, 500)


def test_differences():
    assert list(differences({"a": {"b": 1, "c": [2]}}, {"a": {"b": 1, "c": [3]}, "d": 4})) == [
        ("a.c", [2], [3]),
        ("d", None, 4),
    ]


def test_all_invalid_values_of_all_groups_are_reported_at_once() -> None:
    invalid = ["num_models=0", "train.lr=-1", "launcher.threads=0", "budget.resolution=0", "seed=-1"]
    invalid += ["network.stem_stride=3", "data.num_workers=-1", "data=imagenet"]
    with pytest.raises(UserError) as caught:
        composed("space.source=regnetx", *invalid, convert=to_values)
    assert str(caught.value).split("; ") == [
        "num_models=0: must be at least 1 and at most 1000000",
        "seed=-1: must be at least 0 and at most 9223372036854775807",
        "budget.resolution=0: must be at least 1 pixel and at most 8192",
        "network.stem_stride=3: must be 1 or 2",
        "train.lr=-1.0: must be above 0 and finite",
        "launcher.threads=0: must be at least 1 and at most 1024",
        "data.num_workers=-1: must be at least 0 and at most 1024",
        "data.root=null: must be an existing folder with train/ and val/",
    ]


def test_a_sample_for_imagenet_needs_no_images() -> None:
    values = composed("space.source=regnetx", "experiment=paper", "stop_after=sample", convert=to_values)
    assert values.data.name == "imagenet"


def defaults_of(group: str) -> dict[str, Any]:
    """The defaults of a group of the configuration, by key."""
    values: dict[str, Any] = OmegaConf.to_container(OmegaConf.structured(RunConfig)[group])
    return values


def test_the_recipe_in_conf_is_complete_and_that_of_the_dataclass() -> None:
    recipe = OmegaConf.load(CONF_FOLDER / "train" / "population.yaml")
    # A study that was begun before there was the key goes on by the dataclass: with whole batches.
    assert OmegaConf.to_container(recipe) == defaults_of("train") | {"last_batch": "train"}


@pytest.mark.parametrize(
    "path", sorted((CONF_FOLDER / "launcher").glob("*.yaml")), ids=lambda path: path.stem
)
def test_a_launcher_says_only_what_differs_from_the_dataclass(path: Path) -> None:
    differing, defaults = dict(OmegaConf.load(path)), defaults_of("launcher")
    assert differing.pop("name") == path.stem
    assert [key for key, value in differing.items() if value == defaults[key]] == []


def test_the_programs_files_choose_groups_and_say_nothing_twice() -> None:
    assert {key for path in CONF_FOLDER.glob("*.yaml") for key in OmegaConf.load(path)} == {"defaults"}
