"""Step 4: all spaces of a study -> analysis/, tables and figures."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from designspace.analysis.errors import StudyErrors, study_errors
from designspace.analysis.results import StudyRuns
from designspace.commands import command
from designspace.config import AnalyzeConfig
from designspace.errors import UserError
from designspace.files import check_name, make_writable_folder
from designspace.launch.local import Processes, available_cores
from designspace.overrides import as_value
from designspace.pipeline.collect import collect_runs, read_runs, study_runs
from designspace.store.paths import StudyFolder, find_study
from designspace.store.population import read_settings
from designspace.store.tables import MISSING
from designspace.store.versions import versions
from designspace.training.progress import Waiting

if TYPE_CHECKING:
    from designspace.analysis.study import StudyAnalysis

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnalysisResult:
    """What the analysis of a study wrote."""

    study: StudyAnalysis
    folder: Path
    paths: list[Path]


def analyze_study(
    config: AnalyzeConfig, first_look: Callable[[StudyErrors, Path], None] = lambda errors, edf: None
) -> AnalysisResult:
    """Compare all spaces of a study, finished or not, and write tables, figures and the report.

    `first_look` gets the errors and the path of their figure, which are there within seconds.

    Raises:
        UserError: there is no such study, or it holds no population.
    """
    folder = find_study(config.output_root, config.study)
    check_name(folder.root)
    log.info("%s: %s", folder.root, ", ".join(space.name for space in folder.spaces()))
    with Waiting(folder.name) as waiting:
        waiting.say("reading the records of all models")
        collected = study_runs(folder, collect_runs)
        if (collected.runs["status"] == MISSING).all():
            raise UserError(
                f"{folder.root}: none of its {len(collected.runs)} models has been trained; "
                f"run {command('sample_and_train')}"
            )
        make_writable_folder(folder.analysis)
        errors = study_errors(collected.runs)
        waiting.say("drawing edf")
        edf = _write_edf(errors, folder.analysis)
    first_look(errors, edf)
    with Waiting(folder.name) as waiting:
        return _analyze(config, folder, collected, waiting.say)


def draw_errors(folder: StudyFolder) -> Path:
    """Draw the error distributions of a study as far as it is; returns the path of the figure."""
    errors = study_errors(study_runs(folder, read_runs).runs)
    make_writable_folder(folder.analysis)
    return _write_edf(errors, folder.analysis)


def _write_edf(errors: StudyErrors, folder: Path) -> Path:
    from designspace.report.write import write_edf  # imports matplotlib: slow

    return write_edf(errors, folder)


def _analyze(
    config: AnalyzeConfig, folder: StudyFolder, collected: StudyRuns, say: Callable[[str], None]
) -> AnalysisResult:
    """The whole analysis; `say` is told what is being done."""
    from designspace.analysis.study import analyze  # these import SciPy and matplotlib: slow
    from designspace.pipeline.final_table import read_finals
    from designspace.pipeline.pools import study_pools
    from designspace.report.provenance import about_study
    from designspace.report.write import write_analysis

    executor = Processes(available_cores())
    pools = {}
    if config.powered:
        say("drawing untrained networks, which make means more certain")
        pools = study_pools(folder, collected.runs, executor)
    say("computing intervals, comparisons and fits of the widths")
    study = analyze(collected, seed=config.seed, pools=pools, executor=executor)
    study = replace(study, finals=read_finals(folder))
    about = about_study(
        study,
        {space.name: read_settings(space) for space in folder.spaces() if space.config.exists()},
        name=folder.name,
        command=_command(config, folder.name),
        versions=versions(),
    )
    say("drawing the figures")
    paths = write_analysis(
        study, folder.analysis, about, executor=executor, drawn=lambda name: say(f"drawn: {name}")
    )
    return AnalysisResult(study, folder.analysis, paths)


def _command(config: AnalyzeConfig, study: str) -> str:
    """The command that does the same again."""
    given = vars(replace(config, study=study))
    changed = {key: value for key, value in given.items() if value != getattr(AnalyzeConfig(), key)}
    words = [f"{key}={as_value(value)}" for key, value in changed.items()]
    return command("analyze", *words)
