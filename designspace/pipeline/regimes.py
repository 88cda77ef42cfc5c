"""Step 4 over several studies: their best parameters side by side -> <output_root>/regimes/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from designspace.config import AnalyzeConfig
from designspace.errors import UserError
from designspace.files import make_writable_folder
from designspace.pipeline.collect import study_runs
from designspace.store.paths import find_study, regimes_folder
from designspace.store.tables import MISSING


@dataclass(frozen=True)
class RegimesResult:
    """What the comparison of several studies wrote."""

    text: str  # tables for the terminal
    paths: list[Path]


def compare_regimes(config: AnalyzeConfig) -> RegimesResult:
    """Put the best parameters of the studies `config.regimes` side by side: tables and a figure.

    Raises:
        UserError: a study is unknown, or nothing of it is trained.
    """
    from designspace.analysis.regimes import regimes
    from designspace.report.files import save_figure, save_table
    from designspace.report.regimes_figure import regimes_figure
    from designspace.report.tables.regimes import regime_table, trend_table
    from designspace.report.text.regimes import regimes_text

    studies = [(name, _read_study(config.output_root, name)) for name in config.regimes]
    found = regimes(studies, seed=config.seed)
    folder = regimes_folder(config.output_root)
    make_writable_folder(folder)
    paths = save_figure(regimes_figure(found), folder, "regimes")
    paths.append(save_table(regime_table(found), folder / "regimes.csv"))
    paths.append(save_table(trend_table(found), folder / "trends.csv"))
    return RegimesResult(regimes_text(found), paths)


def _read_study(output_root: str, name: str) -> pd.DataFrame:
    runs = study_runs(find_study(output_root, name)).runs
    if (runs["status"] == MISSING).all():
        raise UserError(f"regimes: none of the {len(runs)} models of study {name} has been trained")
    return runs
