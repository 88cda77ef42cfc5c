"""Which nodes of the search in `_width_search` are worth a look, for many networks at once.

In a box of the parameters (one w0, an interval of wm, a range of the ratio r = wa / w0) the level of block j
lies between two integers, whatever the network. A block of width w then costs at least the distance of log w
to the nearest of these levels' widths, which depends on j and w alone. With a table of these costs, added up
over the blocks, two look-ups a stage bound the cost of a network in the box. Where the box is a point they
give the cost itself: the same tables make a coarse grid search, above whose result no node need be opened.

The bounds of the search itself are never lower (its ranges of r lie between two events), so that leaving
nodes out here changes neither its result nor the order in which it opens those that matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from designspace.analysis._width_search import CELLS, MAX_WA, W0_STEP, WM, Promising
from designspace.networks.architecture import FloatArray, IntArray
from designspace.spaces.quantized_linear import Rounding, level_widths

Floats32 = npt.NDArray[np.float32]

MAX_W0 = 256  # of RegNet; above, where few networks look, every node counts as promising
RANGES = (24, 48)  # of r, in the two coarsest levels of the search
BORDER = 1e-9  # more than the rounding error of a level before it is rounded
FEW = 1000  # networks for which the tables take longer than the search that they spare
CHUNK = 512  # networks looked up at once: what fits the cache


@dataclass(frozen=True, eq=False)
class _Networks:
    """n networks; a stage that only others have is empty."""

    ends: IntArray  # [n, stages + 1] blocks before each stage, and all
    column: IntArray  # [n, stages] index into log_widths
    log_widths: FloatArray  # [different widths]

    @property
    def depth(self) -> int:
        return int(self.ends.max())

    def take(self, rows: IntArray) -> _Networks:
        column = self.column[rows]
        used = np.zeros(len(self.log_widths), dtype=bool)
        used[column] = True
        return _Networks(self.ends[rows], (np.cumsum(used) - 1)[column], self.log_widths[used])


@dataclass(frozen=True, eq=False)
class _Boxes:
    """One w0 and one interval of wm, with several ranges of r."""

    w0: int
    wm: tuple[float, float]
    r: tuple[FloatArray, FloatArray]  # [ranges] each


def promising_nodes(
    networks: Sequence[tuple[IntArray, IntArray]], max_w0: IntArray, rounding: Rounding
) -> list[Promising]:
    """Where the optimum of each of n networks (depths and widths, [stages]) with w0 <= max_w0 [n] can be."""
    if len(networks) < FEW:
        return [everywhere(int(w0)) for w0 in max_w0]
    padded = _padded(networks)
    ceiling = np.full(len(networks), np.inf)
    levels: list[Floats32] = []
    for depth in range(len(RANGES)):
        levels.append(_level(padded, depth, levels, ceiling, rounding))
    return [
        Promising(tuple(_above(bounds[n], int(w0)) for bounds in levels), float(ceiling[n]))
        for n, w0 in enumerate(max_w0)
    ]


def everywhere(max_w0: int) -> Promising:
    """Every node with w0 <= max_w0."""
    cells = -(-len(WM) // CELLS[0])
    return Promising((np.full((max_w0 // W0_STEP, cells), -np.inf, dtype=np.float32),), np.inf)


def _padded(networks: Sequence[tuple[IntArray, IntArray]]) -> _Networks:
    stages = max(len(depths) for depths, _ in networks)
    depths = np.zeros((len(networks), stages), dtype=np.int64)
    widths = np.full_like(depths, networks[0][1][0])
    for n, (d, w) in enumerate(networks):
        depths[n, : len(d)], widths[n, : len(w)] = d, w
    different, column = np.unique(widths, return_inverse=True)
    ends = np.pad(np.cumsum(depths, axis=1), ((0, 0), (1, 0)))
    return _Networks(ends, column.reshape(widths.shape), np.log(different))


def _level(
    networks: _Networks, depth: int, above: list[Floats32], ceiling: FloatArray, rounding: Rounding
) -> Floats32:
    """Lower bounds [n, w0s, cells] in one level of the search, infinite below nodes that are not promising.

    Lowers `ceiling` [n] to what each network reaches in the middle of the boxes.
    """
    cell = CELLS[depth]
    w0s, lows = range(W0_STEP, MAX_W0 + 1, W0_STEP), range(0, len(WM), cell)
    bounds = np.full((len(ceiling), len(w0s), len(lows)), np.inf, dtype=np.float32)
    for i, w0 in enumerate(w0s):
        edges = _edges(w0, networks.depth, RANGES[depth])
        middles = np.concatenate([[0.0], np.sqrt(edges[1:-1] * edges[2:])])
        for c, low in enumerate(lows):
            some, rows = networks, np.arange(len(ceiling))
            if above:
                rows = np.flatnonzero(above[-1][:, i, low // CELLS[depth - 1]] <= ceiling)
                some = networks.take(rows)
            if len(rows):
                high = min(low + cell, len(WM)) - 1
                boxes = _Boxes(w0, (WM[low], WM[high]), (edges[:-1], edges[1:]))
                bounds[rows, i, c] = _costs(some, boxes, rounding, lower=True)
                wm = WM[(low + high) // 2]
                points = _Boxes(w0, (wm, wm), (middles, middles))
                ceiling[rows] = np.minimum(ceiling[rows], _costs(some, points, rounding, lower=False))
    return bounds


def _edges(w0: int, depth: int, ranges: int) -> FloatArray:
    """Ends of the ranges of r, [ranges + 1]: from 0 to where wa leaves its range."""
    most = MAX_WA / w0
    first = (WM[0] ** 0.5 - 1) / depth  # about where the last block of the deepest network leaves level 0
    return np.concatenate([[0.0], np.geomspace(min(first, most / 2), most, ranges)])


def _costs(networks: _Networks, boxes: _Boxes, rounding: Rounding, *, lower: bool) -> FloatArray:
    """Least mean cost over the boxes, [n], at most if `lower` and else at least.

    The distance of a width to the levels' widths falls and then rises. So its least value from level `first`
    to `last` is the larger of the least from `first` on and the least up to `last`. A block of a point that
    is on the border of two levels has the larger of their costs, as `last` comes before `first`.
    """
    sign = 1 if lower else -1
    block = np.arange(networks.depth)[:, None]
    half = 0.5 if rounding == "nearest" else 0.0
    first = np.floor(np.log1p(boxes.r[0] * block) / np.log(boxes.wm[1]) + half - sign * BORDER)
    last = np.floor(np.log1p(boxes.r[1] * block) / np.log(boxes.wm[0]) + half + sign * BORDER)
    first, last = (np.maximum(level, 0).astype(np.int64) for level in (first, last))

    levels = np.arange(max(first.max(), last.max()) + 1.0)
    low, high = (np.log(level_widths(np.float64(boxes.w0), np.float64(wm), levels)) for wm in boxes.wm)
    distance = np.maximum(low[:, None] - networks.log_widths, networks.log_widths - high[:, None])
    distance = np.maximum(distance, 0).astype(np.float32)  # [levels, widths]
    onward = np.minimum.accumulate(distance[::-1], axis=0)[::-1]
    upto = np.minimum.accumulate(distance, axis=0)

    table = np.zeros((len(block) + 1, len(networks.log_widths), first.shape[1]), dtype=np.float32)
    for j in range(len(block)):
        cost = np.maximum(onward.take(first[j], axis=0), upto.take(last[j], axis=0))
        np.add(table[j], cost.T, out=table[j + 1])
    stages = networks.column.shape[1]
    # float32: look-ups and sums each lose at most eps / 2 of a sum of at most depth * distance
    error = np.finfo(np.float32).eps * stages * (len(block) + 2 * stages) * float(distance.max())
    costs: FloatArray = _look_up(table, networks) - sign * error
    return costs


def _look_up(table: Floats32, networks: _Networks) -> FloatArray:
    """Least over the last axis of the mean over the blocks, [n]; table [blocks + 1, widths, ranges]."""
    widths, rows = table.shape[1], table.reshape(-1, table.shape[2])
    costs = np.empty(len(networks.ends))
    for start in range(0, len(costs), CHUNK):
        part = slice(start, start + CHUNK)
        ends, column = networks.ends[part], networks.column[part]
        sums = np.zeros((len(ends), rows.shape[1]), dtype=np.float32)
        for stage in range(column.shape[1]):
            sums += rows.take(ends[:, stage + 1] * widths + column[:, stage], axis=0)
            if stage > 0:
                sums -= rows.take(ends[:, stage] * widths + column[:, stage], axis=0)
        costs[part] = sums.min(axis=1) / ends[:, -1]
    return costs


def _above(bounds: Floats32, max_w0: int) -> Floats32:
    """The bounds [w0s, cells] of one network, with those for w0 above MAX_W0 that it may have."""
    more = max(max_w0 - MAX_W0, 0) // W0_STEP
    if not more:
        return bounds
    return np.concatenate([bounds, np.full((more, bounds.shape[1]), -np.inf, dtype=np.float32)])
