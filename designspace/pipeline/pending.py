"""What is left to train of a population, and what killed processes left behind."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from designspace.config import RunConfig
from designspace.errors import UserError
from designspace.networks.architecture import networks_of
from designspace.store.claims import is_void
from designspace.store.paths import SpaceFolder, remove_leftovers
from designspace.store.records import (
    ForeignSchemaError,
    Record,
    UnreadableRecordError,
    final_record,
    read_record,
)
from designspace.store.tables import read_archive
from designspace.training.messages import Model, training_seed
from designspace.training.progress import Best

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pending:
    """What is left of a population."""

    models: deque[Model]  # in the order of the population
    best: Best | None  # of the models of the study that are finished


def models_to_train(config: RunConfig, folder: SpaceFolder, models: pd.DataFrame) -> list[Model]:
    """What training the networks of a population, or a rerun of it, asks of the workers."""
    networks = networks_of(models)
    return [
        Model(
            model_id=row["model_id"],
            architecture=networks[i],
            seed=training_seed(config.seed, row["model_id"], folder.repeat),
            flops=row["flops"],
            params=row["params"],
            acts=row["acts"],
        )
        for i, row in enumerate(models.to_dict("records"))
    ]


def pending_models(config: RunConfig, folder: SpaceFolder, models: Sequence[Model]) -> Pending:
    """The models that still have to be trained, with their attempts so far.

    Raises:
        UserError: a record is of another version, or an earlier runs.parquet cannot be used.
    """
    pending: deque[Model] = deque()
    finished = exhausted = 0
    archive, best = read_archive(folder), _best_elsewhere(folder)
    archived = dict(zip(archive["model_id"], archive["error"].astype(float), strict=True))
    for model in models:
        record = _existing(folder, model.model_id)
        if model.is_through(record) or (record is None and model.model_id in archived):
            finished += 1
            error = archived[model.model_id] if record is None else record.error
            if error is not None and not math.isnan(error):
                best.append(Best(error, model.model_id, folder.name))
        elif record is not None and len(record.attempts) > config.launcher.max_retries:
            exhausted += 1
        else:
            pending.append(replace(model, earlier=() if record is None else record.attempts))
    if finished:
        log.info("%s: %d of %d models are finished already", folder.label, finished, len(models))
    if exhausted:
        log.warning(
            "%s: %d models failed %d times and are left out; launcher.max_retries=%d tries them again",
            folder.label, exhausted, config.launcher.max_retries + 1, config.launcher.max_retries + 1,
        )  # fmt: skip
    return Pending(pending, min(best, default=None))


def _best_elsewhere(folder: SpaceFolder) -> list[Best]:
    """The best of each other space of the study, as collected; none for reruns and final trainings."""
    spaces = {space.root: space for space in folder.study.spaces()}
    if spaces.pop(folder.root, None) is None:
        return []
    found = []
    for space in spaces.values():
        try:
            runs = read_archive(space).dropna(subset=["error"])
        except UserError:
            continue  # the analysis will name it
        rows = zip(runs["error"], runs["model_id"], strict=True)
        found += [Best(float(error), str(model_id), space.name) for error, model_id in rows]
    return [min(found)] if found else []


def _existing(folder: SpaceFolder, model_id: str) -> Record | None:
    """The model's record; a file that is none is set aside with a warning, so that nothing is lost."""
    path = folder.record(model_id)
    try:
        return read_record(path)
    except FileNotFoundError:
        return None
    except ForeignSchemaError as error:
        raise UserError(f"{error}; use the version that wrote it, or another study") from None
    except UnreadableRecordError as error:
        aside = path.with_suffix(".unreadable")
        path.replace(aside)
        log.warning("%s; kept as %s, the model is trained again", error, aside.name)
        return None


def tidy(folder: SpaceFolder) -> None:
    """Remove what killed processes left: temporary files, void claims, checkpoints of finished models."""
    for place in (folder.study.root, folder.root, folder.records):
        remove_leftovers(place)
    for claim in folder.records.glob("*.claim"):
        if is_void(claim):
            claim.unlink(missing_ok=True)
    for checkpoint in folder.records.glob("*.checkpoint"):
        if final_record(folder, checkpoint.stem) is not None:
            checkpoint.unlink(missing_ok=True)
