"""What a refinement leaves behind: the file of the refined space, and the record of the step.

The record holds the hypothesis (the restriction) and the evidence for it as they were first written, and the
verdict: how the refined space's own population, trained in the same study, compares with that of its base.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml

from designspace.config import RefineConfig, flow
from designspace.errors import UserError
from designspace.files import make_writable_folder, replacing, user_path
from designspace.launch.local import Processes, available_cores
from designspace.networks.architecture import FloatArray
from designspace.pipeline.collect import read_runs, study_runs
from designspace.pipeline.sample import TRAINING_SECTIONS, changed_settings
from designspace.pipeline.training_command import training_command
from designspace.spaces.load import (
    OWN_SPACES,
    SPACE_FOLDER,
    Space,
    add_restrictions,
    load_space,
    named_space_file,
    stream_key,
)
from designspace.spaces.restrictions import Restriction
from designspace.store.paths import SpaceFolder, StudyFolder
from designspace.store.population import read_overrides, read_settings
from designspace.store.tables import MISSING
from designspace.store.versions import git_commit, versions
from designspace.yaml_files import read_yaml

if TYPE_CHECKING:
    from designspace.analysis.compare import Comparison
    from designspace.analysis.powered import Sample
    from designspace.analysis.refinement import Group, WhatIf

VERDICTS = {"better": "confirmed", "worse": "not confirmed"}  # of a difference; any other is undecided
RECORD_KEYS = {"base", "restrict", "evidence", "verdict"}


@dataclass(frozen=True, eq=False)
class Step:
    """From one space to a refined one, in one study."""

    study: StudyFolder
    base: Space
    refined: Space
    restrict: dict[str, Any]  # as declared by the user
    restrictions: tuple[Restriction, ...]  # the same, read
    runs: pd.DataFrame  # of the base

    @property
    def condition(self) -> str:
        """The restrictions in words."""
        from designspace.report.text.refinement import restriction_words

        return " and ".join(restriction_words(restriction) for restriction in self.restrictions)

    def remaining(self) -> str:
        """How many configurations the restriction leaves; empty where it is not one of those counted."""
        before, after = self.base.count(), self.refined.count()
        if before == after:
            return ""
        left_out = "the number of stages" if self.base.family == "regnet" else "conditions on the total depth"
        share = 100 * after / before
        percent = f"{share:.2g}" if share < 99.5 else f"{share:.1f}"
        return f"{after:.2g} of {before:.2g} configurations remain, {percent} % (before {left_out})"


@dataclass(frozen=True, eq=False)
class Trained:
    """The refined space's own population, beside that of the space it refines."""

    errors: FloatArray  # [n_done] top-1 percent
    group: Group
    from_base: Comparison
    from_kept: Comparison  # from the base's models that meet the restriction
    problem: str | None  # why it cannot be compared


def read_trained(step: Step, seed: int) -> Trained | None:
    """The population of the refined space in the study; None where it has no trained model yet."""
    from designspace.analysis.compare import compare
    from designspace.analysis.refinement import group, meets
    from designspace.analysis.results import finished_errors, sampled

    folder = step.study.space(step.refined.name)
    if not folder.models.exists():
        return None
    runs = sampled(read_runs(folder))
    if (runs["status"] == MISSING).all():
        return None
    samples = _study_samples(step.study, seed)
    kept = step.runs[meets(step.runs, step.restrictions)]
    return Trained(
        errors=finished_errors(runs),
        group=group(f"{folder.name}, trained", runs),
        from_base=compare(folder.name, step.base.name, runs, step.runs, seed=seed, samples=samples),
        from_kept=compare(folder.name, "kept", runs, kept, seed=seed),
        problem=_problem(step, folder),
    )


def _study_samples(study: StudyFolder, seed: int) -> dict[str, Sample]:
    """For the mean error of every space of the study, as its analysis has them."""
    from designspace.analysis.powered_study import mean_samples
    from designspace.analysis.results import sampled
    from designspace.pipeline.pools import study_pools

    runs = sampled(study_runs(study).runs)
    populations = {str(name): rows for name, rows in runs.groupby("space")}
    return mean_samples(populations, study_pools(study, runs, Processes(available_cores())), seed=seed)


def is_declared(folder: SpaceFolder, space: Space) -> bool:
    """Whether the population was drawn from this declaration; its name does not matter."""
    declared = dict(read_settings(folder).get("space") or {})
    return {**declared, "name": None} == {**space.definition, "name": None}


def _problem(step: Step, folder: SpaceFolder) -> str | None:
    """Why the errors of the two populations may not be compared, if they may not."""
    if not is_declared(folder, step.refined):
        return f"{folder.root} holds the population of another declaration"
    base = read_settings(step.study.space(step.base.name))
    if changed := changed_settings(base, read_settings(folder), TRAINING_SECTIONS):
        return f"{folder.root} was trained with other settings: {'; '.join(changed)}"
    return None


# ---- the space ---------------------------------------------------------------------------------------------


def write_space(config: RefineConfig, step: Step, kept: int) -> tuple[Path, bool]:
    """<output>/<name>.yaml, and whether it is new: one that declares the same space stays as it is.

    Without an output, the name may be that of a space of the project's; a new one goes into conf/space below
    the current folder.
    """
    folder = OWN_SPACES if config.output is None else user_path("output", config.output)
    known = named_space_file(str(config.name)) if config.output is None else None
    path = known or folder / f"{config.name}.yaml"
    overrides = read_overrides(step.study.space(step.base.name))
    if path.exists():
        if stream_key(load_space(path.resolve(), overrides)) != stream_key(step.refined):
            raise UserError(f"name={config.name}: {path} declares another space; choose another name")
        return path, False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(_space_text(config, step, folder, kept), encoding="utf-8")
    except OSError as error:
        raise UserError(f"output: cannot write {path}: {error.strerror}; choose another folder") from None
    assert stream_key(load_space(path.resolve(), overrides)) == stream_key(step.refined)
    return path, True


def _space_text(config: RefineConfig, step: Step, folder: Path, kept: int) -> str:
    source = config.space.source
    if source.endswith((".yaml", ".yml")) or "/" in source:
        source = Path(os.path.relpath(source, folder)).as_posix()
    remaining = step.remaining()
    lines = [
        f"# {step.base.name} with {step.condition}.",
        *([f"# {remaining}."] if remaining else []),
        f"# {kept} of {len(step.runs)} models of study {step.study.name} meet it.",
        f"base: {flow(source)}",
        "restrictions:",
        *(f"  {name}: {flow(rule)}" for name, rule in add_restrictions(step.base, step.restrict).items()),
    ]
    return "\n".join(lines) + "\n"


def next_command(space_file: Path, step: Step) -> Sequence[str]:
    """How the refined space gets its own population."""
    inside = space_file.parent in (OWN_SPACES, SPACE_FOLDER)
    settings = read_settings(step.study.space(step.base.name))
    return [
        f"to fill it in, train the refined space with the settings of {step.base.name}, then run this again:",
        f"  {training_command(space_file.stem if inside else str(space_file), step.study, settings)}",
    ]


# ---- the record --------------------------------------------------------------------------------------------


def read_record(study: StudyFolder, name: str) -> dict[str, Any] | None:
    """The record of the step to the space of that name; None where there is none."""
    path = study.refinements / f"{name}.yaml"
    try:
        record = read_yaml(path)
    except FileNotFoundError:
        return None
    if not isinstance(record, dict) or not record.keys() >= RECORD_KEYS:
        raise UserError(f"{path}: is not the record of a refinement")
    return record


def check_record(config: RefineConfig, step: Step) -> None:
    """Raises UserError where the name stands for another step already."""
    record = read_record(step.study, str(config.name))
    if record is not None and (record["base"], record["restrict"]) != (step.base.name, step.restrict):
        raise UserError(
            f"name={config.name}: study {step.study.name} records it as {record['base']} with "
            f"{flow(record['restrict'])}; choose another name"
        )


def write_record(
    config: RefineConfig, step: Step, found: WhatIf, trained: Trained | None
) -> tuple[dict[str, Any], Path]:
    """Hypothesis and evidence are written once; the verdict follows what has been trained since."""
    name = str(config.name)
    record = read_record(step.study, name) or _first_record(config, step, found, trained)
    verdict = _plain(_verdict(step, trained))
    if verdict != {key: value for key, value in record["verdict"].items() if key != "made"}:
        record["verdict"] = {**verdict, "made": _made(config)}
    path = step.study.refinements / f"{name}.yaml"
    make_writable_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_text(yaml.safe_dump(record, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return record, path


def _first_record(config: RefineConfig, step: Step, found: WhatIf, trained: Trained | None) -> dict[str, Any]:
    from designspace.report.tables.refinement import difference_values
    from designspace.report.text.refinement import what_if_sentence

    statement = f"Networks of {step.base.name} with {step.condition} have lower errors than the others."
    evidence = {
        "study": step.study.name,
        "sentence": what_if_sentence(found),
        "n": found.everything.summary.counts.n,
        "n_kept": found.kept.summary.counts.n,
        "mean": found.everything.summary.mean,
        "mean_kept": found.kept.summary.mean,
        "mean_rest": found.rest.summary.mean,
        "difference_of_kept_from_rest": difference_values(found.difference),
        "made": _made(config),
    }
    return {
        "name": config.name,
        "base": step.base.name,
        "restrict": step.restrict,
        "hypothesis": statement,
        "written_before_training": trained is None,
        "configurations": {"before": step.base.count(), "after": step.refined.count()},
        "evidence": _plain(evidence),
        "verdict": {},
    }


def _verdict(step: Step, trained: Trained | None) -> dict[str, Any]:
    """Of a whole population only: looking at a growing one again and again finds what it looks for."""
    from designspace.report.tables.refinement import difference_values
    from designspace.report.text.compare import comparison_sentence

    name = step.refined.name
    if trained is None:
        return {"status": "open", "sentence": f"{name} is not trained in this study yet."}
    if trained.problem is not None:
        return {"status": "open", "sentence": f"No verdict: {trained.problem}."}
    counts = trained.group.summary.counts
    if counts.missing:
        left = f"{counts.missing} of {counts.n + counts.missing} models of {name} are not trained yet."
        return {"status": "open", "sentence": left}
    return {
        "status": VERDICTS.get(trained.from_base.verdict, "undecided"),
        "sentence": comparison_sentence(trained.from_base),
        "n": counts.n,
        "n_done": counts.done,
        "mean": trained.group.summary.mean,
        f"difference_from_{step.base.name}": difference_values(trained.from_base),
        "difference_from_the_models_kept": difference_values(trained.from_kept),
    }


def _made(config: RefineConfig) -> dict[str, Any]:
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seed": config.seed,
        "versions": versions(),
        "git_commit": git_commit(),
    }


def _plain(value: Any) -> Any:
    """Numbers as YAML can hold them: plain, with six digits; None for what is not known."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else float(f"{value:.6g}")
    return value
