"""Where the best models of several studies lie: other flops, data sets or epochs (figure 11 of the paper).

A regime is a study. Of each of its spaces, the range of every parameter among the best models is that of
`best_values`. Where the regimes differ in flops, a power law value = c flops^a describes the
trend: a best model is drawn in every regime and a line fitted to log value against log flops, 10,000 times.
Like the ranges, the percentiles of these exponents describe good models; they are no confidence interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from designspace.analysis.best_values import PERCENTILES, BestValue, best_value
from designspace.analysis.parameters import parameter_columns
from designspace.analysis.results import Counts, check_runs, count_statuses, finished_errors, sampled
from designspace.analysis.statistics import named_rng, winner_shares
from designspace.networks.architecture import FloatArray

PARAMETERS = ("depth", "b", "g", "wm", "w0", "wa")
TREND_DRAWS = 10_000
APART = 1.05  # regimes whose flops differ by a smaller factor are no different flops


@dataclass(frozen=True)
class RegimePoint:
    """A parameter of the best models of one space in one regime."""

    study: str
    space: str
    parameter: str
    flops_low: float  # least of the models; NaN without any
    flops: float  # median of the models
    flops_high: float
    value: BestValue
    counts: Counts


@dataclass(frozen=True)
class Trend:
    """Exponent a of value = c flops^a through the best models; a = 0: the value does not depend on flops."""

    space: str
    parameter: str
    regimes: int
    low: float  # 2.5 percentile over the draws
    median: float
    high: float


@dataclass(frozen=True)
class Regimes:
    """Several studies side by side; points by space, parameter and regime, regimes by flops."""

    studies: tuple[str, ...]  # by median flops, those of about equal flops as given
    flops: tuple[float, ...]  # median of each study's models
    spaces: tuple[str, ...]
    parameters: tuple[str, ...]  # those of PARAMETERS that any space has
    by_flops: bool  # whether every two regimes differ in flops, so that flops tell them apart
    points: tuple[RegimePoint, ...]
    trends: tuple[Trend, ...]  # empty unless `by_flops`

    def of(self, space: str, parameter: str) -> tuple[RegimePoint, ...]:
        """The points of one curve, by flops."""
        return tuple(p for p in self.points if (p.space, p.parameter) == (space, parameter))


def regimes(studies: Sequence[tuple[str, pd.DataFrame]], *, seed: int = 0) -> Regimes:
    """Put studies side by side; each is a name and its table of runs (see `runs.REQUIRED`)."""
    for _, runs in studies:
        check_runs(runs)
    ordered = _by_flops([(study, sampled(runs)) for study, runs in studies])
    names = sorted({str(space) for _, runs in ordered for space in runs["space"]})
    points: list[RegimePoint] = []
    trends: list[Trend] = []
    distinct = _are_apart([_median_flops(runs) for _, runs in ordered])
    for space in names:
        drawn: dict[str, list[tuple[float, FloatArray]]] = {}
        for study, runs in ordered:
            part = runs[runs["space"] == space].sort_values("model_id", kind="stable", ignore_index=True)
            rng = named_rng(seed, f"{study}/{space}")
            for point, winners in _points(study, space, part, rng):
                points.append(point)
                if len(winners):
                    drawn.setdefault(point.parameter, []).append((point.flops, winners))
        if distinct:
            trends += [_trend(space, name, found) for name, found in drawn.items() if len(found) > 1]
    found = {point.parameter for point in points}
    return Regimes(
        studies=tuple(study for study, _ in ordered),
        flops=tuple(_median_flops(runs) for _, runs in ordered),
        spaces=tuple(names),
        parameters=tuple(name for name in PARAMETERS if name in found),
        by_flops=distinct,
        points=tuple(sorted(points, key=lambda p: (p.space, PARAMETERS.index(p.parameter)))),
        trends=tuple(sorted(trends, key=lambda t: (t.space, PARAMETERS.index(t.parameter)))),
    )


def _by_flops(studies: Sequence[tuple[str, pd.DataFrame]]) -> list[tuple[str, pd.DataFrame]]:
    """By median flops; neighbours that are not apart keep the order in which they were given."""
    level, before = 0, float("nan")
    levels: dict[str, int] = {}
    for name, runs in sorted(studies, key=lambda study: _median_flops(study[1])):
        flops = _median_flops(runs)
        level += flops > APART * before
        levels[name], before = level, flops
    return sorted(studies, key=lambda study: levels[study[0]])


def _median_flops(runs: pd.DataFrame) -> float:
    return float(runs["flops"].median()) if len(runs) else float("nan")


def _are_apart(flops: Sequence[float]) -> bool:
    """Whether there are several, and each exceeds the one before by the factor APART."""
    ratios = np.array(flops[1:]) / np.array(flops[:-1])
    return len(flops) > 1 and bool((ratios > APART).all())


def _points(
    study: str, space: str, runs: pd.DataFrame, rng: np.random.Generator
) -> list[tuple[RegimePoint, FloatArray]]:
    """One for each parameter that all models have, with its value for the best model of every draw."""
    if len(runs) == 0:
        return []
    columns, errors = parameter_columns(runs), finished_errors(runs)
    done, counts = (runs["status"] == "done").to_numpy(dtype=bool), count_statuses(runs)
    shares = winner_shares(errors)
    winners = rng.choice(len(errors), TREND_DRAWS, p=shares) if len(errors) else np.zeros(0, dtype=np.int64)
    low, middle, high = (float(value) for value in np.quantile(runs["flops"], [0, 0.5, 1]))
    found = []
    for name in PARAMETERS:
        if name not in columns or columns[name].isna().any():
            continue
        values = columns[name].to_numpy(dtype=float)[done]
        value = best_value(values, errors)
        point = RegimePoint(study, space, name, low, middle, high, value, counts)
        found.append((point, values[winners] if len(values) else values))
    return found


def _trend(space: str, parameter: str, regimes: Sequence[tuple[float, FloatArray]]) -> Trend:
    """Least squares of log value on log flops for each draw; the draws of the regimes are independent."""
    x = np.log([flops for flops, _ in regimes])
    y = np.log(np.stack([values for _, values in regimes]))  # [regimes, draws]
    x = x - x.mean()
    exponents = x @ y / (x @ x)
    low, median, high = (float(value) for value in np.percentile(exponents, PERCENTILES))
    return Trend(space, parameter, len(regimes), low, median, high)
