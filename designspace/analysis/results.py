"""The table of runs: what its rows may hold, and how many models of a space have which verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from designspace.networks.architecture import FloatArray
from designspace.networks.names import NETWORK

BoolArray = npt.NDArray[np.bool_]

STATUSES = ("done", "diverged", "failed", "missing")
WORST = 100.0  # percent; stands for models without an error
DESCRIPTION = ("depths", "widths", "bottleneck_ratios", "group_widths")  # null where a name stands for it
REQUIRED = ("model_id", "space", *DESCRIPTION, "flops", "params", "acts", "status", "error")


@dataclass(frozen=True, eq=False)
class StudyRuns:
    """All models of a study that were sampled, one row per model; see `REQUIRED` for the columns."""

    runs: pd.DataFrame
    repeats: pd.DataFrame  # some of them trained with other seeds; the number of each in `repeat`, from 1
    extended: pd.DataFrame  # some of them trained for more epochs


@dataclass(frozen=True)
class Counts:
    """Models of one space by status."""

    done: int
    diverged: int
    failed: int
    missing: int  # not run yet; says nothing about the space

    @property
    def n(self) -> int:
        """Models with a verdict: done, diverged or failed."""
        return self.done + self.diverged + self.failed


def check_runs(runs: pd.DataFrame) -> None:
    """Raise a ValueError that lists everything that is wrong with the table."""
    problems = []
    reference = is_reference(runs)
    needed = [name for name in REQUIRED if name not in DESCRIPTION or not reference.all() or not len(runs)]
    if absent := [name for name in needed if name not in runs]:
        problems.append(f"columns {absent} are missing")
    else:
        if unknown := sorted(set(runs["status"].astype(str)) - set(STATUSES)):
            problems.append(f"status must be one of {list(STATUSES)}, but got {unknown}")
        undescribed = runs.reindex(columns=list(DESCRIPTION)).isna().any(axis=1).to_numpy(dtype=bool)
        if (wrong := int((undescribed & ~reference).sum())) > 0:
            problems.append(f"{wrong} rows have neither all of {list(DESCRIPTION)} nor the name of a network")
        done = (runs["status"] == "done").to_numpy(dtype=bool)
        finite = np.isfinite(runs["error"].to_numpy(dtype=float, na_value=np.nan))
        if (wrong := int((done != finite).sum())) > 0:
            problems.append(f"{wrong} rows contradict 'error is a number exactly where status is done'")
    if problems:
        raise ValueError("runs: " + "; ".join(problems))


def is_reference(runs: pd.DataFrame) -> BoolArray:
    """Which rows name a reference network in the column `network` (which may be absent), [n]."""
    if NETWORK not in runs:
        return np.zeros(len(runs), dtype=bool)
    return runs[NETWORK].notna().to_numpy(dtype=bool)


def sampled(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of sampled networks: a reference network is no sample of a space and enters no statistic."""
    return runs[~is_reference(runs)]


def count_statuses(runs: pd.DataFrame) -> Counts:
    """Count the rows of each status."""
    counts = runs["status"].value_counts()
    return Counts(*(int(counts.get(status, 0)) for status in STATUSES))


def finished_errors(runs: pd.DataFrame) -> FloatArray:
    """Top-1 errors in percent of the models that are done, in the order of the rows, [n_done]."""
    return runs.loc[runs["status"] == "done", "error"].to_numpy(dtype=float)


def outcomes(runs: pd.DataFrame) -> FloatArray:
    """Top-1 error in percent of every row [n]: 100 where diverged or failed, NaN where not run yet."""
    done, missing = runs["status"] == "done", runs["status"] == "missing"
    errors = runs["error"].to_numpy(dtype=float, na_value=np.nan)
    return np.where(done, errors, np.where(missing, np.nan, WORST))
