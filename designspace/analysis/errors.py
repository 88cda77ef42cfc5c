"""The errors of a study alone: what can be shown of it within a second."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from designspace.analysis.chance import AgainstChance, against_chance
from designspace.analysis.edf import ErrorDistribution, ErrorWindow, error_distribution, error_window
from designspace.analysis.references import ReferencePoint, reference_points
from designspace.analysis.results import check_runs, count_statuses, finished_errors, sampled
from designspace.analysis.summary import Summary, summarize


@dataclass(frozen=True)
class SpaceErrors:
    """The errors of one space."""

    name: str
    edf: ErrorDistribution
    summary: Summary  # of the trained models


@dataclass(frozen=True)
class StudyErrors:
    """The errors of all spaces, in alphabetical order; the same numbers as in `study.StudyAnalysis`."""

    spaces: tuple[SpaceErrors, ...]
    window: ErrorWindow
    references: tuple[ReferencePoint, ...]  # published networks, that of the lowest error first
    chance: AgainstChance | None  # of the models of all spaces


def study_errors(runs: pd.DataFrame) -> StudyErrors:
    """From the table of the runs of a study, finished or not."""
    check_runs(runs)
    drawn = sampled(runs).sort_values(["space", "model_id"], kind="stable", ignore_index=True)
    populations = {str(name): rows.reset_index(drop=True) for name, rows in drawn.groupby("space")}
    return StudyErrors(
        spaces=tuple(_space_errors(name, rows) for name, rows in populations.items()),
        window=error_window(finished_errors(drawn)),
        references=reference_points(runs, populations),
        chance=against_chance(drawn),
    )


def _space_errors(name: str, runs: pd.DataFrame) -> SpaceErrors:
    errors, counts = finished_errors(runs), count_statuses(runs)
    return SpaceErrors(name, error_distribution(errors, counts), summarize(errors, counts))
