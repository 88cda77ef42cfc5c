"""The steps of one space behind one call: sample, train, collect.

Each step reads what the one before it wrote, and running one again continues where it stopped.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from designspace.analysis.chance import against_chance
from designspace.config import RunConfig
from designspace.data.catalog import data_info
from designspace.data.decoded import DecodedFiles
from designspace.data.found import DataFound, find_data
from designspace.data.readable import check_images
from designspace.data.repeated import warn_of_repeated
from designspace.data.sets import LOOKED_AT_SETS
from designspace.files import make_writable_folder
from designspace.launch.local import available_cores
from designspace.pipeline.advice import small_set_advice
from designspace.pipeline.begun import as_begun, with_cache_decided
from designspace.pipeline.collect import collect_runs
from designspace.pipeline.pending import models_to_train
from designspace.pipeline.sample import (
    check_unchanged,
    exclusive,
    is_begun,
    population_models,
    resolved_settings,
    warn_of_other_settings,
    write_population,
)
from designspace.pipeline.train import plan_training, train_population
from designspace.report.text.chance import chance_sentences
from designspace.spaces.load import Space, load_models
from designspace.spaces.references import ReferenceSpace
from designspace.store.paths import SpaceFolder, study_folder
from designspace.store.records import Status
from designspace.training.plan import Plan
from designspace.training.progress import Best

log = logging.getLogger(__name__)


TURN = 10  # models of each space, where several are trained in turn


@dataclass(frozen=True)
class RunResult:
    """How the steps of one space ended."""

    folder: SpaceFolder
    counts: Counter[str]  # models by status, "missing" included
    stopped_after: str | None = None  # the step that it was asked to stop after, if more were to come
    reruns: dict[SpaceFolder, Counter[str]] = field(default_factory=dict)  # the same of each
    best: Best | None = None  # of its models
    mean_error: float | None = None  # percent, of its models that are done
    plan: Plan | None = None  # where it was asked for, and something is left to train

    @property
    def complete(self) -> bool:
        """Whether every model has an error or has diverged."""
        everything = sum(self.reruns.values(), self.counts)
        return not (everything["failed"] or everything["missing"])


def in_turns(configs: Sequence[RunConfig]) -> list[RunConfig]:
    """The runs of several spaces: one after the other, or with `interleave` ten models of each in turn.

    So a change of the machine falls on all spaces, and there is something to compare early. The first models
    of a population do not depend on its size; the reruns of a subsample come in the last turns.
    """
    if not (configs and configs[0].interleave) or configs[0].plan or configs[0].stop_after:
        return list(configs)
    most = max(config.num_models for config in configs)
    turns = ((models, config) for models in range(TURN, most + TURN, TURN) for config in configs)
    return [
        config
        if models >= config.num_models
        else replace(config, num_models=models, repeats=0, extended_epochs=None)
        for models, config in turns
        if models < config.num_models + TURN
    ]


def run(config: RunConfig) -> RunResult:
    """Sample, train and collect one space, and the reruns that are asked for; what is there already is kept.

    Raises:
        UserError: the configuration, the folder or the data are invalid.
        RunError: the workers cannot be started.
    """
    space = load_models(config.space.source, config.space_overrides)
    folder = study_folder(config.output_root, config.study).space(space.name)
    trains = config.stop_after != "sample"  # which needs no images
    config = as_begun(config, folder)
    found = find_data(config.data) if trains or config.data.name in LOOKED_AT_SETS else None
    config = with_cache_decided(config, found)
    settings = resolved_settings(config, space, found)
    check_unchanged(folder, settings)
    if trains:
        info = data_info(config.data) if found is None else found.info
        config.train.check_batch(info.num_train)
        if (advice := small_set_advice(config, info)) is not None and not is_begun(folder):
            log.warning("%s: %s", folder.label, advice)
    if found is not None and trains and not config.plan:
        found = _checked(config, folder, found)
        settings = resolved_settings(config, space, found)
        check_unchanged(folder, settings)
    warn_of_other_settings(folder, settings)
    models = population_models(config, space, folder)
    if config.plan:
        config = _to_plan(config, found)
        plan = plan_training(config, folder, models_to_train(config, folder, models))
        for rerun in _reruns(config):
            again = folder.again(rerun.name)
            few = models_to_train(rerun.config, again, models.head(config.subsample))
            plan_training(rerun.config, again, few)
        return RunResult(folder, Counter(missing=len(models)), "plan", plan=plan)
    make_writable_folder(folder.records)
    with exclusive(folder):
        check_unchanged(folder, settings)  # once more: another run may have ended meanwhile
        write_population(folder, settings, models)
        if config.stop_after == "sample":
            return RunResult(folder, Counter(missing=len(models)), "sample")
        runs = _train_and_collect(config, folder, models, found)
        counts = _counts(runs)
        if config.interleave and not runs["error"].isna().all():
            from designspace.pipeline.analyze import draw_errors  # imports matplotlib: slow

            log.info("%s: drawn as far as it is: %s", folder.study.name, draw_errors(folder.study))
        subsample = models.head(config.subsample)
        reruns = dict(_run_again(rerun, space, folder, subsample, found) for rerun in _reruns(config))
    missing = sum(reruns.values(), counts)["missing"]
    left = config.launcher.on_cluster and not config.launcher.wait and missing
    best = mean = None
    if not (done := runs[runs["status"] == Status.DONE.value]).empty:
        rows = zip(done["error"], done["model_id"], strict=True)
        best = min(Best(float(error), str(model_id), folder.name) for error, model_id in rows)
        mean = float(done["error"].mean())
    return RunResult(folder, counts, "submit" if left else None, reruns, best, mean)


def _checked(config: RunConfig, folder: SpaceFolder, found: DataFound) -> DataFound:
    """What was found, without images that cannot be read; the others are decoded, where they are cached."""
    threads = available_cores()
    verdict = folder.study.images(found.digest)
    found = check_images(
        found,
        verdict,
        on_unreadable=config.data.on_unreadable,
        threads=threads,
        decoded=_decoded(config, found),
    )
    if (decoded := _decoded(config, found)) is not None:  # without those that are left out
        decoded.ensure(threads)
    warn_of_repeated(config.data, found, verdict, threads=threads)
    return found


def _decoded(config: RunConfig, found: DataFound | None) -> DecodedFiles | None:
    if found is None or found.listing is None or config.data.cache != "on":
        return None
    return DecodedFiles.of(config.data, found.listing, config.budget.resolution)


def _to_plan(config: RunConfig, found: DataFound | None) -> RunConfig:
    """The configuration for timing alone, which fills no cache."""
    decoded = _decoded(config, found)
    if decoded is None or decoded.are_there():
        return config
    log.info(
        "plan: images are read from their files; training takes them decoded from the cache, and less time"
    )
    return replace(config, data=replace(config.data, cache="off"))


def _train_and_collect(
    config: RunConfig, folder: SpaceFolder, models: pd.DataFrame, found: DataFound | None
) -> pd.DataFrame:
    """Train and collect; returns the runs of the models."""
    train_population(config, folder, models_to_train(config, folder, models), found)
    runs = collect_runs(folder)
    for sentence in chance_sentences(against_chance(runs)):
        log.warning("%s: %s", folder.label, sentence)
    return runs[runs["model_id"].isin(models["model_id"])]


def _counts(runs: pd.DataFrame) -> Counter[str]:
    """The models by status."""
    return Counter(runs["status"])


@dataclass(frozen=True)
class _Rerun:
    """A subsample of the population is trained once more."""

    name: str  # of its folder
    config: RunConfig


def _reruns(config: RunConfig) -> Iterator[_Rerun]:
    for repeat in range(1, config.repeats + 1):
        yield _Rerun(f"repeat_{repeat}", config)
    if (epochs := config.extended_epochs) is not None:
        yield _Rerun(f"epochs_{epochs}", replace(config, train=replace(config.train, epochs=epochs)))


def _run_again(
    rerun: _Rerun,
    space: Space | ReferenceSpace,
    parent: SpaceFolder,
    models: pd.DataFrame,
    found: DataFound | None,
) -> tuple[SpaceFolder, Counter[str]]:
    folder = parent.again(rerun.name)
    settings = resolved_settings(rerun.config, space, found) | {"repeat": folder.repeat}
    check_unchanged(folder, settings)
    make_writable_folder(folder.records)
    write_population(folder, settings, models)
    return folder, _counts(_train_and_collect(rerun.config, folder, models, found))
