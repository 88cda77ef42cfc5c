"""Step 3: models.parquet and runs/*.json -> runs.parquet."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pandas as pd

from designspace.analysis.results import StudyRuns
from designspace.store.paths import SpaceFolder, StudyFolder
from designspace.store.tables import collect, write_table

log = logging.getLogger(__name__)


def collect_runs(folder: SpaceFolder) -> pd.DataFrame:
    """Join population and records, write runs.parquet and return it; each unusable file is named."""
    runs = read_runs(folder)
    write_table(folder.runs, runs)
    return runs


def read_runs(folder: SpaceFolder) -> pd.DataFrame:
    """Join population and records; nothing is written, and each unusable file is named."""
    collected = collect(folder)
    for problem in collected.skipped:
        log.warning("%s; skipped", problem)
    return collected.runs


def study_runs(folder: StudyFolder, read: Callable[[SpaceFolder], pd.DataFrame] = read_runs) -> StudyRuns:
    """All spaces of a study with their reruns, each read by `read`."""
    spaces = folder.spaces()
    repeats = [read(run).assign(repeat=n) for space in spaces for n, run in space.repeats().items()]
    extended = [read(run) for space in spaces for run in space.extended().values()]
    return StudyRuns(
        _concatenated([read(space) for space in spaces]), _concatenated(repeats), _concatenated(extended)
    )


def _concatenated(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
