"""Which networks of a study are worth a long training: the best, those in the middle, or named ones.

The least error of a population is partly luck. Where models were trained with several seeds, errors are
shrunk towards the mean of their space by the share of noise in them (the best linear prediction of the true
error in the one-way model of `noise`); elsewhere the error is taken as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from designspace.analysis.noise import seed_noise
from designspace.analysis.results import StudyRuns, is_reference
from designspace.errors import UserError

COUNTED = re.compile(r"(best|median|best_of):(\d{1,7})")
ID = re.compile(r"[0-9a-f]{6,16}")  # the beginning of a model_id
ALLOWED = "best:N, median:N, best_of:N, ids of models (at least 6 digits), or names of networks"


@dataclass(frozen=True)
class Selection:
    """Models of a study, in the order in which they were asked for, each once."""

    runs: pd.DataFrame  # rows of the study's runs, with `expected` [percent] and `asked`, what selected them
    shrunk: bool  # whether errors are shrunk for luck


def select(study: StudyRuns, asked: Sequence[str], space: str | None = None) -> Selection:
    """The models that are asked for, each as `ALLOWED` says.

    best:N are those of the least expected error, median:N those nearest to the median; best_of:N is the best
    of the first N models of the population, which are N random networks of its space.

    Raises:
        UserError: a request is not understood, or nothing fits it.
    """
    runs = study.runs if space is None else study.runs[study.runs["space"] == space]
    if runs.empty:
        raise UserError(f"space={space}: must be one of {', '.join(sorted(set(study.runs['space'])))}")
    found = expected_errors(study.runs, study.repeats)
    runs = runs.assign(expected=found.loc[runs.index])
    parts = [_rows(runs, one).assign(asked=one) for one in asked]
    chosen = pd.concat(parts) if parts else runs.iloc[:0]
    chosen = chosen.drop_duplicates(["space", "model_id"]).reset_index(drop=True)
    return Selection(chosen, shrunk=_seed_variance(study.runs, study.repeats) is not None)


def expected_errors(runs: pd.DataFrame, repeats: pd.DataFrame) -> pd.Series:
    """Expected true error of each row in percent; NaN where it has none, the plain error without repeats."""
    errors = runs["error"].astype(float).where(runs["status"] == "done")
    noise = _seed_variance(runs, repeats)
    if noise is None:
        return errors
    again = repeats[repeats["status"] == "done"].groupby(["space", "model_id"])["error"].agg(["sum", "count"])
    again = again.reindex(pd.MultiIndex.from_frame(runs[["space", "model_id"]])).fillna(0.0)
    count = again["count"].to_numpy() + 1
    means = (errors + again["sum"].to_numpy()) / count
    by_space = errors.groupby(runs["space"])
    true_variance = (by_space.transform("var") - noise).clip(lower=0.0)
    weight = (true_variance / (true_variance + noise / count)).fillna(1.0)
    centre = by_space.transform("mean")
    expected: pd.Series = centre + weight * (means - centre)
    return expected


def _seed_variance(runs: pd.DataFrame, repeats: pd.DataFrame) -> float | None:
    """Variance of one model's error between seeds, over all spaces; None where it is not known."""
    if repeats.empty:
        return None
    std = seed_noise(runs, repeats, rng=np.random.default_rng(0), resamples=1).pooled.seed_std.value
    return None if np.isnan(std) else float(std**2)


def _rows(runs: pd.DataFrame, asked: str) -> pd.DataFrame:
    done = runs[runs["expected"].notna()]
    sampled = done[~is_reference(done)]
    if counted := COUNTED.fullmatch(asked):
        kind, count = counted[1], int(counted[2])
        return _counted(sampled, runs, kind, count, asked)
    named = runs[runs["network"] == asked] if "network" in runs else runs.iloc[:0]
    by_id = runs[runs["model_id"].astype(str).str.startswith(asked)] if ID.fullmatch(asked) else named
    found = named if len(named) else by_id
    if found.empty:
        raise UserError(f"networks={asked}: no model of the study; must be {ALLOWED}")
    if found["model_id"].nunique() > 1:
        ids = ", ".join(sorted(found["model_id"].unique())[:3])
        raise UserError(f"networks={asked}: fits several models: {ids}; give more digits")
    return found.head(1)


def _counted(done: pd.DataFrame, runs: pd.DataFrame, kind: str, count: int, asked: str) -> pd.DataFrame:
    if count < 1:
        raise UserError(f"networks={asked}: must be {ALLOWED}, with N of at least 1")
    if done.empty:
        raise UserError(f"networks={asked}: no model of the study is finished; train it first")
    order = ["expected", "error", "model_id"]
    if kind == "best":
        return done.sort_values(order).head(count)
    if kind == "median":
        distance = (done["expected"] - done["expected"].median()).abs()
        return (
            done.assign(distance=distance)
            .sort_values(["distance", *order])
            .head(count)
            .drop(columns="distance")
        )
    first = runs.groupby("space").head(count)
    if (sizes := first.groupby("space").size()).min() < count:
        raise UserError(f"networks={asked}: a space has only {sizes.min()} models")
    drawn = done[done.index.isin(first.index)]
    return drawn.sort_values(order).groupby("space").head(1)
