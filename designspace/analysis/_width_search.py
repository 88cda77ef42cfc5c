"""Exact search for the quantized linear rule closest to one network; `width_fit` is its public face.

For fixed w0 and wm the level of block j is a step function of the ratio r = wa / w0 alone: block j reaches
level k at r = (wm^(k - 1/2) - 1) / j (nearest; wm^k for floor). With these events sorted once per wm, the
best wa is where the changes in cost along the events have their least prefix sum: over every real wa.

Over wm the search is branch and bound. Within an interval of wm, the width of level k lies between its
values at both ends, and so does the ratio of each event; charging every block the distance to the
interval, and every event its gain at the early end but its loss only at the late end, bounds the cost
from below by the same prefix sums. Intervals whose bound is not below the best cost so far are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from designspace.architecture import FloatArray, IntArray
from designspace.spaces.quantized_linear import Rounding, level_widths

BoolArray = npt.NDArray[np.bool_]

W0_STEP = 8
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
class _Level:
    """One resolution of the search: a partition of WM into intervals, with their events in order of r.

    Events are numbered [half, level k - 1, block j - 1]; an interval of one value has a single half.
    """

    cell: int  # values of wm per interval
    low: IntArray  # [cells] index into WM of both ends
    high: IntArray  # [cells]
    order: npt.NDArray[np.int32]  # [cells, events] events by increasing r
    closing: BoolArray  # [cells, events] no later event has the same r
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

    def fit(self, depths: IntArray, widths: IntArray, max_w0: int) -> Best:
        """The best fit of one network, depths and widths [stages], with w0 <= max_w0."""
        w0s, cells = int(max_w0) // W0_STEP, len(self.tree[0].low)
        i, c = np.divmod(np.arange(w0s * cells), cells)
        best = self._descend(0, i, c, depths, np.log(widths), (np.inf, 0, 0, -1))
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
        closing = np.ones(ratios.shape, dtype=bool)
        closing[:, :-1] = ratios[:, 1:] > ratios[:, :-1] * (1 + TIE)
        within = np.stack([np.searchsorted(row, MAX_WA / self.w0) for row in ratios], axis=1)
        return _Level(cell, low, high, order.astype(np.int32), closing, within)

    def _descend(
        self,
        depth: int,
        i: IntArray,
        c: IntArray,
        depths: IntArray,
        logs: FloatArray,
        best: tuple[float, int, int, int],
    ) -> tuple[float, int, int, int]:
        """Least (cost, w0 index, wm index, events passed) in the given nodes (w0 index i, interval c)."""
        level = self.tree[depth]
        costs, passed = self._sweep(level, i, c, depths, logs)
        if level.exact:
            least = int(np.argmin(costs))
            found = (float(costs[least]), int(i[least]), int(c[least]), int(passed[least]))
            return min(best, found)
        finer = self.tree[depth + 1]
        parts = level.cell // finer.cell
        order, start, size = np.argsort(costs, kind="stable"), 0, 4
        while start < len(order) and costs[order[start]] < best[0]:
            batch = order[start : start + size]
            batch = batch[costs[batch] < best[0]]
            children = (c[batch, None] * parts + np.arange(parts)).ravel()
            real = children < len(finer.low)
            best = self._descend(
                depth + 1, np.repeat(i[batch], parts)[real], children[real], depths, logs, best
            )
            start, size = start + size, size * 4
        return best

    def _sweep(
        self, level: _Level, i: IntArray, c: IntArray, depths: IntArray, logs: FloatArray
    ) -> tuple[FloatArray, IntArray]:
        """Least mean cost (or its lower bound) over wa of each node, and the number of events up to it."""
        low, high = self.log_widths[i, level.low[c]], self.log_widths[i, level.high[c]]
        distance = np.maximum(low[:, None] - logs[:, None], logs[:, None] - high[:, None])
        distance = np.maximum(distance, 0)  # [nodes, stages, levels + 1] of |log(level / observed)|
        start = distance[:, :, 0] @ depths
        change = np.diff(distance, axis=2)
        if not level.exact:
            change = np.concatenate([np.minimum(change, 0), np.maximum(change, 0)], axis=1)
        change = np.concatenate([change.reshape(len(i), -1), np.zeros((len(i), 1))], axis=1)
        slot = self._slots(depths, halves=1 if level.exact else 2)

        costs, passed = start.copy(), np.zeros(len(i), dtype=np.int64)
        counts = level.within[i, c]
        by_count = np.argsort(counts, kind="stable")
        for rows in np.array_split(by_count, max(1, min(8, len(i) // 64))):
            events = int(counts[rows].max(initial=0))
            if events == 0:
                continue
            where = slot[level.order[c[rows], :events]] + rows[:, None] * change.shape[1]
            sums = np.cumsum(np.take(change, where), axis=1)
            sums[np.arange(events) >= counts[rows, None]] = np.inf
            if level.exact:
                sums[~level.closing[c[rows], :events]] = np.inf
            least = np.argmin(sums, axis=1)
            gain = np.take_along_axis(sums, least[:, None], axis=1)[:, 0]
            costs[rows] = start[rows] + np.minimum(gain, 0)
            passed[rows] = np.where(gain < 0, least + 1, 0)
        return costs / depths.sum(), passed

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
