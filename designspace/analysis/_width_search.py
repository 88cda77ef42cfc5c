"""Exact search for the quantized linear rule closest to one network; `width_fit` is its public face.

For fixed w0 and wm the level of block j is a step function of the ratio r = wa / w0 alone: block j reaches
level k at r = (wm^(k - 1/2) - 1) / j (nearest; wm^k for floor). With these events sorted once per wm, the
best wa is where the changes in cost along the events have their least prefix sum: over every real wa.

Over wm the search is branch and bound. Within an interval of wm, the width of level k lies between its
values at both ends, and so does the ratio of each event; charging every block the distance to the
interval, and every event its gain at the early end but its loss only at the late end, bounds the cost
from below by the same prefix sums. Intervals whose bound is not below the best cost so far are dropped;
those that `_width_bounds` finds too costly are not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from designspace.networks.architecture import FloatArray, IntArray
from designspace.spaces.quantized_linear import Rounding, level_widths

BoolArray = npt.NDArray[np.bool_]

W0_STEP = 8
PIECE = 12_000  # events swept at once: what fits the cache
WM = np.arange(1500, 3001) / 1000  # every wm that is tried
CELLS = (256, 32, 8, 1)  # values of wm in one interval, from coarse to fine
MAX_WA = 256.0
TIE = 1e-10  # events closer than this (relative) happen at the same r: no wa separates them


@dataclass(frozen=True)
class Best:
    """The best parameters of one network; every wa of the open interval gives the same widths."""

    cost: float  # mean |log(predicted / observed)| over the blocks
    w0: int
    wm: float
    wa_above: float
    wa_below: float


@dataclass(frozen=True, eq=False)
class Promising:
    """Where the optimum of one network can be: nodes whose bound does not exceed the ceiling."""

    bounds: tuple[npt.NDArray[np.float32], ...]  # [w0s, cells] lower bounds in the coarsest levels
    ceiling: float  # mean cost that is reached somewhere; not below the optimum


@dataclass(frozen=True, eq=False)
class _Network:
    depths: IntArray  # [stages]
    logs: FloatArray  # [stages] of the widths
    slots: tuple[IntArray, IntArray]  # column of each event's change, with one half and with two
    promising: Promising

    def limit(self, cost: float) -> float:
        """What a bound must be below to hold something better than the given cost."""
        return min(cost, self.promising.ceiling)


@dataclass(frozen=True, eq=False)
class _Level:
    """One resolution of the search: a partition of WM into intervals, with their events in order of r.

    Events are numbered [half, level k - 1, block j - 1]; an interval of one value has a single half.
    """

    cell: int  # values of wm per interval
    low: IntArray  # [cells] index into WM of both ends
    high: IntArray  # [cells]
    order: IntArray  # [cells, events] events by increasing r
    between: BoolArray  # [cells, events] a later event has the same r
    within: IntArray  # [w0s, cells] number of events with r w0 < MAX_WA

    @property
    def exact(self) -> bool:
        return self.cell == 1


class WidthSearch:
    """Tables shared by all networks of at most `max_depth` blocks, with w0 in 8, 16, ..., max_w0."""

    def __init__(self, max_depth: int, max_w0: int, rounding: Rounding) -> None:
        self.blocks = max(max_depth, 2) - 1  # block 0 always has level 0
        self.w0 = np.arange(W0_STEP, max_w0 + 1, W0_STEP)
        self.shift = 0.5 if rounding == "nearest" else 0.0
        highest = np.log1p(MAX_WA / W0_STEP * self.blocks) / np.log(WM[0])
        self.levels = int(np.ceil(highest + self.shift))
        grid = (self.w0[:, None, None].astype(float), WM[:, None], np.arange(self.levels + 1.0))
        self.log_widths: FloatArray = np.log(level_widths(*grid))  # [w0s, wms, levels + 1]
        self.tree = [self._level(cell) for cell in CELLS]

    def fit(self, depths: IntArray, widths: IntArray, promising: Promising) -> Best:
        """The best fit of one network, depths and widths [stages], among the promising nodes."""
        slots = self._slots(depths, halves=1), self._slots(depths, halves=2)
        network = _Network(depths, np.log(widths), slots, promising)
        i, c = np.nonzero(promising.bounds[0] <= promising.ceiling)
        best = self._descend(0, i, c, network, (np.inf, 0, 0, -1))
        return self._interval(best, int(depths.sum()))

    def _ratios(self, wm: FloatArray) -> FloatArray:
        """Ratio r at which block j reaches level k, [wms, levels * blocks]."""
        powers = wm[:, None] ** (np.arange(1, self.levels + 1) - self.shift) - 1
        ratios: FloatArray = powers[:, :, None] / np.arange(1, self.blocks + 1)
        return ratios.reshape(len(wm), -1)

    def _level(self, cell: int) -> _Level:
        low = np.arange(0, len(WM), cell)
        high = np.minimum(low + cell, len(WM)) - 1
        ratios = self._ratios(WM[low])
        if cell > 1:
            ratios = np.concatenate([ratios, self._ratios(WM[high])], axis=1)
        order = np.argsort(ratios, axis=1, kind="stable")
        ratios = np.take_along_axis(ratios, order, axis=1)
        between = np.zeros(ratios.shape, dtype=bool)
        between[:, :-1] = ratios[:, 1:] <= ratios[:, :-1] * (1 + TIE)
        within = np.stack([np.searchsorted(row, MAX_WA / self.w0) for row in ratios], axis=1)
        return _Level(cell, low, high, order, between, within)

    def _descend(
        self, depth: int, i: IntArray, c: IntArray, network: _Network, best: tuple[float, int, int, int]
    ) -> tuple[float, int, int, int]:
        """Least (cost, w0 index, wm index, events passed) in the given nodes (w0 index i, interval c)."""
        level = self.tree[depth]
        costs, passed = self._sweep(level, i, c, network)
        if level.exact:
            least = int(np.argmin(costs))
            found = (float(costs[least]), int(i[least]), int(c[least]), int(passed[least]))
            return min(best, found)
        order, start, size = np.argsort(costs, kind="stable"), 0, 4
        while start < len(order) and costs[order[start]] < network.limit(best[0]):
            batch = order[start : start + size]
            batch = batch[costs[batch] < network.limit(best[0])]
            finer = self._children(depth, i[batch], c[batch], network, best[0])
            if len(finer[0]):
                best = self._descend(depth + 1, *finer, network, best)
            start, size = start + size, size * 4
        return best

    def _children(
        self, depth: int, i: IntArray, c: IntArray, network: _Network, cost: float
    ) -> tuple[IntArray, IntArray]:
        """Nodes of the next level within the given ones that can be better than the given cost."""
        finer, bounds = self.tree[depth + 1], network.promising.bounds
        parts = self.tree[depth].cell // finer.cell
        i, c = np.repeat(i, parts), (c[:, None] * parts + np.arange(parts)).ravel()
        real = np.flatnonzero(c < len(finer.low))
        if depth + 1 < len(bounds):
            real = real[bounds[depth + 1][i[real], c[real]] <= network.limit(cost)]
        return i[real], c[real]

    def _sweep(
        self, level: _Level, i: IntArray, c: IntArray, network: _Network
    ) -> tuple[FloatArray, IntArray]:
        """Least mean cost (or its lower bound) over wa of each node, and the number of events up to it."""
        logs = network.logs[:, None]
        low, high = self.log_widths[i, level.low[c]], self.log_widths[i, level.high[c]]
        distance = np.maximum(low[:, None] - logs, logs - high[:, None])
        distance = np.maximum(distance, 0)  # [nodes, stages, levels + 1] of |log(level / observed)|
        start = distance[:, :, 0] @ network.depths
        change = np.diff(distance, axis=2).reshape(len(i), -1)
        halves = [change] if level.exact else [np.minimum(change, 0), np.maximum(change, 0)]
        change = np.concatenate([*halves, np.zeros((len(i), 1))], axis=1)
        slot = network.slots[len(halves) - 1]

        costs, passed = start.copy(), np.zeros(len(i), dtype=np.int64)
        counts = level.within[i, c]
        by_count = np.argsort(counts, kind="stable")
        for rows in np.array_split(by_count, min(len(i), int(counts.sum()) // PIECE + 1)):
            events = int(counts[rows[-1]])
            if events == 0:
                continue
            where = slot.take(level.order[c[rows], :events])
            where += rows[:, None] * change.shape[1]
            sums = change.take(where)
            np.cumsum(sums, axis=1, out=sums)
            np.copyto(sums, np.inf, where=np.arange(events) >= counts[rows, None])
            if level.exact:
                np.copyto(sums, np.inf, where=level.between[c[rows], :events])
            least = sums.argmin(axis=1)
            gain = sums[np.arange(len(rows)), least]
            costs[rows] += np.minimum(gain, 0)
            passed[rows] = np.where(gain < 0, least + 1, 0)
        return costs / network.depths.sum(), passed

    def _slots(self, depths: IntArray, halves: int) -> IntArray:
        """Column of a node's changes that an event adds; the last, always 0, for blocks beyond the depth."""
        stages, total = len(depths), int(depths.sum())
        stage = np.repeat(np.arange(stages), depths)[1:]
        half, k = np.arange(halves)[:, None, None], np.arange(self.levels)[:, None]
        slots = np.full((halves, self.levels, self.blocks), halves * stages * self.levels)
        slots[:, :, : total - 1] = (half * stages + stage) * self.levels + k
        return slots.ravel()

    def _interval(self, best: tuple[float, int, int, int], total: int) -> Best:
        """Turn the number of events passed into the range of wa between two events of the real blocks."""
        cost, i, c, passed = best
        w0, wm = int(self.w0[i]), float(WM[c])
        ratios = self._ratios(WM[c : c + 1])
        reached = np.sort(ratios[0])[passed - 1] * (1 + TIE) if passed else 0.0
        own = ratios.reshape(self.levels, self.blocks)[:, : total - 1]
        above = own[own <= reached].max(initial=0.0) * w0
        below = own[own > reached].min(initial=np.inf) * w0
        return Best(cost, w0, wm, float(above), float(min(below, MAX_WA)))
