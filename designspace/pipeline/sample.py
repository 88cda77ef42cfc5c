"""Step 1: conf/space -> models.parquet and config.yaml, written once and only ever extended."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

import pandas as pd
import yaml

from designspace.config import RunConfig, differences
from designspace.data.catalog import num_classes
from designspace.data.found import DataFound, data_changes
from designspace.data.settings import DataSettings
from designspace.errors import UserError, shown
from designspace.files import replacing
from designspace.networks.names import NETWORK, parse_reference
from designspace.spaces.load import Space
from designspace.spaces.references import FAMILY, ReferenceSpace
from designspace.spaces.sampling import Population, sample
from designspace.store.claims import ClaimedError, claimed, is_void
from designspace.store.paths import SpaceFolder
from designspace.store.population import read_settings
from designspace.store.tables import read_archive, read_models, write_table
from designspace.store.versions import git_commit, versions
from designspace.training.settings import TrainSettings

log = logging.getLogger(__name__)

# What may not change within a folder, and the keys of it that may.
POPULATION_SECTIONS = ("space", "seed", "budget", "network", "data", "train")
PASSING_KEYS = (
    "output_root",
    "stop_after",
    "plan",
    "interleave",
    "repeats",
    "extended_epochs",
    "subsample",
)  # of one call, not of the population
TRAINING_SECTIONS = ("budget", "network", "data", "train")  # the same in populations that are compared
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)  # of flock
FREE_KEYS = (
    *("data.root", "data.num_workers", "space.name"),
    *("space.networks", "network.stem"),  # which published networks there are: one row each
    *("data.cache_gb", "data.cache_root"),  # `data.cache` says what came of them
    *(
        "data.on_unreadable",
        "data.val_share",
        "data.test_share",
        "data.groups",
    ),  # what they do is in `data_found`
)


def sample_population(config: RunConfig, space: Space) -> Population:
    """The population that the configuration describes; nothing is written."""
    population = sample(
        space,
        config.num_models,
        seed=config.seed,
        budget=config.budget,
        network=config.network,
        num_classes=num_classes(config.data),
    )
    log.info(
        "%s: sampled %d networks from %s candidates (%d duplicates left out)",
        space.name, len(population), f"{population.candidates:,}", population.duplicates,
    )  # fmt: skip
    return population


def population_models(config: RunConfig, space: Space | ReferenceSpace, folder: SpaceFolder) -> pd.DataFrame:
    """The table of models.parquet that the configuration describes; nothing is written.

    Published networks that a folder of these settings has already are not counted again.
    """
    if isinstance(space, ReferenceSpace):
        known = read_models(folder) if folder.models.exists() and is_begun(folder) else pd.DataFrame()
        return _reference_models(config, space, {row["model_id"]: row for row in known.to_dict("records")})
    return sample_population(config, space).to_frame()


def _reference_models(
    config: RunConfig, space: ReferenceSpace, known: Mapping[str, Mapping[Any, Any]]
) -> pd.DataFrame:
    """One row for every published network that can be trained; each other is named, and left out.

    They are taken as they are: no budget applies, nor `num_models`.
    """
    rows: list[Mapping[Any, Any]] = []
    for label in space.networks:
        network = parse_reference(label, stem=config.network.stem)
        if network.model_id in known:
            rows.append(known[network.model_id])
            continue
        from designspace.networks.reference import UnfitError, reference_cost  # which need torch

        classes = num_classes(config.data)
        try:
            cost = reference_cost(network, num_classes=classes, resolution=config.budget.resolution)
        except UnfitError as error:
            log.warning("%s: %s; left out", space.name, error)
            continue
        rows.append(
            {"model_id": network.model_id, "space": space.name, NETWORK: network.label, **asdict(cost)}
        )
    if not rows:
        raise UserError(f"space={space.name}: none of its {len(space.networks)} networks can be trained")
    return pd.DataFrame(rows).drop_duplicates("model_id", ignore_index=True)


def write_population(folder: SpaceFolder, settings: dict[str, Any], models: pd.DataFrame) -> None:
    """Write or extend models.parquet with this population.

    A population of which something was trained only grows: its first models are never changed, and asking
    for fewer takes nothing away; published networks that it lacks follow those that it has. Before that, as
    after a run that was refused, another one replaces it.

    Raises:
        UserError: the folder holds other networks than these, or a population of other settings.
    """
    check_unchanged(folder, settings)  # once more: meanwhile another run may have been at work
    known = read_models(folder) if folder.models.exists() else models.iloc[:0]
    if settings["space"]["family"] == FAMILY and is_begun(folder):
        models = pd.concat([known, models[~models["model_id"].isin(known["model_id"])]], ignore_index=True)
    ids, wanted = list(known["model_id"]), list(models["model_id"])
    common = min(len(ids), len(wanted))
    if not is_begun(folder):
        if ids[:common] != wanted[:common]:
            log.warning("%s: replaces a population of which nothing was trained", folder.label)
        if ids != wanted or not _are_written(folder, settings):
            _write(folder, settings, models)
        return
    if ids[:common] != wanted[:common]:
        raise UserError(
            f"{folder.models}: holds other networks than these settings give; choose another study"
        )
    if len(wanted) > len(ids) or not folder.config.exists():
        _write(folder, settings, models if len(wanted) > len(ids) else known)


def _are_written(folder: SpaceFolder, settings: dict[str, Any]) -> bool:
    """Whether config.yaml holds these settings, and the data that were found where they are known now."""
    if not folder.config.exists():
        return False
    there, found = read_settings(folder), settings.get("data_found")
    return found in (None, there.get("data_found")) and not changed_settings(
        there, settings, POPULATION_SECTIONS
    )


def _write(folder: SpaceFolder, settings: dict[str, Any], models: pd.DataFrame) -> None:
    write_table(folder.models, models)
    with replacing(folder.config) as temporary:
        text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
        temporary.write_text(text, encoding="utf-8")


def is_begun(folder: SpaceFolder) -> bool:
    """Whether a model of the population, or of a rerun, was trained, is in work, or was submitted."""
    reruns = (*folder.repeats().values(), *folder.extended().values())
    files = folder.records.glob("[!.]*")
    return (
        any(path.suffix != ".claim" or not is_void(path) for path in files)
        or any(folder.jobs.glob("*.json"))
        or not read_archive(folder).empty
        or any(map(is_begun, reruns))
    )


def resolved_settings(
    config: RunConfig, space: Space | ReferenceSpace, found: DataFound | None = None
) -> dict[str, Any]:
    """What config.yaml holds: the resolved configuration, the data that were found, and where it was run."""
    asked = {key: value for key, value in asdict(config).items() if key not in PASSING_KEYS}
    return {
        **asked,
        "space": space.definition,
        **({} if found is None else {"data_found": found.summary()}),
        "versions": versions(),
        "git_commit": git_commit(),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def check_unchanged(folder: SpaceFolder, settings: dict[str, Any]) -> None:
    """Refuse to mix populations: raises UserError with the keys in which the folder's settings differ.

    One of which nothing was trained yet may be replaced.
    """
    if not folder.config.exists() or not is_begun(folder):
        return
    if changed := changed_settings(read_settings(folder), settings, POPULATION_SECTIONS):
        raise UserError(
            f"{folder.root}: was sampled with other settings: {'; '.join(changed)}; "
            "use those, or another name with study=..."
        )


def warn_of_other_settings(folder: SpaceFolder, settings: dict[str, Any]) -> None:
    """Say where another population of the study is trained otherwise: its errors tell nothing about these."""
    for other in folder.study.spaces():
        if other.root == folder.root or not other.config.exists():
            continue
        there = read_settings(other)
        sections = [key for key in TRAINING_SECTIONS if key != "data" or is_begun(other)]
        if changed := changed_settings(there, settings, sections):
            log.warning(
                "%s: the errors of %s in study %s cannot be compared with these: %s; to compare, use its "
                "settings, else another study=...",
                folder.name, other.name, folder.study.name, "; ".join(changed),
            )  # fmt: skip
            return


def changed_settings(there: Mapping[str, Any], now: Mapping[str, Any], sections: Sequence[str]) -> list[str]:
    """The settings that differ, in words, but for those that may; one that came later has its default."""
    old, new = ({key: settings.get(key) for key in sections} for settings in (there, now))
    defaults = {"train": asdict(TrainSettings()), "data": asdict(DataSettings())}
    for settings in (old, new):
        settings |= {key: defaults[key] | (settings[key] or {}) for key in defaults if key in settings}
    changed = [
        f"{k}={shown(a)} there, {shown(b)} now" for k, a, b in differences(old, new) if k not in FREE_KEYS
    ]
    if "data" in sections:
        changed += data_changes(there.get("data_found"), now.get("data_found"))
    return changed


@contextlib.contextmanager
def exclusive(folder: SpaceFolder) -> Iterator[None]:
    """Keep a second run out of this folder for as long as this process lives.

    Where the file system has no locks, a file with our name takes their place; other machines respect it for
    a minute alone. The claim of each model still keeps two runs from training it at the same time.
    """
    with open(folder.lock, "a+") as lock, contextlib.ExitStack() as held:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            try:
                if error.errno not in NO_LOCKS:
                    raise ClaimedError from None
                held.enter_context(claimed(folder.lock.with_suffix(".claim")))
            except ClaimedError:
                lock.seek(0)
                known = lock.read().strip()
                raise UserError(f"{folder.root}: another run is at work there ({known})") from None
            log.warning(
                "%s: the file system has no locks (%s); start no second run of this study on another machine",
                folder.root, error.strerror,
            )  # fmt: skip
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        yield
