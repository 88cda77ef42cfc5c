"""AnyNet spaces: every stage has its own depth, width, bottleneck ratio and group width (Section 3.2)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from designspace.networks.architecture import FloatArray, IntArray
from designspace.spaces.chain import Component, StageChain
from designspace.spaces.compatibility import ONE_GROUP, make_compatible
from designspace.spaces.distributions import Distribution
from designspace.spaces.draws import Draws
from designspace.spaces.restrictions import ORDERS, SHARED, Restriction, satisfied

BODY = ("widths", "bottleneck_ratios", "group_widths")  # compatibility ties these together
UNREAD = {"bottleneck_ratios": 1.0, "group_widths": float(ONE_GROUP)}  # of blocks that do not read them


@dataclass(frozen=True, eq=False)
class _Body:
    """What a stage may be under one value of the shared parameters: k states after compatibility."""

    weight: float
    probabilities: FloatArray  # [k]
    columns: dict[str, npt.NDArray[Any]]  # widths, bottleneck_ratios, group_widths, each [k]


@dataclass(frozen=True, eq=False)
class AnyNetSpace:
    """A declared AnyNet space. `parameters` holds the distribution of each parameter of one stage."""

    name: str
    block: str
    stages: int
    parameters: Mapping[str, Distribution]
    restrictions: tuple[Restriction, ...]
    definition: dict[str, Any] = field(repr=False)

    family = "anynet"

    def draw(self, rng: np.random.Generator, n: int) -> Draws:
        """n candidates, of which those that meet the restrictions are returned.

        Order, range and sharing of stages cost no candidates; only conditions on the total depth do.
        """
        depths = self._depth_table[self._depth_chain.sample(rng, n)]
        states = self._body_chain.sample(rng, n)
        widths, ratios, groups = (self._body_table[name][states] for name in BODY)
        draws = Draws(np.arange(n), depths, widths, ratios, groups, {})
        total = [r for r in self.restrictions if r.parameter == "depth"]
        return draws.take(satisfied(tuple(total), {"depth": depths.sum(axis=1)})) if total else draws

    def count(self) -> int:
        """Number of parameter settings whose network meets the restrictions (not those on total depth)."""
        depth = sum(_count_sequences(np.ones(len(p)), _allowed(self.restrictions, {"depths": v}), self.stages)
                    for p, v in self._depth_states())  # fmt: skip
        body = sum(
            _count_sequences(b.probabilities, _allowed(self.restrictions, b.columns), self.stages)
            for b in self._bodies(counting=True)
        )
        return depth * body

    def paper_count(self) -> float:
        """The count as in the paper's table: each order of n stages divides the unordered count by n!."""
        total = 1.0
        for name, distribution in self.parameters.items():
            kinds = {r.kind for r in self.restrictions if r.parameter == name}
            inside = [r for r in self.restrictions if r.parameter == name and r.kind == "range"]
            options = int(satisfied(tuple(inside), {name: distribution.values}).sum())
            total *= options ** (1 if kinds & {SHARED, "equal"} else self.stages)
            if kinds & {"non_decreasing", "non_increasing"} and not kinds & {SHARED, "equal"}:
                total /= math.factorial(self.stages)
        return total

    # ---- tables -----------------------------------------------------------------------------------------

    @cached_property
    def _depth_chain(self) -> StageChain:
        return StageChain(
            [
                Component(float(p.sum()), p / p.sum(), _allowed(self.restrictions, {"depths": v}))
                for p, v in self._depth_states()
            ],
            self.stages,
        )

    @cached_property
    def _depth_table(self) -> IntArray:
        return np.concatenate([v for _, v in self._depth_states()]).astype(np.int64)

    @cached_property
    def _body_chain(self) -> StageChain:
        return StageChain(
            [
                Component(b.weight, b.probabilities, _allowed(self.restrictions, b.columns))
                for b in self._bodies()
            ],
            self.stages,
        )

    @cached_property
    def _body_table(self) -> dict[str, npt.NDArray[Any]]:
        bodies = list(self._bodies())
        return {name: np.concatenate([b.columns[name] for b in bodies]) for name in BODY}

    @property
    def feasible(self) -> bool:
        """Whether any network meets the restrictions."""
        bodies, depths = list(self._bodies()), list(self._depth_states())
        return bool(bodies and depths and self._body_chain.probability and self._depth_chain.probability)

    def _depth_states(self) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Probabilities and values of a stage's depth, one pair for each value of a shared depth."""
        distribution = self.parameters["depths"]
        keep = _in_range(self.restrictions, {"depths": distribution.values})
        p, v = distribution.probabilities[keep], distribution.values[keep]
        if self._is_shared("depths"):
            yield from ((p[i : i + 1], v[i : i + 1]) for i in range(len(p)))
        elif len(p):
            yield p, v

    def _bodies(self, counting: bool = False) -> Iterator[_Body]:
        """States of width, bottleneck ratio and group width for each value of the shared ones.

        With `counting`, every parameter setting weighs 1 instead of its probability.
        """
        tables = {
            name: (d.values, np.ones(len(d)) if counting else d.probabilities)
            for name, d in self.parameters.items()
            if name in BODY
        }
        for name, value in UNREAD.items():
            tables.setdefault(name, (np.array([value]), np.ones(1)))
        shared = [name for name in BODY if self._is_shared(name)]
        for picked in itertools.product(*(range(len(tables[name][0])) for name in shared)):
            chosen = dict(zip(shared, picked, strict=True))
            weight = math.prod(float(tables[name][1][i]) for name, i in chosen.items())
            axes = []
            for name in BODY:
                values, probabilities = tables[name]
                at = slice(chosen[name], chosen[name] + 1) if name in chosen else slice(None)
                axes.append((values[at], np.ones(1) if name in chosen else probabilities[at]))
            body = self._body(weight, axes)
            if body is not None:
                yield body

    def _body(self, weight: float, axes: list[tuple[FloatArray, FloatArray]]) -> _Body | None:
        """The states of all combinations of the values on the axes (BODY), equal results merged."""
        w, b, g = (grid.ravel() for grid in np.meshgrid(*(values for values, _ in axes), indexing="ij"))
        combined: FloatArray = np.ones(1)
        for _, probabilities in axes:
            combined = np.outer(combined, probabilities).ravel()
        widths, groups = make_compatible(w.astype(np.int64), b, g.astype(np.int64))
        merged, where = np.unique(np.stack([widths, b, groups]), axis=1, return_inverse=True)
        p = np.bincount(where.ravel(), weights=combined).astype(np.float64)
        columns: dict[str, npt.NDArray[Any]] = {
            "widths": merged[0].astype(np.int64),
            "bottleneck_ratios": merged[1],
            "group_widths": merged[2].astype(np.int64),
        }
        keep = _in_range(self.restrictions, columns)
        if not keep.any():
            return None
        return _Body(weight, p[keep], {name: column[keep] for name, column in columns.items()})

    def _is_shared(self, parameter: str) -> bool:
        return any(r.parameter == parameter and r.kind == SHARED for r in self.restrictions)


def _in_range(
    restrictions: tuple[Restriction, ...], columns: Mapping[str, npt.NDArray[Any]]
) -> npt.NDArray[np.bool_]:
    """Which states lie in all ranges; the orders compare stages and are not asked here."""
    ranges = tuple(r for r in restrictions if r.kind == "range" and r.parameter in columns)
    return satisfied(ranges, columns)


def _allowed(
    restrictions: tuple[Restriction, ...], columns: Mapping[str, npt.NDArray[Any]]
) -> npt.NDArray[np.bool_] | None:
    """Which state may follow which, [k, k]; None where no order applies."""
    allowed: npt.NDArray[np.bool_] | None = None
    for r in restrictions:
        if r.kind in ORDERS and r.parameter in columns:
            values = columns[r.parameter]
            pairs = np.asarray(ORDERS[r.kind](values[:, None], values[None, :]))
            allowed = pairs if allowed is None else allowed & pairs
    return allowed


def _count_sequences(weights: FloatArray, allowed: npt.NDArray[np.bool_] | None, stages: int) -> int:
    """Number of allowed sequences of states; weights [k] are how many settings a state stands for. Exact."""
    count = [int(w) for w in weights]
    if allowed is None:
        total: int = sum(count) ** stages
        return total
    ways = np.array(count, dtype=object)
    follow = ways.copy()
    for _ in range(stages - 1):
        follow = ways * np.array([sum(follow[row]) for row in allowed], dtype=object)
    return int(sum(follow))
