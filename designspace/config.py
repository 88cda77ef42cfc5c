"""The typed configuration. Hydra's DictConfig stops here: everything behind it gets plain values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import MISSING, DictConfig, OmegaConf

from designspace.data.settings import DataSettings
from designspace.errors import Rule, UserError, broken, refuse
from designspace.launch.settings import LauncherSettings
from designspace.networks.settings import NetworkSettings
from designspace.spaces.sampling import BudgetSettings
from designspace.training.settings import MAX_EPOCHS, TrainSettings

T = TypeVar("T", bound="Checked")

STOPS = ("sample",)  # steps to stop after
MAX_MODELS = 1_000_000  # of a population, which is in memory
MAX_SEED = 2**63 - 1
MAX_RERUNS = 1_000
FINAL_SPLITS = {"train_and_val": ("train", "val"), "train": ("train",)}  # by final.images
TTA = ("none", "flip")
FINAL_WARMUP_SHARE = 0.05  # of the epochs, as in conf/train/final.yaml
EXPORT_FORMATS = ("torch", "pt2", "onnx")


class Checked(Protocol):
    """Settings that know which values are valid."""

    def problems(self) -> list[str]:
        """One line for each invalid value."""


@dataclass
class SpaceSettings:
    """Where the space is declared. On the command line, `space=...` is short for `space.source=...`."""

    source: str = MISSING  # a name (conf/space here, then the project's), or the path of a YAML file


@dataclass
class LimitSettings:
    """What a run may take at most; it is not started if the plan says more."""

    gpu_hours: float | None = None  # of all models together

    def problems(self) -> list[str]:
        """One line for each invalid value."""
        fine = self.gpu_hours is None or self.gpu_hours > 0
        return broken("limits", self, [("gpu_hours", fine, "above 0, or null")])


@dataclass
class RunConfig:
    """Everything that `scripts/sample_and_train.py` can be told."""

    space: SpaceSettings = field(default_factory=SpaceSettings)
    study: str = MISSING  # folder below output_root that holds all spaces to be compared
    output_root: str = "results"  # <output_root>/<study>/<space>/ holds everything that is written
    num_models: int = MISSING  # networks in the population
    repeats: int = 0  # train a subsample again with so many more seeds, for the noise of training
    extended_epochs: int | None = None  # train it again for so many epochs: does brief training rank well?
    subsample: int = 20  # models of it: the first of the population
    seed: int = 0  # decides the population and every model's training
    stop_after: str | None = None  # "sample" writes the population and trains nothing
    plan: bool = False  # say what the run would take, and train nothing
    interleave: bool = False  # several spaces (-m): train ten models of each in turn, not one after the other
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    data: DataSettings = field(default_factory=DataSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    launcher: LauncherSettings = field(default_factory=LauncherSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    space_overrides: dict[str, dict[str, Any]] = field(default_factory=dict)  # e.g. {all: {stages: 3}}

    def problems(self) -> list[str]:
        """One line for each invalid value of all groups."""
        more, counted = self.extended_epochs, f"at least 1 and at most {MAX_MODELS}"
        shortest = self.train.epochs if self.train.has_valid_epochs else 0
        rules = [
            ("num_models", 1 <= self.num_models <= MAX_MODELS, counted),
            _seed_rule(self.seed),
            ("repeats", 0 <= self.repeats <= MAX_RERUNS, f"at least 0 and at most {MAX_RERUNS}"),
            ("subsample", 1 <= self.subsample <= MAX_MODELS, counted),
            (
                "extended_epochs",
                more is None or shortest < more <= MAX_EPOCHS,
                f"above train.epochs={self.train.epochs} and at most {MAX_EPOCHS}, or null",
            ),
            ("stop_after", self.stop_after in (None, *STOPS), f"one of {', '.join(STOPS)}, or null"),
            (
                "interleave",
                not self.interleave or self.limits.gpu_hours is None,
                "false where limits.gpu_hours is set, which is checked before a space is trained as a whole",
            ),
        ]
        sections = (self.budget, self.network, self.train, self.launcher, self.limits)
        found = [line for section in sections for line in section.problems()]
        return [
            *broken("", self, rules),
            *found,
            *self.data.problems(needs_images=self.stop_after != "sample"),
        ]


@dataclass
class AnalyzeConfig:
    """Everything that `scripts/analyze.py` can be told."""

    study: str | None = None  # a folder below output_root; null: the one that changed last
    output_root: str = "results"  # the folder that holds the studies
    seed: int = 0  # of resampling and folds
    powered: bool = True  # whether untrained networks make means more certain; they are drawn once a study
    regimes: list[str] = field(default_factory=list)  # studies whose best parameters are put side by side

    def problems(self) -> list[str]:
        """One line for each invalid value."""
        once = len(set(self.regimes)) == len(self.regimes)
        return broken("", self, [_seed_rule(self.seed), ("regimes", once, "different studies")])


@dataclass
class RestrictSettings:
    """Conditions on the networks of a space: the language of `restrictions` in a space file.

    An order of the stages or `shared`, or a range {range: [low, high]}, {fixed: value}, or a list of these.
    """

    depths: Any = None  # of each stage: shared, non_decreasing, non_increasing, equal or a range
    widths: Any = None  # the same of the stages' widths
    bottleneck_ratios: Any = None  # the same of the stages' bottleneck ratios
    group_widths: Any = None  # the same of the stages' group widths
    depth: Any = None  # range of the total depth
    w0: Any = None  # range of a RegNet's parameter, as the following
    wa: Any = None  # range
    wm: Any = None  # range
    bottleneck_ratio: Any = None  # range
    group_width: Any = None  # range

    def declared(self) -> dict[str, Any]:
        """The restrictions that are given, by parameter."""
        return {name: rule for name, rule in vars(self).items() if rule is not None}


@dataclass
class RefineConfig:
    """Everything that `scripts/refine.py` can be told."""

    space: SpaceSettings = field(default_factory=SpaceSettings)
    restrict: RestrictSettings = field(default_factory=RestrictSettings)
    name: str | None = None  # of the refined space: writes its file, and the record of the step in the study
    output: str | None = None  # folder of that file; null: conf/space below the current folder
    study: str | None = None  # a folder below output_root; null: the last changed that has the space
    output_root: str = "results"  # the folder that holds the studies
    seed: int = 0  # of the bootstrap and the permutations

    def problems(self) -> list[str]:
        """One line for each invalid value."""
        plain = self.name is None or re.fullmatch(r"[A-Za-z0-9_][\w.-]*", self.name) is not None
        letters = "of letters, digits, dots, dashes and underscores, or null"
        return broken("", self, [_seed_rule(self.seed), ("name", plain, letters)])


@dataclass
class FromSpaceSettings:
    """Which of the study's populations networks are chosen from."""

    source: str | None = None  # a space of the study; null: all


@dataclass
class FinalDataSettings:
    """The data are those of the study; only where they lie may differ."""

    root: str | None = None  # where the study's images are now; null: where they were
    groups: str | None = None  # where the file of their groups is now, if there was one; null: where it was
    num_workers: int | None = None  # image-reading processes of a folder set; null: as many as in the study


@dataclass
class FinalSettings:
    """What the final training learns from."""

    images: str = "train_and_val"  # train, or train_and_val: then no validation error is known

    def problems(self) -> list[str]:
        """One line for each invalid value."""
        return broken("final", self, [("images", self.images in FINAL_SPLITS, " or ".join(FINAL_SPLITS))])


@dataclass
class TestSettings:
    """The look at the test split."""

    __test__ = False  # for pytest, which takes it for a test

    skip: bool = False  # keep the weights and do not look; the same command without it looks later
    again: bool = False  # test other weights of a network that was tested already; counted in the table
    tta: str = "none"  # flip: also the error of the mean of each image and its mirror image

    def problems(self) -> list[str]:
        """One line for each invalid value."""
        return broken("test", self, [("tta", self.tta in TTA, " or ".join(TTA))])


@dataclass
class TrainFinalConfig:
    """Everything that `scripts/train_final.py` can be told."""

    study: str | None = None  # a folder below output_root; null: the one that changed last
    networks: list[str] = field(default_factory=lambda: ["best:3"])  # best:N, median:N, best_of:N, ids, names
    space: FromSpaceSettings = field(default_factory=FromSpaceSettings)
    seeds: int = 5  # trainings of each network
    output_root: str = "results"  # the folder that holds the studies
    name: str = "final"  # folder of the study that holds them; another recipe needs another
    seed: int = 0  # decides the seeds of all trainings
    plan: bool = False  # say what the run would take, and train nothing
    final: FinalSettings = field(default_factory=FinalSettings)
    test: TestSettings = field(default_factory=TestSettings)
    data: FinalDataSettings = field(default_factory=FinalDataSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    launcher: LauncherSettings = field(default_factory=LauncherSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)

    def problems(self) -> list[str]:
        """One line for each invalid value."""
        plain = re.fullmatch(r"[A-Za-z0-9_][\w.-]*", self.name) is not None
        rules = [
            ("networks", bool(self.networks), "at least one"),
            ("seeds", 1 <= self.seeds <= MAX_RERUNS, f"at least 1 and at most {MAX_RERUNS}"),
            ("name", plain, "letters, digits, dots, dashes and underscores"),
            _seed_rule(self.seed),
        ]
        sections = (self.final, self.test, self.train, self.launcher, self.limits)
        return [*broken("", self, rules), *(line for section in sections for line in section.problems())]


@dataclass
class ExportConfig:
    """Everything that `scripts/export.py` can be told."""

    study: str | None = None  # a folder below output_root; null: the one that changed last
    network: str = "best"  # of the final trainings: best, an id (at least 6 digits), or a published name
    formats: list[str] = field(default_factory=lambda: ["torch"])  # torch, pt2 (torch.export), onnx
    output: str | None = None  # folder to write; null: <output_root>/<study>/export/<network>
    output_root: str = "results"  # the folder that holds the studies
    name: str = "final"  # folder of the study that holds the final trainings
    data: FinalDataSettings = field(default_factory=FinalDataSettings)

    def problems(self) -> list[str]:
        """One line for each invalid value."""
        known = bool(self.formats) and set(self.formats) <= set(EXPORT_FORMATS)
        return broken("", self, [("formats", known, f"a list of some of {', '.join(EXPORT_FORMATS)}")])


@dataclass
class FindConfig:
    """Everything that `scripts/find.py` can be told."""

    spaces: list[str] = field(default_factory=lambda: ["regnetx"])  # a population of each; names or files
    references: list[str] = field(default_factory=lambda: ["auto"])  # published networks; auto: what fits
    study: str = MISSING  # folder below output_root that holds all of it
    output_root: str = "results"  # the folder that holds the studies
    hours: float | None = None  # fit num_models and final_epochs to so much time on this machine
    plan: bool = False  # say what all of it would take, and train nothing
    num_models: int = MISSING  # networks in each population, trained briefly
    best: int = 3  # of them that are trained properly
    final_epochs: int = 100  # of that training, at least train.epochs; the recipe is otherwise the same
    seeds: int = 3  # trainings of each of these
    formats: list[str] = field(default_factory=lambda: ["torch"])  # of the exported network: torch, pt2, onnx
    seed: int = 0  # decides the populations and every training
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    data: DataSettings = field(default_factory=DataSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    launcher: LauncherSettings = field(default_factory=LauncherSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    space_overrides: dict[str, dict[str, Any]] = field(default_factory=dict)  # e.g. {all: {stages: 3}}

    def problems(self) -> list[str]:
        """One line for each invalid value."""
        shortest = self.train.epochs if self.train.has_valid_epochs else 0
        known = bool(self.formats) and set(self.formats) <= set(EXPORT_FORMATS)
        once = len(set(self.spaces)) == len(self.spaces) > 0
        rules = [
            ("spaces", once, "at least one, each once"),
            ("hours", self.hours is None or 0 < self.hours < math.inf, "above 0, or null"),
            ("best", 1 <= self.best <= MAX_MODELS, f"at least 1 and at most {MAX_MODELS}"),
            (
                "final_epochs",
                shortest <= self.final_epochs <= MAX_EPOCHS,
                f"at least train.epochs={self.train.epochs} and at most {MAX_EPOCHS}",
            ),
            ("seeds", 1 <= self.seeds <= MAX_RERUNS, f"at least 1 and at most {MAX_RERUNS}"),
            ("formats", known, f"a list of some of {', '.join(EXPORT_FORMATS)}"),
        ]
        waits = [("wait", self.launcher.wait, "true: each step needs what the one before it gave")]
        return [
            *broken("", self, rules),
            *broken("launcher", self.launcher, waits),
            *self.population("any").problems(),
        ]

    def population(self, space: str) -> RunConfig:
        """What `scripts/sample_and_train.py` is told for one of the spaces."""
        return RunConfig(
            space=SpaceSettings(space),
            study=self.study,
            output_root=self.output_root,
            num_models=self.num_models,
            seed=self.seed,
            plan=self.plan,
            budget=self.budget,
            network=self.network,
            data=self.data,
            train=self.train,
            launcher=self.launcher,
            limits=self.limits,
            space_overrides=self.space_overrides,
        )

    def final(self, networks: list[str], *, test: bool) -> TrainFinalConfig:
        """What `scripts/train_final.py` is told: the same recipe for more epochs, begun with a warm-up."""
        return TrainFinalConfig(
            study=self.study,
            networks=networks,
            seeds=self.seeds,
            output_root=self.output_root,
            seed=self.seed,
            final=FinalSettings(images="train"),
            test=TestSettings(skip=not test),
            data=FinalDataSettings(
                root=self.data.root, groups=self.data.groups, num_workers=self.data.num_workers
            ),
            train=replace(
                self.train, epochs=self.final_epochs, warmup_epochs=0.0, warmup_share=FINAL_WARMUP_SHARE
            ),
            launcher=self.launcher,
            limits=self.limits,
        )


@dataclass
class StatusConfig:
    """Everything that `scripts/status.py` can be told."""

    study: str | None = None  # a folder below output_root; null: the one that changed last
    output_root: str = "results"  # the folder that holds the studies
    json: bool = False  # one JSON object instead of a table; --json is short for json=true
    watch: bool = False  # show it again and again until no model is left to train, or Ctrl-C

    def problems(self) -> list[str]:
        """One line for each invalid value."""
        return broken("", self, [("watch", not (self.watch and self.json), "false with json=true")])


def _seed_rule(seed: int) -> Rule:
    return "seed", 0 <= seed <= MAX_SEED, f"at least 0 and at most {MAX_SEED}"


@cache
def register() -> None:
    """Make the schemas known to Hydra: unknown keys and wrong types become errors."""
    store = ConfigStore.instance()
    store.store(name="run_schema", node=RunConfig)
    store.store(name="analyze_schema", node=AnalyzeConfig)
    store.store(name="status_schema", node=StatusConfig)
    store.store(name="refine_schema", node=RefineConfig)
    store.store(name="train_final_schema", node=TrainFinalConfig)
    store.store(name="export_schema", node=ExportConfig)
    store.store(name="find_schema", node=FindConfig)


def to_values(config: DictConfig, schema: type[T]) -> T:
    """The dataclass that a composed configuration describes.

    Raises:
        UserError: a key is unknown, or a value missing or invalid.
    """
    values = described(config, schema)
    refuse(values.problems())
    return values


def described(config: DictConfig, schema: type[T]) -> T:
    """The same, whatever its values. Raises UserError where a key is unknown or a value missing."""
    for key in _unknown_keys(config):
        raise UserError(f"{key}: unknown key; --help lists them all")
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        key = missing[0].removesuffix(".source")
        raise UserError(f"{key}: a value is needed, for example {key}={_EXAMPLES.get(key, '...')}")
    values = OmegaConf.to_object(config)
    assert isinstance(values, schema), "registered under the name that was composed"
    return values


def experiment_values(experiment: str, conf: Path) -> RunConfig:
    """What `scripts/sample_and_train.py experiment=...` is told by the files of the folder `conf` alone."""
    register()
    at_work = GlobalHydra.instance().is_initialized()
    with nullcontext() if at_work else initialize_config_dir(str(conf), version_base="1.3"):
        composed = compose("sample_and_train", [f"experiment={experiment}", "space.source=any"])
    return described(composed, RunConfig)


def _unknown_keys(config: DictConfig) -> Iterator[str]:
    """Keys that the schema does not have: Hydra takes them where they are given with a +."""
    schema: Any = OmegaConf.get_type(config)
    known = {field.name for field in fields(schema)}
    for key in config:
        if key not in known:
            yield str(key)
        elif is_dataclass(OmegaConf.get_type(config, key)):
            yield from (f"{key}.{name}" for name in _unknown_keys(config[key]))


_EXAMPLES = {"space": "anynetx_c", "study": "my_study", "num_models": "64"}


def differences(ours: Any, theirs: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(key, our value, their value) of all leaves in which two nested mappings differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(name), theirs.get(name), f"{key}.{name}" if key else str(name))
    elif ours != theirs:
        yield key, ours, theirs


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False)
    return str(text).removesuffix("...\n").strip()
