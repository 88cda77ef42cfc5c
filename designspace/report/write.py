"""An analysis on disk: its tables as CSV, its figures as PNG and SVG, and all of it as one page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from designspace.analysis.study import StudyAnalysis
from designspace.paths import replacing
from designspace.report.about import About, about_study
from designspace.report.html import Section, write_report
from designspace.report.style import save_figure
from designspace.report.topics import cautions, summary, topics


def write_analysis(study: StudyAnalysis, folder: Path, about: About | None = None) -> list[Path]:
    """Write every table and figure and the report into the folder, made if needed, and return their paths.

    Every file appears complete or not at all: temporary name, then rename.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths, sections = [], []
    for topic in topics(study):
        paths += [_save_table(table, folder / name) for name, table in topic.tables.items()]
        for name, draw in topic.figures.items():
            paths += save_figure(draw(), folder, name)
        sections.append(
            Section(topic.id, topic.title, topic.text, tuple(topic.figures), tuple(topic.tables), topic.chart)
        )
    about = about or about_study(study, {}, name=folder.parent.name)
    paths.append(
        write_report(study, sections, folder, about, summary=summary(study), cautions=cautions(study))
    )
    return paths


def _save_table(table: pd.DataFrame, path: Path) -> Path:
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.10g")
    return path
