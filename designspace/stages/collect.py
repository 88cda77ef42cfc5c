"""Stage 3: models.parquet and runs/*.json -> runs.parquet."""

from __future__ import annotations

import logging

import pandas as pd

from designspace.paths import SpaceFolder
from designspace.records import collect, write_table

log = logging.getLogger(__name__)


def collect_runs(folder: SpaceFolder) -> pd.DataFrame:
    """Join population and records, write runs.parquet and return it; each unusable file is named."""
    collected = collect(folder)
    for problem in collected.skipped:
        log.warning("%s; skipped", problem)
    write_table(folder.runs, collected.runs)
    return collected.runs
