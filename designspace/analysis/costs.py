"""What explains the time that a network takes: flops, parameters or activations?

Times were measured while the models were trained, often beside other jobs, so a single time may be far too
large, and a whole space may have been trained on a busier machine than another. Rank correlations (Spearman)
within spaces are therefore the headline: models are ranked among those of their own space. All models ranked
together, and Pearson's correlation of the logarithms, the papers' view, stand beside it. Intervals are
percentile bootstrap over the models, drawn within each space.

A study holds the flops of its models within a narrow window. Their correlation with time within that window
says little about flops in general.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from designspace.analysis.ranking import ranked
from designspace.analysis.statistics import (
    CONFIDENCE,
    RESAMPLES,
    Estimate,
    draw_key,
    estimate,
    named_rng,
    ratio,
    resampled_counts,
)
from designspace.networks.architecture import FloatArray
from designspace.networks.complexity import METRICS

TIMES = ("train_seconds_per_image", "inference_seconds")
WITHIN, ALL = "within spaces", "all together"  # names of what is pooled
NARROW = 1.5  # flops whose largest is less than this many times the least are held fixed, for our purpose


@dataclass(frozen=True)
class Correlation:
    """Between two costs (or a cost and a time) of the n models that have both; 95 % intervals."""

    x: str
    y: str
    n: int
    spearman: Estimate
    pearson: Estimate  # of the logarithms


@dataclass(frozen=True)
class SpaceCosts:
    """Correlations among flops, params, acts and, where they were measured, the times."""

    name: str
    correlations: tuple[Correlation, ...]

    def of(self, x: str, y: str) -> Correlation | None:
        """The correlation of this pair; None where it was not measured."""
        return next((found for found in self.correlations if (found.x, found.y) == (x, y)), None)


@dataclass(frozen=True)
class Lead:
    """How far the cost with the largest |Spearman| within spaces is ahead of another in explaining a time."""

    time: str
    best: str
    other: str
    difference: Estimate  # of |Spearman|; interval of 1 - 0.05 / 3, as three pairs could have been compared


@dataclass(frozen=True, eq=False)
class CostAnalysis:
    """`models` has one row per model: space, model_id, flops, params, acts and the times (NaN if unknown)."""

    models: pd.DataFrame
    spaces: tuple[SpaceCosts, ...]  # in alphabetical order
    within: SpaceCosts  # all spaces, but a model only among those of its own space
    together: SpaceCosts  # all models as if they were of one space
    leads: tuple[Lead, ...]
    device: str | None  # on which the times were measured
    elsewhere: int  # finished models whose times are left out: they were measured on another device


def compare_costs(
    runs: pd.DataFrame, *, rng: np.random.Generator, resamples: int = RESAMPLES
) -> CostAnalysis:
    """Correlate flops, params and acts with each other and with the measured times.

    Costs are those of all models. Times are seconds per training image, 1 / `images_per_second`, and
    seconds per pass over the validation images, `val_seconds` / `epochs` (all models of a study share the
    images), of the models that are done, on the device that most of them were trained on.
    """
    device, elsewhere = _common_device(runs)
    models = _with_times(runs, device)
    names, key = sorted(set(models["space"])), draw_key(rng)
    parts = [_tables(models[models["space"] == name], resamples, key, name) for name in names]
    products = [_products(tables) for tables in parts]
    spaces = tuple(SpaceCosts(name, _correlations(part)) for name, part in zip(names, products, strict=True))
    pooled = _sum(products)
    within = SpaceCosts(WITHIN, _correlations(pooled))
    together = SpaceCosts(ALL, _correlations(_products(_join(parts))))
    return CostAnalysis(models, spaces, within, together, _leads(pooled), device, elsewhere)


# ---- what was measured -------------------------------------------------------------------------------------


def _common_device(runs: pd.DataFrame) -> tuple[str | None, int]:
    """The device of most finished models, and how many were on others: times are comparable on one only."""
    if "device" not in runs:
        return None, 0
    devices = runs.loc[runs["status"] == "done", "device"].dropna().astype(str)
    if devices.empty:
        return None, 0
    device = str(devices.mode().iloc[0])
    return device, int((devices != device).sum())


def _with_times(runs: pd.DataFrame, device: str | None) -> pd.DataFrame:
    """Costs of all models, and times in seconds of those that have them."""
    usable = (runs["status"] == "done").to_numpy(dtype=bool)
    if device is not None:
        usable = usable & (runs["device"] == device).to_numpy(dtype=bool)
    train = 1 / _positive(runs, "images_per_second")
    inference = _positive(runs, "val_seconds") / _positive(runs, "epochs")
    models = runs[["space", "model_id", *METRICS]].reset_index(drop=True)
    return models.assign(
        **{TIMES[0]: np.where(usable, train, np.nan), TIMES[1]: np.where(usable, inference, np.nan)}
    )


def _positive(runs: pd.DataFrame, name: str) -> FloatArray:
    """A column of numbers, [n]; NaN where there is no column, no number, or none above 0."""
    if name not in runs:
        return np.full(len(runs), np.nan)
    values = pd.to_numeric(runs[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(values > 0, values, np.nan)


# ---- correlations ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Table:
    """Columns of the models that have them all, and how often each resample draws a model."""

    columns: dict[str, FloatArray]  # name: [n]
    counts: FloatArray  # [n, 1 + resamples]


@dataclass(frozen=True, eq=False)
class _Products:
    """Sums over the drawn models of two centred columns' products, arrays [1 + resamples]."""

    n: int
    xy: FloatArray
    xx: FloatArray
    yy: FloatArray

    def __add__(self, other: _Products) -> _Products:
        return _Products(self.n + other.n, self.xy + other.xy, self.xx + other.xx, self.yy + other.yy)

    @property
    def correlations(self) -> FloatArray:
        return ratio(self.xy, np.sqrt(self.xx * self.yy))


@dataclass(frozen=True)
class _Pair:
    """The products of a pair of columns: of ranks (as shares of n) and of logarithms."""

    ranks: _Products
    logs: _Products

    def __add__(self, other: _Pair) -> _Pair:
        return _Pair(self.ranks + other.ranks, self.logs + other.logs)


_Pairs = dict[tuple[str, str], _Pair]


def _tables(models: pd.DataFrame, resamples: int, key: int, name: str) -> tuple[_Table, _Table]:
    """Of one space: the costs of all models; costs and times of those that were timed."""
    times = [time for time in TIMES if models[time].notna().any()]
    found = []
    for what, columns in (("costs", [*METRICS]), ("times", [*METRICS, *times])):
        rows = models[columns].dropna().astype(float)
        rows = rows if what == "costs" or times else rows[:0]
        counts = resampled_counts(len(rows), resamples, named_rng(key, f"{name} {what}"))
        found.append(_Table({column: rows[column].to_numpy() for column in columns}, counts))
    return found[0], found[1]


def _join(parts: Sequence[tuple[_Table, _Table]]) -> tuple[_Table, ...]:
    """The models of all spaces as one; each space keeps its size in every resample."""
    return tuple(_concatenate([part[place] for part in parts]) for place in (0, 1)) if parts else ()


def _concatenate(tables: Sequence[_Table]) -> _Table:
    """One table below the other, with the columns that all of those with models have."""
    filled = [table for table in tables if len(table.counts)] or tables[:1]
    shared = [name for name in (*METRICS, *TIMES) if all(name in table.columns for table in filled)]
    return _Table(
        {name: np.concatenate([table.columns[name] for table in filled]) for name in shared},
        np.concatenate([table.counts for table in filled]),
    )


def _products(tables: Sequence[_Table]) -> _Pairs:
    """Every pair of costs from the first table; costs with times and times with times from the second."""
    if not tables:
        return {}
    costs, timed = tables
    times = [name for name in timed.columns if name in TIMES]
    pairs = [*((cost, time) for time in times for cost in METRICS), *combinations(times, 2)]
    return _of_table(costs, [*combinations(METRICS, 2)]) | (_of_table(timed, pairs) if pairs else {})


def _of_table(table: _Table, pairs: Sequence[tuple[str, str]]) -> _Pairs:
    counts, n = table.counts, len(table.counts)
    ranks = {name: ranked(values, counts).ranks / max(n, 1) for name, values in table.columns.items()}
    weighted = {name: counts * found for name, found in ranks.items()}
    squares = {name: np.einsum("nd,nd->d", weighted[name], ranks[name]) for name in ranks}
    logs = {name: _centred(np.log(values)) for name, values in table.columns.items()}
    means = {name: values @ counts / max(n, 1) for name, values in logs.items()}

    def product(x: str, y: str) -> FloatArray:
        found: FloatArray = (logs[x] * logs[y]) @ counts - n * means[x] * means[y]
        return found

    variances = {name: _not_rounding(product(name, name), logs[name]) for name in logs}
    return {
        (x, y): _Pair(
            _Products(n, np.einsum("nd,nd->d", weighted[x], ranks[y]), squares[x], squares[y]),
            _Products(n, product(x, y), variances[x], variances[y]),
        )
        for x, y in pairs
    }


def _centred(values: FloatArray) -> FloatArray:
    return values - values.mean() if len(values) else values


def _not_rounding(squares: FloatArray, values: FloatArray) -> FloatArray:
    """Sums of squares with exact zeros where all drawn values are equal up to rounding."""
    return np.where(squares > 1e-12 * max(float(values @ values), 1e-12), squares, 0.0)


def _sum(parts: Sequence[_Pairs]) -> _Pairs:
    """Pooled within spaces: the products of the spaces added up."""
    total: _Pairs = {}
    for part in parts:
        for pair, products in part.items():
            total[pair] = total[pair] + products if pair in total else products
    return total


def _correlations(pairs: _Pairs) -> tuple[Correlation, ...]:
    return tuple(
        Correlation(
            *names,
            n=pair.ranks.n,
            spearman=estimate(pair.ranks.correlations, pair.ranks.n),
            pearson=estimate(pair.logs.correlations, pair.logs.n),
        )
        for names, pair in pairs.items()
    )


def _leads(pairs: _Pairs) -> tuple[Lead, ...]:
    """For each time, the cost with the largest |Spearman| against both others."""
    leads = []
    for time in TIMES:
        sizes = {
            cost: np.abs(pairs[cost, time].ranks.correlations) for cost in METRICS if (cost, time) in pairs
        }
        known = [cost for cost, draws in sizes.items() if not math.isnan(draws[0])]
        best = max(known, key=lambda cost: float(sizes[cost][0]), default="")
        for other in known:
            if other != best:
                n, difference = pairs[best, time].ranks.n, sizes[best] - sizes[other]
                of_three = 1 - (1 - CONFIDENCE) / 3
                leads.append(Lead(time, best, other, estimate(difference, n, confidence=of_three)))
    return tuple(leads)
