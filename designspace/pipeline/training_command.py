"""The command that gives another space a population with the settings of one that is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from designspace.commands import command
from designspace.config import differences, experiment_values
from designspace.files import CONF_FOLDER
from designspace.overrides import as_value
from designspace.pipeline.sample import TRAINING_SECTIONS
from designspace.store.paths import StudyFolder


def training_command(source: str, study: StudyFolder, settings: Mapping[str, Any]) -> str:
    """The command line that trains the space `source` in the study as `settings`, a config.yaml, say.

    Of the experiments in conf/, it names the one that leaves the fewest keys to be set.
    """
    names = sorted(path.stem for path in (CONF_FOLDER / "experiment").glob("*.yaml"))
    given = min((_overrides(name, study, settings) for name in names), key=len)
    return command("sample_and_train", f"space={as_value(source)}", *given)


def _overrides(experiment: str, study: StudyFolder, settings: Mapping[str, Any]) -> list[str]:
    now = asdict(experiment_values(experiment, CONF_FOLDER))
    wanted = {
        **{key: settings[key] for key in ("num_models", "seed") if key in settings},
        # keys that came later than the settings keep their defaults
        **{key: now[key] | (settings.get(key) or {}) for key in TRAINING_SECTIONS},
        "space_overrides": settings.get("space_overrides") or {},
        "study": study.name,
        "output_root": str(study.root.parent),
    }
    changes = differences(wanted, {key: now[key] for key in wanted})
    return [f"experiment={experiment}", *(f"{key}={as_value(value)}" for key, value, _ in changes)]
