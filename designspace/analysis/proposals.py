"""Restrictions that the trained population of a space itself suggests, each with what speaks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from designspace.analysis.best_values import PERCENTILES
from designspace.analysis.compare import Comparison, compare
from designspace.analysis.refinement import WITHOUT_ERROR, BoolArray, column, meets
from designspace.analysis.results import check_runs, finished_errors, sampled
from designspace.analysis.statistics import (
    ALPHA,
    BETTER,
    FEWEST,
    NAN,
    TOO_FEW,
    UNDECIDED,
    Interval,
    holm,
    named_rng,
    winner_shares,
)
from designspace.networks.architecture import FloatArray, IntArray
from designspace.spaces.load import Space
from designspace.spaces.restrictions import SHARED, Restriction

PERMUTATIONS = 4_999
FEW_VALUES = 8  # of a parameter, up to which all its ranges are compared


@dataclass(frozen=True, eq=False)
class Proposal:
    """A restriction that the population itself suggests, and what speaks for it."""

    restriction: Restriction
    n: int  # models of the population with a verdict
    kept: int  # of these, how many meet the restriction
    mean_kept: float  # top-1 percent
    mean_rest: float
    difference: Comparison  # of the kept from the rest; optimistic for a range, which the same errors chose
    p: float  # permutation test, one-sided, which repeats the choice of the range; NaN: not tested
    p_holm: float  # corrected for all proposals of the space

    @property
    def verdict(self) -> str:
        """BETTER, UNDECIDED or TOO_FEW."""
        if self.difference.verdict == TOO_FEW or np.isnan(self.p):
            return TOO_FEW
        return BETTER if self.p_holm < ALPHA else UNDECIDED


def propose(
    space: Space, runs: pd.DataFrame, *, seed: int = 0, permutations: int = PERMUTATIONS
) -> tuple[Proposal, ...]:
    """Restrictions that the population of a space suggests, those with the most evidence first.

    Of a parameter with many values, the range in which the best models lie, in the sense of
    `statistics.winner_shares` (2.5 to 97.5 percentile of the best of a random quarter, over all stages). Of
    one with few values, which those percentiles rarely leave out, the range whose models are best in rank.
    Orders of the stages and `shared`, where the space does not have them. Restrictions that every model
    meets, or none, are not proposed.

    A range is chosen by the errors that then judge it, and nearly always looks good. The permutation test
    chooses the range anew for each permutation of the errors, so that its p value allows for the choice.
    """
    check_runs(runs)
    runs = sampled(runs)
    runs = runs[runs["status"] != "missing"].reset_index(drop=True)
    done = (runs["status"] == "done").to_numpy(dtype=bool)
    if not done.any():
        return ()
    errors = np.where(done, runs["error"].to_numpy(dtype=float, na_value=np.nan), WITHOUT_ERROR)
    test = _PermutationTest(errors, named_rng(seed, space.name), permutations)
    found, unsuccessful = [], 0
    for candidate in _candidates(space, runs):
        restriction, keep = candidate.observed(test)
        p = test.p_value(candidate, keep) if min(keep.sum(), (~keep).sum()) >= FEWEST else NAN
        # where the errors decide whether there is enough to test, a test that was not made counts as failed
        unsuccessful += bool(np.isnan(p)) and isinstance(candidate, _Range)
        if not keep.all() and keep.any():
            found.append(_proposal(restriction, runs[keep], runs[~keep], p, seed))
    corrected = holm(np.array([proposal.p for proposal in found] + [1.0] * unsuccessful))[: len(found)]
    found = [replace(proposal, p_holm=float(p)) for proposal, p in zip(found, corrected, strict=True)]
    return tuple(sorted(found, key=lambda f: (f.verdict == TOO_FEW, f.p, -f.difference.beats)))


def _proposal(
    restriction: Restriction, kept: pd.DataFrame, rest: pd.DataFrame, p: float, seed: int
) -> Proposal:
    """Before the correction of p."""
    return Proposal(
        restriction=restriction,
        n=len(kept) + len(rest),
        kept=len(kept),
        mean_kept=_mean(kept),
        mean_rest=_mean(rest),
        difference=compare("kept", "rest", kept, rest, seed=seed),
        p=p,
        p_holm=NAN,
    )


@dataclass(frozen=True, eq=False)
class _Choice:
    """Restrictions that do not depend on the errors; the one that keeps the best models is proposed."""

    restrictions: tuple[Restriction, ...]
    masks: BoolArray  # [restrictions, n]

    def observed(self, test: _PermutationTest) -> tuple[Restriction, BoolArray]:
        best = int(
            np.argmax([test.advantage(mask[None, :], test.ordinals[None, :])[0] for mask in self.masks])
        )
        return self.restrictions[best], self.masks[best]

    def advantage(self, test: _PermutationTest, places: IntArray) -> FloatArray:
        """Of the restriction chosen under each assignment of errors, [permutations]."""
        each = [test.advantage(mask[None, :], places) for mask in self.masks]
        return np.asarray(np.max(each, axis=0))


@dataclass(frozen=True, eq=False)
class _Range:
    """The range of a parameter in which the best models lie."""

    parameter: str
    values: FloatArray  # [n, columns], one column a stage
    bounds: Interval  # the ends of the declared distribution

    def observed(self, test: _PermutationTest) -> tuple[Restriction, BoolArray]:
        low, high = (float(ends[0]) for ends in self._ends(test.shares[test.ordinals][None, :]))
        # an end that leaves out no model says nothing about values that did not occur either
        low = self.bounds.low if low <= self.values.min() else low
        high = self.bounds.high if high >= self.values.max() else high
        restriction = Restriction(self.parameter, "range", low, high)
        return restriction, restriction.allows(self.values)

    def advantage(self, test: _PermutationTest, places: IntArray) -> FloatArray:
        """Of the range chosen under each assignment of errors, [permutations]."""
        low, high = self._ends(test.shares[places])
        least, most = self.values.min(axis=1), self.values.max(axis=1)
        return test.advantage((least >= low[:, None]) & (most <= high[:, None]), places)

    def _ends(self, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Percentiles of the winners' values (inverse of the distribution function), [permutations] each."""
        ends = []
        for stage in self.values.T:
            order = np.argsort(stage, kind="stable")
            cumulative = np.cumsum(shares[:, order], axis=1)
            ends.append([stage[order][(cumulative < q / 100 - 1e-12).sum(axis=1)] for q in PERCENTILES[::2]])
        return np.min([low for low, _ in ends], axis=0), np.max([high for _, high in ends], axis=0)


class _PermutationTest:
    """How often do errors without any relation to the networks speak as strongly for a candidate?"""

    CHUNK = 500  # permutations at a time

    def __init__(self, errors: FloatArray, rng: np.random.Generator, permutations: int) -> None:
        n = len(errors)
        self.shares = winner_shares(np.sort(errors))  # [n] by place
        self.ordinals = np.empty(n, dtype=np.int64)  # [n] place of each model in the order of the errors
        self.ordinals[np.argsort(errors, kind="stable")] = np.arange(n)
        self._scores = np.sort(stats.rankdata(errors))  # midranks, by place
        rows = np.tile(np.arange(n), (permutations, 1))
        self._permuted = rng.permuted(rows, axis=1)  # the same for every candidate

    def p_value(self, candidate: _Choice | _Range, observed: BoolArray) -> float:
        """One-sided: the candidate keeps the better models."""
        limit = float(self.advantage(observed[None, :], self.ordinals[None, :])[0]) - 1e-9
        chunks = range(0, len(self._permuted), self.CHUNK)
        exceeding = sum(
            int((candidate.advantage(self, self._permuted[first : first + self.CHUNK]) >= limit).sum())
            for first in chunks
        )
        return (1 + exceeding) / (1 + len(self._permuted))

    def advantage(self, kept: BoolArray, places: IntArray) -> FloatArray:
        """Rank sum of the kept models, standardised, its sign turned, [permutations]: larger is better.

        kept: [permutations, n] or [1, n]; places [permutations, n] of each model in the order of the errors.
        """
        scores, n = self._scores[places], places.shape[1]
        taken = kept.sum(axis=1)
        total = scores @ kept[0] if len(kept) == 1 else (scores * kept).sum(axis=1)
        spread = self._scores.var(ddof=1) if n > 1 else 0.0
        variance = taken * (n - taken) / n * spread
        with np.errstate(divide="ignore", invalid="ignore"):
            advantage = (taken * self._scores.mean() - total) / np.sqrt(variance)
        return np.where(variance > 0, advantage, -np.inf)


def _candidates(space: Space, runs: pd.DataFrame) -> Iterator[_Choice | _Range]:
    names = list(space.parameters)
    for name in names if "depth" in names else ["depth", *names]:
        values = column(runs, name).reshape(len(runs), -1)
        if name in names and len(space.parameters[name]) <= FEW_VALUES:
            restrictions = _ranges(name, space.parameters[name].values)
            yield from _choice(restrictions, [r.allows(values) for r in restrictions])
        else:
            yield _Range(name, values, _bounds(space, name))
    present = {(r.parameter, r.kind) for r in space.restrictions}
    fixed = [Restriction(name, "non_decreasing") for name in ("widths", "depths")]
    fixed += [Restriction(name, SHARED) for name in ("bottleneck_ratios", "group_widths") if name in names]
    for restriction in fixed:
        if (restriction.parameter, restriction.kind) not in present:
            yield _Choice((restriction,), meets(runs, [restriction])[None, :])


def _ranges(name: str, values: FloatArray) -> list[Restriction]:
    """All ranges of neighbouring values but the one of all values."""
    ends = [(low, high) for low in values for high in values if low <= high]
    return [
        Restriction(name, "range", float(a), float(b)) for a, b in ends if (a, b) != (values[0], values[-1])
    ]


def _choice(restrictions: Sequence[Restriction], masks: Sequence[BoolArray]) -> Iterator[_Choice]:
    """A choice among those that leave enough models on both sides, if there are any."""
    enough = [i for i, mask in enumerate(masks) if FEWEST <= mask.sum() <= len(mask) - FEWEST]
    if enough:
        yield _Choice(tuple(restrictions[i] for i in enough), np.array([masks[i] for i in enough]))


def _bounds(space: Space, name: str) -> Interval:
    if name in space.parameters:
        values = space.parameters[name].values
        return Interval(float(values[0]), float(values[-1]))
    values = space.stages * space.parameters["depths"].values
    return Interval(float(values[0]), float(values[-1]))


def _mean(runs: pd.DataFrame) -> float:
    errors = finished_errors(runs)
    return float(errors.mean()) if len(errors) else NAN
