"""Step 5: a trained population and a restriction -> what if, the refined space, a record of the step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from designspace.analysis.results import sampled
from designspace.commands import command
from designspace.config import RefineConfig, flow
from designspace.errors import UserError
from designspace.files import check_name, make_writable_folder
from designspace.overrides import as_value
from designspace.pipeline.collect import read_runs
from designspace.pipeline.refinement_files import (
    Step,
    check_record,
    is_declared,
    next_command,
    read_record,
    read_trained,
    write_record,
    write_space,
)
from designspace.spaces.load import Space, load_space, refine_space
from designspace.spaces.restrictions import SHARED, Restriction
from designspace.store.paths import SpaceFolder, StudyFolder, find_study, studies
from designspace.store.population import read_overrides
from designspace.store.tables import MISSING


@dataclass(frozen=True)
class RefineResult:
    """What was found, for the terminal, and what was written."""

    text: str
    paths: list[Path]


def refine(config: RefineConfig) -> RefineResult:
    """Answer what a restriction would change, or propose restrictions where none is given.

    Raises:
        UserError: the space, study or restriction is invalid, or nothing is trained.
    """
    study = _find_study(config, load_space(config.space.source).name)
    check_name(study.root)
    base = _base(config, study)
    runs = _read_population(study.space(base.name), base)
    restrict = config.restrict.declared()
    if not restrict and config.name is not None:
        record = read_record(study, config.name)
        if record is None:
            raise UserError(
                f"name={config.name}: needs a restriction, such as restrict.widths=non_decreasing"
            )
        restrict = record["restrict"]
    if not restrict:
        return _propose(config, study, base, runs)
    refined = refine_space(base, restrict, config.name or base.name)
    restrictions = tuple(r for r in refined.restrictions if r not in base.restrictions)
    if not restrictions:
        raise UserError(f"restrict={flow(restrict)}: space {base.name} has it already")
    return _answer(config, Step(study, base, refined, restrict, restrictions, runs))


def _base(config: RefineConfig, study: StudyFolder) -> Space:
    """The space with the overrides that its population in the study was sampled with."""
    name = load_space(config.space.source).name
    return load_space(config.space.source, read_overrides(study.space(name)))


def _find_study(config: RefineConfig, space: str) -> StudyFolder:
    """The study asked for, or of those with a population of the space the one that changed last."""
    if config.study is None:
        known = [study for study in studies(config.output_root) if study.space(space).models.exists()]
        if not known:
            raise UserError(
                f"space={space}: no study below {config.output_root} has a population of it; "
                f"run {command('sample_and_train', f'space={config.space.source}')} first"
            )
        return known[-1]
    study = find_study(config.output_root, config.study)
    if not study.space(space).models.exists():
        names = ", ".join(folder.name for folder in study.spaces())
        raise UserError(f"space={space}: no population in study {study.name}; spaces there: {names}")
    return study


def _read_population(folder: SpaceFolder, space: Space) -> pd.DataFrame:
    if not is_declared(folder, space):
        raise UserError(
            f"space={space.name}: {folder.root} holds the population of another declaration of this name; "
            "see its config.yaml"
        )
    runs = sampled(read_runs(folder))
    if (runs["status"] == MISSING).all():
        raise UserError(f"{folder.root}: none of its {len(runs)} models has been trained")
    return runs


# ---- without a restriction: proposals ----------------------------------------------------------------------


def _propose(config: RefineConfig, study: StudyFolder, base: Space, runs: pd.DataFrame) -> RefineResult:
    from designspace.analysis.proposals import propose  # these import SciPy and matplotlib: slow
    from designspace.report.files import file_name, save_figure, save_table
    from designspace.report.refinement_figure import proposals_figure
    from designspace.report.tables.refinement import proposal_table
    from designspace.report.text.refinement import proposals_text, restriction_words

    proposals = propose(base, runs, seed=config.seed)
    title = f"{base.name} in study {study.name}: restrictions that its best models suggest"
    if not proposals:
        return RefineResult(f"{title}\nnone", [])
    make_writable_folder(study.analysis)
    name = f"refine_{file_name(base.name)}_proposals"
    paths = save_figure(proposals_figure(proposals, title=title), study.analysis, name)
    paths.append(save_table(proposal_table(proposals), study.analysis / f"{name}.csv"))
    first = proposals[0].restriction
    text = [
        title,
        proposals_text(proposals),
        "difference: mean error of the models kept minus that of the rest, in points. The same errors chose",
        "the ranges, so their differences are optimistic; p repeats the choice on permuted errors.",
        f"to look at one ({restriction_words(first)}):",
        f"  {_what_if_command(config, study, first)}",
    ]
    return RefineResult("\n".join(text), paths)


def _what_if_command(config: RefineConfig, study: StudyFolder, restriction: Restriction) -> str:
    words = [f"space={as_value(config.space.source)}", f"study={as_value(study.name)}"]
    if config.output_root != RefineConfig.output_root:
        words.append(f"output_root={as_value(config.output_root)}")
    words.append(f"restrict.{restriction.parameter}={_rule(restriction)}")
    return command("refine", *words)


def _rule(restriction: Restriction) -> str:
    if restriction.kind != "range":
        return restriction.kind
    return f"{{range: [{restriction.low:.10g}, {restriction.high:.10g}]}}"


# ---- with a restriction: what if ---------------------------------------------------------------------------


def _answer(config: RefineConfig, step: Step) -> RefineResult:
    from designspace.analysis.edf import error_window
    from designspace.analysis.refinement import meets, what_if
    from designspace.analysis.results import finished_errors
    from designspace.report.files import file_name, save_figure, save_table
    from designspace.report.refinement_figure import refinement_figure
    from designspace.report.tables.refinement import group_table
    from designspace.report.text.refinement import groups_text, what_if_sentence

    keep = meets(step.runs, step.restrictions)
    if config.name is None and not keep.any():
        raise UserError(
            f"restrict={flow(step.restrict)}: none of the {len(step.runs)} models of {step.base.name} in "
            f"study {step.study.name} meets it; with name=... it can still be written and trained"
        )
    found = what_if(step.runs, step.restrictions, seed=config.seed)
    trained = read_trained(step, config.seed) if config.name is not None else None
    said = what_if_sentence(found)
    text, written = [said, *_notes(step, found.difference.effective_n)], []
    if remaining := step.remaining():
        text.append(remaining)
    if config.name is not None:
        check_record(config, step)
        space_file, is_new = write_space(config, step, int(keep.sum()))
        record, record_file = write_record(config, step, found, trained)
        written = [record_file, *([space_file] if is_new else [])]
        text += [] if is_new else [f"{config.name} is declared already in {space_file}"]
        text.append(f"verdict: {record['verdict']['status']}. {record['verdict']['sentence']}")
        said += f" {record['verdict']['sentence']}" if trained else ""
        text += next_command(space_file, step) if trained is None else []

    make_writable_folder(step.study.analysis)
    name = f"refine_{file_name(config.name or step.base.name)}"
    title = f"{step.base.name} in study {step.study.name}: {step.condition}"
    groups = [found.everything, found.kept, found.rest, *([trained.group] if trained else [])]
    errors = np.concatenate([finished_errors(step.runs), *([trained.errors] if trained else [])])
    figure = refinement_figure(groups, error_window(errors), title=title, sentence=said)
    table = group_table(groups, [None, found.difference, None, *([trained.from_base] if trained else [])])
    paths = save_figure(figure, step.study.analysis, name)
    paths.append(save_table(table, step.study.analysis / f"{name}.csv"))
    return RefineResult("\n".join([title, groups_text(groups), *text]), [*paths, *written])


def _notes(step: Step, effective_n: float) -> list[str]:
    """What the numbers are worth, and what they cannot tell."""
    notes = []
    if effective_n:
        notes.append(f"effective n {effective_n:.0f}: as informative as two groups of this size each")
    for restriction in step.restrictions:
        if restriction.kind == SHARED and not _is_uniform(step.base, restriction.parameter):
            notes.append(
                f"{restriction.parameter} shared: stages that agree by chance have its values in other "
                "shares than one shared draw gives"
            )
    return notes


def _is_uniform(space: Space, parameter: str) -> bool:
    probabilities = space.parameters[parameter].probabilities
    return bool(np.allclose(probabilities, probabilities[0]))
