"""Which parameters of a space matter for the error of its models?

The models are put into groups by quantiles of the parameter. Its importance is the share of the variance of
the errors' ranks that lies between the groups, corrected for what chance gives: epsilon squared of the
Kruskal-Wallis test, (H - k + 1) / (n - k) for k groups of n models (Kelley 1935). It sees any dependence,
also a best value in the middle, needs no model of the errors, and a few very bad models do not decide it.
It is about 0, and may be slightly below, for a parameter that does not matter. Spearman's rho gives the
direction.

Each parameter is looked at on its own. Within a budget of complexity parameters depend on each other (a deep
network must be narrow), so importance is association, not effect, and shares do not add up to 1.

Diverged and failed models share the worst rank; models not run yet count nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from designspace.analysis.results import outcomes
from designspace.analysis.statistics import NAN, holm
from designspace.networks.architecture import FloatArray, IntArray
from designspace.networks.complexity import METRICS

GROUPS = 6  # at most
MODELS_A_GROUP = 10  # at least, on average
PERMUTATIONS = 4_999
SHOWN = 4  # parameters in the views of pairs
CONSEQUENCES = (*METRICS, "e_fit")  # follow from the other parameters; not to be chosen


@dataclass(frozen=True)
class Importance:
    """One parameter; NaN where all models share one value, or there are too few models for two groups."""

    parameter: str
    importance: float  # epsilon squared: share of the variance of the ranks, at most 1
    rho: float  # Spearman's; positive where larger values go with larger errors
    p_value: float  # permutation test of the importance
    p_holm: float  # Holm's correction over the parameters of the space
    groups: int


@dataclass(frozen=True)
class SpaceImportance:
    """All parameters of one space, in the order of the network."""

    space: str
    parameters: tuple[Importance, ...]
    n: int  # models with a verdict
    n_without_error: int  # diverged or failed

    def most_important(self, count: int = SHOWN) -> tuple[str, ...]:
        """Parameters of greatest importance, greatest first; ties by name.

        Only those that can be chosen: complexity and e_fit follow from the others.
        """
        chosen = [
            p for p in self.parameters if p.parameter not in CONSEQUENCES and not np.isnan(p.importance)
        ]
        ordered = sorted(chosen, key=lambda p: (-p.importance, p.parameter))
        return tuple(p.parameter for p in ordered[:count])


def parameter_importance(
    space: str,
    parameters: pd.DataFrame,
    runs: pd.DataFrame,
    *,
    rng: np.random.Generator,
    permutations: int = PERMUTATIONS,
) -> SpaceImportance:
    """Importance of every column of the parameters [n] for the errors of the runs [n] in the same order."""
    errors = outcomes(runs)
    judged = ~np.isnan(errors)
    errors, table = errors[judged], parameters.loc[np.asarray(judged)]
    columns = {str(name): table[name].to_numpy(dtype=float) for name in table}
    groups = {name: quantile_groups(values) for name, values in columns.items()}
    shares, p_values = _permutation_test(errors, list(groups.values()), rng, permutations)
    results = tuple(
        Importance(name, share, _spearman(columns[name], errors), p, adjusted, _count(groups[name]))
        for name, share, p, adjusted in zip(
            columns, shares.tolist(), p_values.tolist(), holm(p_values).tolist(), strict=True
        )
    )
    without = int((runs.loc[np.asarray(judged), "status"] != "done").sum())
    return SpaceImportance(space, results, len(errors), without)


def quantile_groups(values: FloatArray) -> IntArray:
    """Group of each model, [n], numbered from 0: quantiles of the values, equal values always together.

    Models that lack the parameter (NaN: a stage they do not have) are a group of their own.
    """
    known = ~np.isnan(values)
    count = min(GROUPS, int(known.sum()) // MODELS_A_GROUP)
    groups = np.zeros(len(values), dtype=np.int64)
    if count >= 2:
        cuts = np.quantile(values[known], np.arange(1, count) / count, method="inverted_cdf")
        groups = np.searchsorted(np.unique(cuts), values, side="left")
    groups[~known] = -1
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def _permutation_test(
    errors: FloatArray, groupings: Sequence[IntArray], rng: np.random.Generator, permutations: int
) -> tuple[FloatArray, FloatArray]:
    """Importance and p value of each grouping; the errors are permuted once for all of them.

    H is an increasing function of the sum over the groups of (sum of centred ranks)^2 / models.
    """
    shares, p_values = np.full((2, len(groupings)), np.nan)
    n = len(errors)
    tested = [i for i, groups in enumerate(groupings) if 1 < _count(groups) < n]
    if not tested or np.ptp(errors) == 0:
        return shares, p_values
    ranks = stats.rankdata(errors)
    ranks = (ranks - ranks.mean()) / ranks.std()
    member = np.hstack([_membership(groupings[i]) for i in tested])  # one product for all of them
    counts = np.array([_count(groupings[i]) for i in tested])
    starts = np.cumsum(counts) - counts
    permuted = rng.permuted(np.tile(ranks, (permutations, 1)), axis=1)
    observed = np.add.reduceat((ranks @ member) ** 2, starts)  # n times the share between the groups
    by_chance = np.add.reduceat((permuted @ member) ** 2, starts, axis=1)
    at_least = (by_chance >= observed * (1 - 1e-9)).sum(axis=0)  # equal ones differ by rounding
    shares[tested] = 1 - (n - 1) / (n - counts) * (1 - observed / n)
    p_values[tested] = (1 + at_least) / (1 + permutations)
    return shares, p_values


def _membership(groups: IntArray) -> FloatArray:
    """[n, groups] 1 / sqrt(models of the group) where the model belongs to it, else 0."""
    table: FloatArray = np.eye(_count(groups))[groups] / np.sqrt(np.bincount(groups))
    return table


def _count(groups: IntArray) -> int:
    return int(groups.max(initial=-1)) + 1


def _spearman(values: FloatArray, errors: FloatArray) -> float:
    """Rank correlation over the models that have the parameter; NaN where one of both is constant."""
    known = ~np.isnan(values)
    if known.sum() < 3 or np.ptp(values[known]) == 0 or np.ptp(errors[known]) == 0:
        return NAN
    return float(stats.spearmanr(values[known], errors[known]).statistic)
