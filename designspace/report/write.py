"""An analysis on disk: its tables as CSV, its figures as PNG and SVG."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from designspace.analysis.study import StudyAnalysis
from designspace.analysis.tables import edf_table, fit_table, parameter_table, summary_table
from designspace.paths import replacing
from designspace.report.edf_figure import edf_figure
from designspace.report.parameter_figures import fit_figure, parameter_figure
from designspace.report.style import save_figure
from designspace.report.width_figure import width_figure


def write_analysis(study: StudyAnalysis, folder: Path) -> list[Path]:
    """Write every table and figure into the folder, which is made if needed, and return their paths.

    summary.csv, edf.csv, parameters.csv and fits.csv; edf, widths, fit and one parameters_<space>, each as
    .png and .svg. Every file appears complete or not at all: temporary name, then rename.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [
        _save_table(summary_table(study), folder / "summary.csv"),
        _save_table(edf_table(study), folder / "edf.csv"),
        _save_table(parameter_table(study), folder / "parameters.csv"),
        _save_table(fit_table(study), folder / "fits.csv"),
    ]
    paths += save_figure(edf_figure(study), folder, "edf")
    paths += save_figure(width_figure(study), folder, "widths")
    paths += save_figure(fit_figure(study), folder, "fit")
    for index, space in enumerate(study.spaces):
        paths += save_figure(parameter_figure(space, index), folder, f"parameters_{_file_name(space.name)}")
    return paths


def _save_table(table: pd.DataFrame, path: Path) -> Path:
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.10g")
    return path


def _file_name(name: str) -> str:
    """A space's name with everything but letters, digits, dot, dash and underscore replaced."""
    return re.sub(r"[^\w.-]", "_", name)
