"""The tables of a space: its population, and that joined with its records. Read and written here alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from designspace.errors import UserError
from designspace.files import replacing
from designspace.store.paths import SpaceFolder
from designspace.store.population import with_block_and_stem
from designspace.store.records import Record, Status, read_records

MISSING = "missing"  # status of a model without a record


def read_models(folder: SpaceFolder) -> pd.DataFrame:
    """The population, one row per model, which describes its network (see `Architectures.from_frame`).

    A row may name a reference network in the column `network` instead; what describes the others is null.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        models = _read_table(folder.models, ["model_id"])
    except (OSError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise UserError(f"{folder.models}: cannot be read: {problem}; delete it to sample again") from None
    return with_block_and_stem(folder, models)


def _read_table(path: Path, needed: list[str]) -> pd.DataFrame:
    """A parquet file. Raises OSError or ValueError where it is none, or lacks a column."""
    try:
        with open(path, "rb") as file:  # pyarrow takes no name that is not UTF-8
            table = pd.read_parquet(file)
    except (NotImplementedError, KeyError, TypeError, RuntimeError) as error:  # of damaged files
        raise ValueError(str(error)) from None
    lacking = [name for name in needed if name not in table]
    if lacking:
        raise ValueError(f"no column {lacking[0]}")
    return table


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a parquet table atomically."""
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False)


@dataclass(frozen=True)
class Collected:
    """The population joined with its records."""

    runs: pd.DataFrame  # the columns of models.parquet and those of `_row`, one row per model
    skipped: tuple[str, ...]  # one line for each file that is no valid record of this population


def collect(folder: SpaceFolder) -> Collected:
    """Join the population with all valid records; models without one have status `missing`.

    A finished row of an earlier runs.parquet stands for a record that is not there: a study can be passed on
    without its records, and extended. Nothing is written. Files that cannot be used are named, not raised.
    """
    models = read_models(folder)
    known = set(models["model_id"])
    rows, skipped = [], []
    for found in read_records(folder, known):
        if isinstance(found, Record):
            rows.append(_row(found))
        else:
            skipped.append(found)
    records = pd.DataFrame(rows, columns=list(_row(Record("", "", Status.FAILED, 0))))
    archived = read_archive(folder).reindex(columns=records.columns)
    archived = archived[~archived["model_id"].isin(records["model_id"])]
    records = pd.concat([part for part in (records, archived) if len(part)] or [records])
    runs = models.merge(records, on="model_id", how="left", validate="1:1")
    runs["status"] = runs["status"].astype(object).fillna(MISSING)
    runs["error"] = runs["error"].astype(float)  # also where nothing is trained
    return Collected(runs, tuple(skipped))


def read_archive(folder: SpaceFolder) -> pd.DataFrame:
    """The finished rows of runs.parquet; none where there is no such file."""
    try:
        runs = _read_table(folder.runs, ["model_id", "status", "error"])
    except FileNotFoundError:
        return pd.DataFrame(columns=["model_id", "error"])
    except (OSError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise UserError(f"{folder.runs}: cannot be read: {problem}; delete it to collect again") from None
    runs = runs[runs["status"].isin([Status.DONE.value, Status.DIVERGED.value])]
    if runs["model_id"].duplicated().any() or runs["error"][runs["status"] == Status.DONE.value].isna().any():
        raise UserError(f"{folder.runs}: was altered: a model twice, or done without an error; restore it")
    return runs


def _row(record: Record) -> dict[str, Any]:
    return {
        "model_id": record.model_id,
        "status": record.status.value,
        "error": record.error,
        "balanced_error": record.balanced_error,
        "reason": record.reason,
        "chance": record.chance,
        "val_images": record.val_images,
        "epochs": record.epochs,
        "seed": record.seed,
        "train_seconds": record.train_seconds,
        "val_seconds": record.val_seconds,
        "images_per_second": record.images_per_second,
        "device": record.device,
        "processor": record.processor,
        "precision": record.precision,
        "memory_format": record.memory_format,
        "attempts": len(record.attempts),
        "train_losses": [epoch.train_loss for epoch in record.history],
        "val_errors": [epoch.val_error for epoch in record.history],
    }
