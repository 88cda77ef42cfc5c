"""Step 6: chosen networks of a study -> final/: long trainings with several seeds, weights, test errors.

The images, the resolution and what is no recipe are the study's. One population holds all of it: a row for
each network and seed, trained like any other.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pandas as pd
import yaml

from designspace.config import FINAL_SPLITS, RunConfig, SpaceSettings, TrainFinalConfig
from designspace.data.catalog import data_info
from designspace.data.found import DataFound, data_changes, find_data
from designspace.data.readable import check_images
from designspace.data.settings import DataSettings
from designspace.data.test_split import check_test_images
from designspace.errors import UserError
from designspace.files import check_name, make_writable_folder, replacing
from designspace.launch.local import available_cores
from designspace.networks.architecture import networks_of
from designspace.networks.settings import NetworkSettings
from designspace.pipeline.collect import study_runs
from designspace.pipeline.final_table import final_table, final_text
from designspace.pipeline.sample import changed_settings, exclusive, is_begun
from designspace.pipeline.train import plan_training, train_population
from designspace.spaces.sampling import BudgetSettings
from designspace.store.looks import count_looks
from designspace.store.paths import NOT_SPACES, FinalFolder, StudyFolder, find_study
from designspace.store.population import read_settings
from designspace.store.records import final_record
from designspace.store.tables import read_models, write_table
from designspace.store.versions import git_commit, versions
from designspace.training.messages import Final, Model, last_record

log = logging.getLogger(__name__)

SECTIONS = ("seed", "images", "resolution", "network", "data", "train")  # which all networks share
# Of the recipe, with the value that changes nothing: a digest is as before there were any.
LATER_KEYS = (("class_weights", "none"), ("cudnn_benchmark", True))
WHERE_IT_LIES = ("root", "num_workers", "on_unreadable", "groups")  # of the data: no influence on the weights


@dataclass(frozen=True)
class FinalResult:
    """What the final trainings gave."""

    folder: FinalFolder
    table: pd.DataFrame  # one row for each network, see `final_table`
    text: str  # for the terminal
    complete: bool  # every network that was asked for is trained and tested with every seed


def train_final(config: TrainFinalConfig) -> FinalResult | None:
    """Train the chosen networks, test them, write final.csv; None where only the plan was asked for.

    Raises:
        UserError: the study, the choice, the images or the folder cannot be used.
        RunError: the workers cannot be started.
    """
    from designspace.analysis.selection import select  # SciPy: slow to import

    study = find_study(config.output_root, config.study)
    check_name(study.root)
    if config.name in (*NOT_SPACES, *(space.name for space in study.spaces())):
        raise UserError(f"name={config.name}: is another folder of the study; choose another")
    selection = select(study_runs(study), config.networks, config.space.source)
    folder = study.final(config.name)
    run, there = _run_config(config, study, selection.runs)
    found = _found(run, study, there, config)
    settings = _settings(config, run, found)
    _check_unchanged(folder, settings)
    final = Final(
        splits=FINAL_SPLITS[config.final.images],
        test=not config.test.skip,
        flip=config.test.tta == "flip",
        recipe=_recipe(settings),
        looks=study.looks,
        again=config.test.again,
    )
    asked = _networks(selection.runs, config.seeds)
    networks = _with_those_there(folder, asked)
    models = list(_models(asked, config.seed, final))
    _check_looks(folder, models, final)
    _say_what_was_chosen(selection.runs, selection.shrunk)
    if config.plan:
        plan_training(run, folder, models, final)
        return None
    make_writable_folder(folder.records)
    with exclusive(folder):
        _write(folder, settings, networks)
        train_population(run, folder, models, found, final)
        table = final_table(folder, networks, final)
        with replacing(folder.table) as temporary:
            table.to_csv(temporary, index=False)
    complete = all(last_record(folder, model) is not None for model in models)
    return FinalResult(folder, table, final_text(table), complete)


# ---- what is trained ---------------------------------------------------------------------------------------


def _networks(chosen: pd.DataFrame, seeds: int) -> pd.DataFrame:
    """The rows of networks.parquet: each network once for each seed, numbered from 1."""
    kept = [name for name in chosen if name in COLUMNS]
    networks = chosen[kept].rename(columns={"model_id": "network_id", "error": "brief_error"})
    rows = networks.loc[networks.index.repeat(seeds)].reset_index(drop=True)
    number = np.tile(np.arange(1, seeds + 1), len(networks))
    ids = [f"{network}-{k}" for network, k in zip(rows["network_id"], number, strict=True)]
    return rows.assign(number=number, model_id=ids)


COLUMNS = (
    *("model_id", "space", "network", "block", "stem_width", "stem_stride"),
    *("depths", "widths", "bottleneck_ratios", "group_widths", "flops", "params", "acts"),
    *("error", "expected", "asked"),
)


def _with_those_there(folder: FinalFolder, networks: pd.DataFrame) -> pd.DataFrame:
    """Those that the folder holds already, then the new ones."""
    if not folder.models.exists():
        return networks
    known = read_models(folder)
    return pd.concat([known, networks[~networks["model_id"].isin(known["model_id"])]], ignore_index=True)


def _models(networks: pd.DataFrame, seed: int, final: Final) -> Iterator[Model]:
    for i, row in enumerate(networks.to_dict("records")):
        yield Model(
            model_id=row["model_id"],
            architecture=networks_of(networks.iloc[[i]])[0],
            seed=_seed(seed, row["network_id"], row["number"]),
            flops=row["flops"],
            params=row["params"],
            acts=row["acts"],
            tested=final.test,
        )


def _seed(seed: int, network_id: str, number: int) -> int:
    """Other seeds than those of the brief training and its repeats, by which the network was chosen."""
    words = np.random.SeedSequence([seed, int(network_id, 16), number, 1]).generate_state(2, np.uint32)
    return int(words[0]) << 31 | int(words[1]) >> 1


def _say_what_was_chosen(chosen: pd.DataFrame, shrunk: bool) -> None:
    by = "its expected error, shrunk for luck" if shrunk else "its error in one brief training, luck included"
    for row in chosen.to_dict("records"):
        if np.isnan(row["expected"]):
            log.info("%s: %s of %s, not trained briefly", row["asked"], row["model_id"], row["space"])
            continue
        log.info(
            "%s: %s of %s, by %s: %.2f %%", row["asked"], row["model_id"], row["space"], by, row["expected"]
        )


# ---- by what settings --------------------------------------------------------------------------------------


def _run_config(
    config: TrainFinalConfig, study: StudyFolder, chosen: pd.DataFrame
) -> tuple[RunConfig, dict[str, Any]]:
    """The settings of the training, from the study's and the recipe; and those of the study.

    Raises:
        UserError: the spaces that the networks are from were trained on other images or in another way.
    """
    names = list(dict.fromkeys(chosen["space"]))
    there = {name: read_settings(study.space(name)) for name in names}
    first = there[names[0]]
    for name in names[1:]:
        if changed := changed_settings(first, there[name], ("data", "network")):
            raise UserError(
                f"networks: {names[0]} and {name} cannot share a final training: {'; '.join(changed)}; "
                "choose from one of them with space=..."
            )
    given = {key: value for key, value in asdict(config.data).items() if value is not None}
    data = DataSettings(**{**first["data"], **given})
    run = RunConfig(
        space=SpaceSettings(names[0]),
        study=study.name,
        output_root=config.output_root,
        num_models=1,
        seed=config.seed,
        plan=config.plan,
        budget=BudgetSettings(resolution=first["budget"]["resolution"]),
        network=NetworkSettings(**first["network"]),
        data=data,
        train=config.train,
        launcher=config.launcher,
        limits=config.limits,
    )
    return run, first


def _found(
    run: RunConfig, study: StudyFolder, there: dict[str, Any], config: TrainFinalConfig
) -> DataFound | None:
    """The images, which must be those of the study, with some to test on."""
    found = find_data(run.data)
    if not config.test.skip:
        try:
            check_test_images(run.data)
        except UserError as error:
            raise UserError(f"{error}; test.skip=true leaves the test out") from None
    if found is not None and not config.plan:
        found = check_images(
            found,
            study.images(found.digest),
            on_unreadable=run.data.on_unreadable,
            threads=available_cores(),
        )
    if found is not None and (changed := data_changes(there.get("data_found"), found.summary())):
        raise UserError(f"data.root: not the images of the study: {'; '.join(changed)}")
    info = data_info(run.data) if found is None else found.info
    splits = FINAL_SPLITS[config.final.images]
    run.train.check_batch(info.num_train + ("val" in splits) * info.num_val)
    return found


def _settings(config: TrainFinalConfig, run: RunConfig, found: DataFound | None) -> dict[str, Any]:
    """What config.yaml holds."""
    return {
        "seed": config.seed,
        "images": config.final.images,
        "resolution": run.budget.resolution,
        "network": {"zero_init_residual": run.network.zero_init_residual},
        "data": asdict(run.data),
        "train": asdict(run.train),
        **({} if found is None else {"data_found": found.summary()}),
        "versions": versions(),
        "git_commit": git_commit(),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _recipe(settings: dict[str, Any]) -> str:
    """Digest of what decides the weights, but for network and seed."""
    data = {key: value for key, value in settings["data"].items() if key not in WHERE_IT_LIES}
    train = {key: value for key, value in settings["train"].items() if (key, value) not in LATER_KEYS}
    decides = {**{key: settings[key] for key in SECTIONS}, "data": data, "train": train}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]


def _check_unchanged(folder: FinalFolder, settings: dict[str, Any]) -> None:
    """Raises UserError where the folder holds networks that were trained by other settings."""
    if not folder.config.exists() or not is_begun(folder):
        return
    if changed := changed_settings(read_settings(folder), settings, SECTIONS):
        raise UserError(
            f"{folder.root}: was trained with other settings: {'; '.join(changed)}; "
            "use those, or another folder of the study with name=..."
        )


def _check_looks(folder: FinalFolder, models: Sequence[Model], final: Final) -> None:
    """Raises UserError, before anything is trained, where other weights of a network were tested."""
    if not final.test or final.again:
        return
    for model in models:
        untrained = final_record(folder, model.model_id) is None
        if untrained and count_looks(final.looks, model.model_id, final.recipe):
            raise UserError(
                f"networks: {model.model_id} was tested already with this recipe and seed, and its record "
                f"is gone from {folder.records}; test.again=true takes another look, which is counted"
            )


def _write(folder: FinalFolder, settings: dict[str, Any], networks: pd.DataFrame) -> None:
    if folder.models.exists() and len(read_models(folder)) == len(networks):
        return
    write_table(folder.models, networks)
    with replacing(folder.config) as temporary:
        text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
        temporary.write_text(text, encoding="utf-8")
