"""An analysis on disk: its tables as CSV, its figures as PNG and SVG, and all of it as one page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from designspace.analysis.errors import StudyErrors
from designspace.analysis.executor import IN_THIS_PROCESS, Executor
from designspace.analysis.study import StudyAnalysis
from designspace.report.contents import cautions, summary, topics
from designspace.report.edf_figure import edf_figure
from designspace.report.files import remove_figure, save_figure, save_table
from designspace.report.html import write_report
from designspace.report.provenance import About, about_study
from designspace.report.topic import Topic


def write_edf(study: StudyErrors, folder: Path) -> Path:
    """Write the figure of the error distributions ahead of all others; returns the path of its PNG."""
    return save_figure(edf_figure(study), folder, "edf")[0]


def write_analysis(
    study: StudyAnalysis,
    folder: Path,
    about: About | None = None,
    *,
    executor: Executor = IN_THIS_PROCESS,
    drawn: Callable[[str], None] | None = None,
) -> list[Path]:
    """Write every table and figure and the report into the folder, made if needed, and return their paths.

    A figure of an earlier analysis that would now show nothing is removed. Every file appears complete or not
    at all: temporary name, then rename. The `executor` may draw the figures in worker processes, which does
    not change them; `drawn` is told the name of each as it is there.

    Raises:
        RunError: a worker process failed to draw or write a figure.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths, found = [], topics(study)
    figures = _save_figures(study, folder, found, executor, drawn)
    for topic in found:
        paths += [save_table(table, folder / name) for name, table in topic.tables.items()]
        paths += [path for name in topic.figures for path in figures[name]]
        for name in topic.empty:
            remove_figure(folder, name)
    about = about or about_study(study, {}, name=folder.parent.name)
    paths.append(write_report(study, found, folder, about, summary=summary(study), cautions=cautions(study)))
    return paths


def _save_figures(
    study: StudyAnalysis,
    folder: Path,
    found: Iterable[Topic],
    executor: Executor,
    drawn: Callable[[str], None] | None,
) -> dict[str, list[Path]]:
    """The files of every figure, by its name."""
    names = [name for topic in found for name in topic.figures]
    setup = partial(_drawing, study, folder)
    paths = executor.map(setup, names, complaint=lambda name: f"{folder / name}: drawing failed", ended=drawn)
    return dict(zip(names, paths, strict=True))


def _drawing(study: StudyAnalysis, folder: Path) -> Callable[[str], list[Path]]:
    """In the worker: what draws and saves the figure of a name."""
    figures = {name: draw for topic in topics(study) for name, draw in topic.figures.items()}
    return lambda name: save_figure(figures[name](), folder, name)
