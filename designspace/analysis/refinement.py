"""What would a restriction of a space change? Answered from the trained population of the whole space.

A restriction is a condition on the networks (see `spaces.restrictions`), so the models of a population that
meet it are a random sample of the restricted space, in the same complexity window: their errors are what its
own population would show, with fewer models. Only `shared` draws differently: networks whose stages agree by
chance are the same networks, but in other shares where the values of a parameter are not equally likely.

Intervals cover the choice of the models, not the noise of their training.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from designspace.analysis.edf import ErrorDistribution, error_distribution
from designspace.analysis.results import check_runs, count_statuses, finished_errors
from designspace.analysis.summary import NAN, Interval, Summary, summarize
from designspace.networks.architecture import FloatArray
from designspace.spaces.restrictions import SHARED, Restriction

BoolArray = npt.NDArray[np.bool_]

FEWEST = 10  # models with an error in each of two groups, below which nothing is concluded
LEVEL = 0.05  # of tests; intervals are of 1 - LEVEL
PER_STAGE = ("depths", "widths", "bottleneck_ratios", "group_widths")
BATCH = 2_000_000  # errors resampled at a time
WITHOUT_ERROR = 200.0  # percent, above every error: the rank of diverged and failed models
BETTER, WORSE, UNDECIDED, TOO_FEW = "better", "worse", "undecided", "too few"


@dataclass(frozen=True, eq=False)
class Group:
    """Some models of a population."""

    name: str
    edf: ErrorDistribution
    summary: Summary


@dataclass(frozen=True)
class Difference:
    """How the errors of one group of models differ from those of another; negative: the first is better.

    Means and medians are of the models that are done, in points of top-1 error, with 95 % bootstrap intervals
    (BCa). Probability and p value compare ranks, in which diverged and failed models are worse than all else.
    """

    mean: float
    mean_interval: Interval
    median: float
    median_interval: Interval
    probability: float  # that a random model of the first group is better than one of the second; ties half
    p: float  # Mann-Whitney, two-sided
    effective_n: float  # two groups of this size each would be as informative: harmonic mean of both
    verdict: str  # BETTER or WORSE only where interval of the mean and ranks say so; UNDECIDED, TOO_FEW


@dataclass(frozen=True, eq=False)
class WhatIf:
    """The models of a population that meet a restriction, beside all of them and those that do not."""

    everything: Group
    kept: Group
    rest: Group
    difference: Difference  # of the kept from the rest; the two share no model


# ---- what if -----------------------------------------------------------------------------------------------


def meets(runs: pd.DataFrame, restrictions: Sequence[Restriction]) -> BoolArray:
    """Which models of one space meet all restrictions, [n].

    `shared` is met where the stages agree; group widths may be cut to the bottleneck width of their stage.
    """
    keep = np.ones(len(runs), dtype=bool)
    if len(runs) == 0:
        return keep
    for restriction in restrictions:
        values = column(runs, restriction.parameter)
        if restriction.kind == SHARED:
            limits = column(runs, "widths") / column(runs, "bottleneck_ratios")
            largest = values.max(axis=1, keepdims=True)
            cut = np.minimum(largest, limits) if restriction.parameter == "group_widths" else largest
            keep &= (values == cut).all(axis=1)
        else:
            keep &= restriction.allows(values)
    return keep


def what_if(runs: pd.DataFrame, restrictions: Sequence[Restriction], *, rng: np.random.Generator) -> WhatIf:
    """Compare the models of one space (see `runs.REQUIRED`) that meet all restrictions with the others."""
    check_runs(runs)
    keep = meets(runs, restrictions)
    kept, rest = runs[keep], runs[~keep]
    return WhatIf(
        everything=group("all", runs, rng=rng),
        kept=group("kept", kept, rng=rng),
        rest=group("rest", rest, rng=rng),
        difference=difference(kept, rest, rng=rng),
    )


def group(name: str, runs: pd.DataFrame, *, rng: np.random.Generator) -> Group:
    """Error distribution and summary of some models."""
    errors, counts = finished_errors(runs), count_statuses(runs)
    return Group(name, error_distribution(errors, counts), summarize(errors, counts, rng=rng))


def difference(first: pd.DataFrame, second: pd.DataFrame, *, rng: np.random.Generator) -> Difference:
    """Compare two groups of models that have none in common; models not run yet count nowhere."""
    a, b = finished_errors(first), finished_errors(second)
    ranked_a, ranked_b = _ranked(first), _ranked(second)
    probability, p, effective_n = NAN, NAN, 0.0
    if len(ranked_a) and len(ranked_b):
        test = stats.mannwhitneyu(ranked_a, ranked_b, alternative="two-sided")
        probability = 1 - float(test.statistic) / (len(ranked_a) * len(ranked_b))
        p = float(test.pvalue)
        effective_n = 2 / (1 / len(ranked_a) + 1 / len(ranked_b))
    found = Difference(
        mean=float(a.mean() - b.mean()) if len(a) and len(b) else NAN,
        mean_interval=_interval(a, b, np.mean, rng),
        median=float(np.median(a) - np.median(b)) if len(a) and len(b) else NAN,
        median_interval=_interval(a, b, np.median, rng),
        probability=probability,
        p=p,
        effective_n=effective_n,
        verdict=TOO_FEW,
    )
    return found if min(len(a), len(b)) < FEWEST else replace(found, verdict=_verdict(found))


def _verdict(found: Difference) -> str:
    if found.p < LEVEL and found.mean_interval.high < 0 and found.probability > 0.5:
        return BETTER
    if found.p < LEVEL and found.mean_interval.low > 0 and found.probability < 0.5:
        return WORSE
    return UNDECIDED


def _ranked(runs: pd.DataFrame) -> FloatArray:
    """Errors of all models with a verdict; those that have none are above every error."""
    counts = count_statuses(runs)
    return np.concatenate([finished_errors(runs), np.full(counts.n - counts.done, WITHOUT_ERROR)])


def _interval(a: FloatArray, b: FloatArray, statistic: Any, rng: np.random.Generator) -> Interval:
    """Bootstrap interval of statistic(a) - statistic(b), each group resampled with replacement on its own."""
    if min(len(a), len(b)) < 2:
        return Interval(NAN, NAN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy warns and returns NaN where BCa is undefined
        result = stats.bootstrap(
            (a, b),
            lambda x, y, axis: statistic(x, axis=axis) - statistic(y, axis=axis),
            confidence_level=1 - LEVEL,
            batch=max(1, BATCH // (len(a) + len(b))),
            method="BCa",
            random_state=rng,
        )
    low, high = result.confidence_interval
    if not (np.isfinite(low) and np.isfinite(high)):
        low, high = np.quantile(result.bootstrap_distribution, [LEVEL / 2, 1 - LEVEL / 2])
    return Interval(float(low), float(high))


def column(runs: pd.DataFrame, parameter: str) -> FloatArray:
    """Values of a parameter that restrictions speak of, [n] or [n, stages]."""
    if parameter in PER_STAGE:
        return np.array(runs[parameter].tolist(), dtype=float)
    if parameter == "depth" and parameter not in runs:
        return np.array([sum(depths) for depths in runs["depths"]], dtype=float)
    return runs[parameter].to_numpy(dtype=float)


# ---- in words ----------------------------------------------------------------------------------------------


def words(restriction: Restriction) -> str:
    """A restriction for a sentence, e.g. "bottleneck_ratios from 1 to 2"."""
    if restriction.kind != "range":
        return f"{restriction.parameter} {restriction.kind.replace('_', '-')}"
    if restriction.low == restriction.high:
        return f"{restriction.parameter} {restriction.low:g}"
    return f"{restriction.parameter} from {restriction.low:g} to {restriction.high:g}"


def sentence(found: WhatIf) -> str:
    """What the comparison says, and no more than that."""
    kept, rest = found.kept.summary.counts, found.rest.summary.counts
    start = f"{kept.n} of {kept.n + rest.n} trained models meet it."
    if rest.n == 0 and kept.n:
        return f"{start} There is nothing to compare them with."
    if found.difference.verdict == TOO_FEW:
        few = min(kept.done, rest.done)
        side = "that do" if kept.done <= rest.done else "that do not"
        return f"{start} No verdict: {few} models {side} have an error, {FEWEST} are needed."
    return f"{start} {difference_words(found.difference, 'they', 'the rest')}"


def difference_words(found: Difference, first: str, second: str) -> str:
    """One sentence about a difference; cautious where interval and ranks do not agree."""
    size = f"{abs(found.mean):.2f} points {'lower' if found.mean < 0 else 'higher'}"
    low, high = found.mean_interval.low, found.mean_interval.high
    numbers = (
        f"95 % interval {low:+.2f} to {high:+.2f}, Mann-Whitney p {p_words(found.p)}, "
        f"better in {100 * found.probability:.0f} % of pairs"
    )
    subject, verb = ("They", "are") if first == "they" else (first, "is")
    if found.verdict in (BETTER, WORSE):
        return f"{subject} {verb} {found.verdict} than {second}: the mean error is {size} ({numbers})."
    if found.verdict == TOO_FEW:
        return f"No verdict on {first} against {second}: one of them has fewer than {FEWEST} errors."
    return (
        f"It is not clear whether {first} {verb} better than {second}: the mean error is {size} ({numbers})."
    )


def p_words(p: float) -> str:
    """A p value as text."""
    return "-" if np.isnan(p) else "< 0.0001" if p < 0.0001 else f"= {p:.2g}"
