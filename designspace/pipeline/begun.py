"""What a study goes on with that was begun before there were some keys, or that is decided when it begins."""

from __future__ import annotations

import logging
from dataclasses import replace

from designspace.config import RunConfig
from designspace.data.catalog import is_cached
from designspace.data.found import DataFound
from designspace.data.sets import FOLDER_SETS
from designspace.data.settings import DataSettings
from designspace.pipeline.sample import is_begun
from designspace.store.paths import SpaceFolder
from designspace.store.population import read_settings
from designspace.training.settings import TrainSettings

log = logging.getLogger(__name__)

# Keys that new studies set otherwise than was done before there were these, with what was done.
LATER_KEYS = (("data", "cache", DataSettings.cache), ("train", "last_batch", TrainSettings.last_batch))


def as_begun(config: RunConfig, folder: SpaceFolder) -> RunConfig:
    """The configuration, with what was done before the later keys where the study goes on with that."""
    asked = {(section, key): getattr(getattr(config, section), key) for section, key, _ in LATER_KEYS}
    if all(asked[section, key] == before for section, key, before in LATER_KEYS):
        return config
    begun = (space for space in (folder, *folder.study.spaces()) if space.config.exists() and is_begun(space))
    first = next(begun, None)
    if first is None:
        return config
    there = read_settings(first)
    for section, key, before in LATER_KEYS:
        if (there.get(section) or {}).get(key, before) != before or asked[section, key] == before:
            continue
        config = replace(config, **{section: replace(getattr(config, section), **{key: before})})
        log.info("%s: the study goes on with %s.%s=%s, as it began", folder.label, section, key, before)
    return config


def with_cache_decided(config: RunConfig, found: DataFound | None) -> RunConfig:
    """The configuration with `data.cache=auto` replaced by what it means for the images that were found."""
    if config.data.name not in FOLDER_SETS or found is None:
        return config
    cached = is_cached(config.data, found.info, config.budget.resolution)
    return replace(config, data=replace(config.data, cache="on" if cached else "off"))
