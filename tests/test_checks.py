"""What a value must be, said in one line: every key of every program with a value of the wrong type."""

import math
import pickle
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from designspace import overrides
from designspace.cli import PROGRAMS
from designspace.config import AnalyzeConfig, LimitSettings, RefineConfig
from designspace.errors import UserError, shown
from designspace.files import CONF_FOLDER
from designspace.launch.settings import LauncherSettings
from designspace.overrides import compose_jobs, key_types
from designspace.spaces.sampling import BudgetSettings
from designspace.training.settings import TrainSettings

WRONG: dict[Any, str] = {
    int: "abc",
    float: "abc",
    bool: "maybe",
    str: "[a]",
    int | str | None: "[1]",
    list[float]: "[1,a]",
    list[str]: "null",
    dict[str, Any]: "text",
}
EMPTY = {name: pickle.dumps(OmegaConf.structured(program.schema)) for name, program in PROGRAMS.items()}


def wrong_value(kind: Any) -> str:
    """What no key of the type takes, as it is typed."""
    return next(WRONG[part] for part in (kind, *get_args(kind)) if part in WRONG)


@pytest.mark.parametrize(
    ("name", "key", "kind"),
    [
        (name, key, kind)
        for name, program in PROGRAMS.items()
        for key, kind in key_types(program.schema).items()
        if kind is not Any  # the language of restrictions, which the space reads
    ],
)
def test_a_value_of_the_wrong_type_is_one_line_that_names_the_key(
    monkeypatch: pytest.MonkeyPatch, name: str, key: str, kind: Any
) -> None:
    schema = PROGRAMS[name].schema

    def apply(name: str, job: Sequence[str]) -> DictConfig:  # as Hydra does, which takes 0.1 s for it
        config: DictConfig = pickle.loads(EMPTY[name])
        for override in OverridesParser.create().parse_overrides(list(job)):
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        return config

    monkeypatch.setattr(overrides, "compose", apply)
    value = wrong_value(kind)
    with pytest.raises(UserError) as caught:
        compose_jobs(name, schema, CONF_FOLDER, [f"{key}={value}"], several=False)
    line = str(caught.value)
    assert line.startswith(f"{key.removesuffix('.source')}={value}: must be ")
    assert (line.count("\n"), line.endswith(", or null")) == (0, type(None) in get_args(kind))


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("train.epochs=1.5", "train.epochs=1.5: must be a whole number"),
        ("train.lr=true", "train.lr=true: must be a number"),
        ("plan=maybe", "plan=maybe: must be true or false"),
        ("study=null", "study=null: must be text"),
        ("budget.flops={a: 1}", "budget.flops={a: 1}: must be a list of numbers, or null"),
        ("budget.flops.0=x", "budget.flops[0]=x: must be a number"),
        ("budget={flops: 3}", "budget.flops=3: must be a list of numbers, or null"),
        ("network=null", "network=null: must be a mapping {key: value, ...}"),
        ("launcher.workers=1.5", "launcher.workers=1.5: must be a whole number, text, or null"),
        ("launcher.setup=[null]", "launcher.setup=[null]: must be a list of texts"),
    ],
)
def test_the_line_says_what_was_typed_and_what_is_allowed(argument: str, line: str) -> None:
    arguments = ["space=regnetx", argument]
    with pytest.raises(UserError) as caught:
        compose_jobs(
            "sample_and_train", PROGRAMS["sample_and_train"].schema, CONF_FOLDER, arguments, several=False
        )
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        (TrainSettings(epochs=0, warmup_epochs=2), ["train.epochs=0: must be at least 1 and at most 100000"]),
        (
            TrainSettings(epochs=3, warmup_epochs=3),
            ["train.warmup_epochs=3: must be at least 0 and below train.epochs=3"],
        ),
        (TrainSettings(momentum=-1), ["train.momentum=-1: must be at least 0 and below 1"]),
        (TrainSettings(momentum=0), ["train.nesterov=true: must be false where train.momentum=0"]),
        (
            LauncherSettings(timeout_min=0, signal_delay_s=90),
            ["launcher.timeout_min=0: must be at least 1 and at most 10000000"],
        ),
        (
            LauncherSettings(timeout_min=1),
            [
                "launcher.signal_delay_s=90: must be above 0 and below 60, "
                "which is launcher.timeout_min=1 in seconds"
            ],
        ),
        (
            BudgetSettings(flops=[2, 1]),
            ["budget.flops=[2, 1]: must be [low, high] with 0 < low <= high, or null"],
        ),
        (LimitSettings(gpu_hours=0), ["limits.gpu_hours=0: must be above 0, or null"]),
        (
            AnalyzeConfig(regimes=["a", "a"], seed=-1),
            [
                "seed=-1: must be at least 0 and at most 9223372036854775807",
                "regimes=[a, a]: must be different studies",
            ],
        ),
        (
            RefineConfig(name="a b"),
            ["name=a b: must be of letters, digits, dots, dashes and underscores, or null"],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_problems_are_as_typed_with_full_keys_and_none_follows_from_another(
    settings: Any, lines: list[str]
) -> None:
    assert settings.problems() == lines


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        (None, "null"),
        (True, "true"),
        ((1, 2.5), "[1, 2.5]"),
        ([None, "a"], "[null, a]"),
        ({"range": [1, math.inf]}, "{range: [1, inf]}"),
        ("a\nb", r"'a\nb'"),
    ],
)
def test_values_are_shown_as_they_are_typed(value: object, typed: str) -> None:
    assert shown(value) == typed
