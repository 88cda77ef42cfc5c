"""What a folder says about its population: the settings in config.yaml, and through them about networks."""

from __future__ import annotations

from typing import Any

import pandas as pd

from designspace.errors import UserError
from designspace.networks.architecture import SHARED_COLUMNS
from designspace.networks.names import NETWORK
from designspace.store.paths import SpaceFolder
from designspace.yaml_files import read_yaml


def read_settings(folder: SpaceFolder) -> dict[str, Any]:
    """The contents of config.yaml. Raises UserError where it cannot be read."""
    try:
        settings = read_yaml(folder.config)
    except FileNotFoundError as error:
        raise UserError(f"{folder.config}: cannot be read: {error.strerror}") from None
    if not isinstance(settings, dict):
        raise UserError(f"{folder.config}: must hold the configuration of the population")
    return settings


def read_overrides(folder: SpaceFolder) -> dict[str, Any]:
    """The overrides of the space's declaration that the population was sampled with."""
    return dict(read_settings(folder).get("space_overrides") or {})


def with_block_and_stem(folder: SpaceFolder, models: pd.DataFrame) -> pd.DataFrame:
    """Fill in `block`, `stem_width` and `stem_stride` where the table was written before it had them.

    All networks of such a population share what config.yaml says. A population without that file, or a
    config.yaml that does not say it, stays as it is.

    Raises:
        UserError: config.yaml is needed and damaged.
    """
    absent = [name for name in SHARED_COLUMNS if name not in models]
    if not absent or NETWORK in models or not folder.config.exists():
        return models
    settings = read_settings(folder)
    shared = {"block": (settings.get("space") or {}).get("block"), **(settings.get("network") or {})}
    found = {name: shared[name] for name in absent if shared.get(name) is not None}
    place = list(models).index("space") + 1 if "space" in models else len(models.columns)
    names = [*models.columns[:place], *found, *models.columns[place:]]
    return models.assign(**found)[names]
