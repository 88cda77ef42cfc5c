"""Step 4: all spaces of a study -> analysis/, tables and figures."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from designspace.commands import command
from designspace.config import AnalyzeConfig
from designspace.errors import UserError
from designspace.files import check_name, make_writable_folder
from designspace.launch.local import Processes, available_cores
from designspace.overrides import as_value
from designspace.pipeline.collect import collect_runs, study_runs
from designspace.store.paths import find_study
from designspace.store.population import read_settings
from designspace.store.tables import MISSING
from designspace.store.versions import versions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnalysisResult:
    """What the analysis of a study wrote."""

    summary: str  # a table for the terminal, one line per space
    folder: Path
    paths: list[Path]


def analyze_study(config: AnalyzeConfig) -> AnalysisResult:
    """Compare all spaces of a study, finished or not, and write tables, figures and the report.

    Raises:
        UserError: there is no such study, or it holds no population.
    """
    from designspace.analysis.study import analyze  # these import SciPy and matplotlib: slow
    from designspace.pipeline.pools import study_pools
    from designspace.report.provenance import about_study
    from designspace.report.text.summary import summary_text
    from designspace.report.write import write_analysis

    folder = find_study(config.output_root, config.study)
    check_name(folder.root)
    log.info("%s: %s", folder.root, ", ".join(space.name for space in folder.spaces()))
    collected = study_runs(folder, collect_runs)
    if (collected.runs["status"] == MISSING).all():
        raise UserError(
            f"{folder.root}: none of its {len(collected.runs)} models has been trained; "
            f"run {command('sample_and_train')}"
        )
    make_writable_folder(folder.analysis)
    executor = Processes(available_cores())
    pools = study_pools(folder, collected.runs, executor) if config.powered else {}
    study = analyze(collected, seed=config.seed, pools=pools, executor=executor)
    about = about_study(
        study,
        {space.name: read_settings(space) for space in folder.spaces() if space.config.exists()},
        name=folder.name,
        command=_command(config, folder.name),
        versions=versions(),
    )
    paths = write_analysis(study, folder.analysis, about, executor=executor)
    return AnalysisResult(summary_text(study), folder.analysis, paths)


def _command(config: AnalyzeConfig, study: str) -> str:
    """The command that does the same again."""
    given = vars(replace(config, study=study))
    changed = {key: value for key, value in given.items() if value != getattr(AnalyzeConfig(), key)}
    words = [f"{key}={as_value(value)}" for key, value in changed.items()]
    return command("analyze", *words)
