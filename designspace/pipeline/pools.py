"""The untrained networks of a study's spaces: drawn once, and kept beside the analysis that they power."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from designspace.analysis.cross_fit import FEWEST_POWERED
from designspace.analysis.executor import IN_THIS_PROCESS, Executor
from designspace.analysis.powered_features import POOL_DRAWS, Drawn, draw_networks
from designspace.analysis.results import sampled
from designspace.data.catalog import num_classes
from designspace.data.settings import DataSettings
from designspace.errors import UserError
from designspace.files import make_writable_folder, replacing
from designspace.networks.architecture import Architectures
from designspace.networks.settings import NetworkSettings
from designspace.spaces.load import parse_space
from designspace.spaces.references import FAMILY
from designspace.spaces.sampling import BudgetSettings, sample
from designspace.store.paths import SpaceFolder, StudyFolder
from designspace.store.population import read_settings
from designspace.store.tables import read_models
from designspace.store.versions import versions

SEED = 0  # of every pool; the analysis has a seed of its own
REDRAWN = 8  # first networks of a population, by which it is known to be of this version's law
MOST_CANDIDATES = 50_000_000  # a narrower window takes longer than a minute or two, and has no pool
ARRAYS = {"depths": np.int32, "widths": np.int32, "bottleneck_ratios": np.float64, "group_widths": np.int32}


def study_pools(
    folder: StudyFolder, runs: pd.DataFrame, executor: Executor = IN_THIS_PROCESS
) -> dict[str, Drawn | str]:
    """The pools of the spaces with enough finished models among the runs, or why there is none, by space.

    Pools that are kept there and belong to the space, its window and this version are read, the others drawn
    and kept.
    """
    done = sampled(runs).query("status == 'done'")["space"].value_counts()
    spaces = {s.name: s for s in folder.spaces() if done.get(s.name, 0) >= FEWEST_POWERED}
    found = {name: _read(space) for name, space in spaces.items()}
    absent = [spaces[name] for name, pool in found.items() if pool is None]
    drawn = executor.map(_drawer, absent, complaint=lambda space: f"{space.root}: drawing its pool failed")
    for space, pool in zip(absent, drawn, strict=True):
        found[space.name] = pool
        if isinstance(pool, Drawn):
            _keep(space, pool)
    return {name: pool for name, pool in found.items() if pool is not None}


def _key(settings: Mapping[str, Any]) -> str:
    """What the pool of a space depends on, as a digest."""
    space = {key: value for key, value in (settings.get("space") or {}).items() if key != "name"}
    told = {key: settings.get(key) for key in ("budget", "network", "data", "data_found", "seed")}
    text = json.dumps([space, told, POOL_DRAWS, SEED, versions()["designspace"]], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _read(space: SpaceFolder) -> Drawn | None:
    """The pool that is kept, if it is the one that would be drawn."""
    try:
        key = _key(read_settings(space))
        with np.load(space.study.pool(space.name), allow_pickle=False) as kept:
            if str(kept["key"]) != key:
                return None
            stem = [int(value) for value in kept["stem"]]
            networks = Architectures(
                str(kept["block"]),
                *(kept[name].astype(np.promote_types(kind, np.int64)) for name, kind in ARRAYS.items()),
                *stem,
            )
            resolution, classes = (int(value) for value in kept["image"])
            return Drawn(networks, kept["counts"].astype(np.int64), resolution, classes)
    except (OSError, UserError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        return None


def _keep(space: SpaceFolder, pool: Drawn) -> None:
    path, networks = space.study.pool(space.name), pool.networks
    make_writable_folder(path.parent)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(
            file,
            key=_key(read_settings(space)),
            block=networks.block,
            stem=np.array([networks.stem_width, networks.stem_stride]),
            image=np.array([pool.resolution, pool.num_classes]),
            counts=pool.counts.astype(np.int32),
            **{name: getattr(networks, name).astype(kind) for name, kind in ARRAYS.items()},
        )


def _drawer() -> Callable[[SpaceFolder], Drawn | str]:
    return _draw


def _draw(folder: SpaceFolder) -> Drawn | str:
    """The pool, or why it cannot be drawn."""
    try:
        settings = read_settings(folder)
        declared = dict(settings["space"])
        if declared.get("family") == FAMILY:
            return "reference networks are no sample of a space"
        declared.pop("name", None)
        space = parse_space(folder.name, declared, source=str(folder.config))
        given: dict[str, Any] = {
            "budget": BudgetSettings(**settings["budget"]),
            "network": NetworkSettings(**settings["network"]),
            "num_classes": _classes(settings),
        }
        models = read_models(folder).head(REDRAWN)
        again = sample(space, len(models), seed=int(settings["seed"]), **given)
        if [network.model_id for network in again.networks] != list(models["model_id"]):
            return "its networks are not those that this version draws with these settings"
        if again.candidates * POOL_DRAWS > MOST_CANDIDATES * len(models):
            return "its window is so narrow that drawing a pool takes too long"
        return draw_networks(space, seed=SEED, draws=POOL_DRAWS, **given)
    except (UserError, KeyError, TypeError, ValueError) as error:
        return f"its networks cannot be drawn again ({error or type(error).__name__})"


def _classes(settings: Mapping[str, Any]) -> int:
    """Of the images that the population was trained on, which need not be there any more."""
    found = settings.get("data_found")
    return len(found["classes"]) if found else num_classes(DataSettings(name=settings["data"]["name"]))
