"""All steps in a row: from images and a budget to one network in a folder, tested once.

Populations, their comparison, the final training of the best and of published networks, the choice by the
validation error, the test of the chosen one and of the published ones, the export. Every step is that of its
own program and goes on where it stopped; what had to be chosen on the way is in <study>/find.yaml.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
import yaml

from designspace.config import AnalyzeConfig, ExportConfig, FindConfig, SpaceSettings
from designspace.data.catalog import num_classes
from designspace.data.test_split import check_test_images
from designspace.errors import RunError, UserError
from designspace.files import replacing
from designspace.networks.names import NETWORK, parse_reference
from designspace.pipeline.analyze import analyze_study
from designspace.pipeline.export import export_network
from designspace.pipeline.sample_and_train import run
from designspace.pipeline.train_final import train_final
from designspace.spaces.load import load_models, load_space
from designspace.spaces.references import FAMILY
from designspace.store.paths import StudyFolder, study_folder
from designspace.store.tables import read_models
from designspace.training.plan import Plan
from designspace.training.progress import duration
from designspace.yaml_files import read_yaml

log = logging.getLogger(__name__)

AUTO = "auto"  # the published networks that fit the budget
LISTS = ("mobile", "references")  # of published networks, of which those that fit are taken
LEAST_SHARE = 0.5  # of the budget's upper end, that a published network beside it has
FEWEST_MODELS, MOST_MODELS = 16, 500  # of a population that is fitted to the time
POPULATION_SHARE = 0.5  # of the time


@dataclass(frozen=True)
class Sizes:
    """What is chosen before anything is trained."""

    num_models: int  # of each population
    final_epochs: int
    references: tuple[str, ...]  # labels
    hours: float | None = None  # that it was fitted to


@dataclass(frozen=True)
class FindResult:
    """The network that was found."""

    folder: Path  # to take away
    network_id: str
    tested: pd.DataFrame  # rows of final.csv: the network, then the published ones that were tested
    report: Path


def find(config: FindConfig) -> FindResult | None:
    """Find a network for the images within the budget; None where only the plan was asked for.

    Raises:
        UserError: a space, the images, the formats or the folder cannot be used.
        RunError: workers cannot be started, or no network could be trained.
    """
    for space in config.spaces:
        load_space(space, config.space_overrides)
    _check_formats(config.formats)
    check_test_images(config.data)
    study = study_folder(config.output_root, config.study)
    sizes = _sizes(config, study)
    if config.plan:
        return None
    _remember(study, sizes)
    config = replace(config, num_models=sizes.num_models, final_epochs=sizes.final_epochs)
    for space in config.spaces:
        run(config.population(space))
    references = _sample_references(config, study, sizes.references)
    best = [f"best:{config.best}"]
    trained = train_final(config.final([*best, *references], test=False))
    assert trained is not None, "no plan was asked for"
    chosen = choose(trained.table)
    tested = train_final(config.final([chosen, *references], test=True))
    assert tested is not None, "no plan was asked for"
    rows = _rows(tested.table, chosen)
    report = analyze_study(AnalyzeConfig(study=config.study, output_root=config.output_root)).folder
    exported = export_network(
        ExportConfig(
            study=config.study,
            network=chosen,
            formats=config.formats,
            output_root=config.output_root,
            data=config.final(best, test=True).data,
        )
    )
    return FindResult(exported.folder, chosen, rows, report / "report.html")


def choose(table: pd.DataFrame) -> str:
    """The id of the network of the spaces with the least validation error, mean over its seeds.

    Raises:
        RunError: none has one.
    """
    named = table[NETWORK].notna() if NETWORK in table else pd.Series(False, index=table.index)
    known = table[~named & table["val_error"].notna()]
    if known.empty:
        raise RunError("no network of the spaces could be trained to its end; see their records")
    return str(known.sort_values(["val_error", "network_id"])["network_id"].iloc[0])


def _rows(table: pd.DataFrame, chosen: str) -> pd.DataFrame:
    """The row of the chosen network, then those of the published ones that were tested, the best first.

    Raises:
        RunError: the chosen network was not tested.
    """
    own = table["network_id"] == chosen
    if not (table["tested"][own] > 0).all():
        raise RunError(f"{chosen} is not tested yet; run the command again, or see its record")
    tested = table[~own & (table["tested"] > 0)]
    if NETWORK in table:
        for label in table[NETWORK][~own & (table["tested"] == 0)].dropna():
            log.warning("find: %s could not be trained and tested, see its record", label)
    return pd.concat([table[own], tested.sort_values("test_error")])


def _check_formats(formats: list[str]) -> None:
    if "onnx" in formats:
        from designspace.export.write import require_onnx  # torch: slow to import

        require_onnx()


# ---- how much of it ----------------------------------------------------------------------------------------


def _sizes(config: FindConfig, study: StudyFolder) -> Sizes:
    """What the study began with where it did so for the same hours; else what is asked for, or fits."""
    there = _read(study)
    known = there is not None and config.references == [AUTO]
    references = there.references if there and known else tuple(_references(config))
    fitted = there is not None and there.hours is not None and config.hours in (None, there.hours)
    if there is not None and fitted:
        log.info("find: the study goes on with what it was fitted to, hours=%g", there.hours)
        asked = replace(there, references=references)
    else:
        asked = Sizes(config.num_models, config.final_epochs, references, config.hours)
    if not config.plan and (fitted or config.hours is None):
        return asked
    one = run(replace(config, plan=True).population(config.spaces[0])).plan
    if one is None:  # the population is trained
        return asked
    if config.hours is not None and not fitted:
        asked = fit(config, one, references)
    _announce(config, one, asked)
    return asked


def fit(config: FindConfig, plan: Plan, references: tuple[str, ...]) -> Sizes:
    """As many models and final epochs as the hours take, half of them for the populations.

    `plan` is that of one population with its measured time per model.
    """
    assert config.hours is not None
    seconds, in_turn = 3600 * config.hours, len(config.spaces) * plan.model_seconds / plan.at_once
    models = min(max(int(POPULATION_SHARE * seconds / in_turn), FEWEST_MODELS), MOST_MODELS)
    left = seconds - models * in_turn
    turns = math.ceil(_final_trainings(config, references) / plan.at_once)
    epochs = int(left / (turns * plan.model_seconds / plan.epochs))
    epochs = min(max(epochs, config.train.epochs), config.final_epochs)
    return Sizes(models, epochs, references, config.hours)


def _final_trainings(config: FindConfig, references: tuple[str, ...]) -> int:
    return config.seeds * (config.best + len(references))


def _announce(config: FindConfig, plan: Plan, sizes: Sizes) -> None:
    spaces, trainings = len(config.spaces), _final_trainings(config, sizes.references)
    brief = spaces * math.ceil(sizes.num_models / plan.at_once) * plan.model_seconds
    epoch = plan.model_seconds / plan.epochs
    final = math.ceil(trainings / plan.at_once) * epoch * sizes.final_epochs
    log.info(
        "find: %d x %d models, %d epochs each: about %s; then %d networks and %d published ones, %d epochs "
        "with %d seeds: about %s; in all about %s",
        spaces, sizes.num_models, plan.epochs, duration(brief), config.best, len(sizes.references),
        sizes.final_epochs, config.seeds, duration(final), duration(brief + final),
    )  # fmt: skip
    if config.hours is not None and brief + final > 1.1 * 3600 * config.hours:
        log.warning("find: hours=%g is too little even for that", config.hours)


def _read(study: StudyFolder) -> Sizes | None:
    """What the study began with. Raises UserError where the file is no such thing."""
    if not study.find.exists():
        return None
    there = read_yaml(study.find)
    try:
        return Sizes(**{**there, "references": tuple(there["references"])})
    except (TypeError, KeyError):
        raise UserError(f"{study.find}: cannot be used; delete it to choose again") from None


def _remember(study: StudyFolder, sizes: Sizes) -> None:
    study.root.mkdir(parents=True, exist_ok=True)
    with replacing(study.find) as temporary:
        values = {**asdict(sizes), "references": list(sizes.references)}
        temporary.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


# ---- published networks ------------------------------------------------------------------------------------


def _references(config: FindConfig) -> Iterator[str]:
    """Those that are asked for; with `auto`, those of the lists with at least half the flops allowed."""
    if config.references != [AUTO]:
        yield from (parse_reference(label).label for label in config.references)
        return
    if config.budget.flops is None:
        log.info("find: no published networks are trained beside, as there is no budget.flops to fit")
        return
    from designspace.networks.reference import UnfitError, reference_cost  # these need torch

    log.info("find: counting published networks that fit the budget")
    most = config.budget.flops[1]
    classes, found = num_classes(config.data), 0
    for name in dict.fromkeys(label for each in LISTS for label in load_models(each).networks):  # type: ignore[union-attr]
        try:
            reference = parse_reference(name, stem=config.network.stem)
            cost = reference_cost(reference, num_classes=classes, resolution=config.budget.resolution)
        except UnfitError:
            continue
        if LEAST_SHARE * most <= cost.flops <= most:
            found += 1
            yield name
    if not found:
        log.info("find: no published network has %g to %g flops here", LEAST_SHARE * most, most)


def _sample_references(config: FindConfig, study: StudyFolder, labels: tuple[str, ...]) -> list[str]:
    """Give the study a row for each, untrained; returns their labels as they stand there."""
    if not labels:
        return []
    with replacing(study.references) as temporary:
        declared = {"family": FAMILY, "networks": list(labels)}
        temporary.write_text(yaml.safe_dump(declared, sort_keys=False), encoding="utf-8")
    population = config.population(str(study.references))
    folder = run(replace(population, space=SpaceSettings(str(study.references)), stop_after="sample")).folder
    there = set(read_models(folder)[NETWORK])  # without those that cannot work on these images
    asked = [parse_reference(label, stem=config.network.stem).label for label in labels]
    return [label for label in asked if label in there]
