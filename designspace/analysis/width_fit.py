"""How close a network's widths are to a quantized linear rule (Section 3.3 and figures 8 and 9 of the paper).

`e_fit` of a network is the least mean |log(predicted / observed width)| over its blocks that any w0, wa
and wm reach, with the depth fixed to the network's own. The paper does not publish its grid; the ranges here
are those of RegNet, and the result is a global optimum over

    w0 in 8, 16, ..., 256 (up to the network's first width where that is larger),
    wa any real number with 0 <= wa < 256,
    wm in 1.5, 1.501, ..., 3,

so no grid search within these ranges is better, however fine in wa, and a RegNet is recovered with e_fit = 0.
One exception: where one wa puts several blocks exactly on the border between two levels, the rule's floating
point decides between them, and that single point is not tried. Several parameters often give the same
widths; then one of them is reported, always the same, with wa a multiple of 0.1 where there is one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from designspace.analysis._width_bounds import MAX_W0, promising_nodes
from designspace.analysis._width_search import MAX_WA, W0_STEP, Best, WidthSearch
from designspace.analysis.executor import IN_THIS_PROCESS, Executor
from designspace.analysis.statistics import Interval, mean_interval
from designspace.networks.architecture import FloatArray, IntArray
from designspace.spaces.quantized_linear import Rounding, quantized_linear_widths

EXTREMES = 3  # best networks, and worst, that are shown, as in figure 6 of the paper
_DEPTH_STEP = 8  # networks whose depths agree up to this many blocks share the tables of the search
_TOGETHER = 16_384  # networks whose bounds are in memory at once, 7 kB each
_WORTH_A_WORKER = 250  # networks; a process takes about as long to start as these to fit

Networks = list[tuple[IntArray, IntArray]]  # depths and widths, [stages] each
Stagewise = Iterable[Sequence[int] | IntArray]  # one entry a network, each with one entry per stage


@dataclass(frozen=True, eq=False)
class WidthFits:
    """Best quantized linear rule of each of n networks; arrays [n]."""

    rounding: Rounding
    w0: IntArray  # channels
    wa: FloatArray  # channels per block
    wm: FloatArray
    e_fit: FloatArray  # mean |log(predicted / observed width)| over the blocks, natural logarithm

    def take(self, rows: npt.NDArray[np.int64]) -> WidthFits:
        """The fits of the networks at the given indices."""
        return WidthFits(self.rounding, self.w0[rows], self.wa[rows], self.wm[rows], self.e_fit[rows])


@dataclass(frozen=True)
class MeanFit:
    """Mean e_fit over the sampled networks of one space, whatever became of them."""

    space: str
    mean: float  # NaN without networks
    interval: Interval  # 95 percent, BCa bootstrap over the networks
    n: int


@dataclass(frozen=True, eq=False)
class BlockWidths:
    """Widths per block of one network and of the quantized linear rule closest to it."""

    model_id: str
    error: float  # top-1 percent
    e_fit: float
    w0: float  # channels
    wa: float  # channels per block
    wm: float
    observed: IntArray  # [depth] channels
    fitted: IntArray  # [depth] channels


@dataclass(frozen=True, eq=False)
class Extremes:
    """The best networks of a space (best first) and its worst that have an error (worst first)."""

    space: str
    good: tuple[BlockWidths, ...]
    bad: tuple[BlockWidths, ...]
    n: int  # networks with an error


@dataclass(frozen=True)
class LineFit:
    """The line w_j = slope (j + 1) through the widths of several networks (the paper finds slope 48)."""

    slope: float  # channels per block; NaN without networks
    error: float  # mean over networks of the mean |log(line / observed width)| over blocks
    n: int  # networks

    def widths(self, depth: int) -> FloatArray:
        """Widths of the line's first blocks, [depth] channels."""
        return np.asarray(self.slope * np.arange(1, depth + 1))


def fit_widths(
    depths: Stagewise,
    widths: Stagewise,
    *,
    rounding: Rounding = "nearest",
    executor: Executor = IN_THIS_PROCESS,
) -> WidthFits:
    """Fit the quantized linear rule to every network; numbers of stages may differ between networks.

    The `executor` may share many networks out among worker processes, with the same result; a script that
    does so needs its `if __name__ == "__main__":`.
    """
    return fit_roundings(depths, widths, [rounding], executor=executor)[0]


def fit_roundings(
    depths: Stagewise,
    widths: Stagewise,
    roundings: Sequence[Rounding],
    *,
    executor: Executor = IN_THIS_PROCESS,
) -> list[WidthFits]:
    """`fit_widths` with one rounding after the other, or all at once if there are workers for it."""
    networks = [
        (np.asarray(d, dtype=np.int64), np.asarray(w, dtype=np.int64))
        for d, w in zip(depths, widths, strict=True)
    ]
    if len(networks) < _WORTH_A_WORKER:
        executor = IN_THIS_PROCESS
    parts = max(1, min(executor.workers // len(roundings), len(networks) // _WORTH_A_WORKER))
    jobs = [*itertools.product(roundings, range(parts))]
    found = executor.map(
        partial(_fitter, networks, parts), jobs, complaint=lambda job: "the width fit failed"
    )
    fits = {rounding: np.empty((len(networks), 4)) for rounding in roundings}
    for (rounding, part), fit in zip(jobs, found, strict=True):
        fits[rounding][part::parts] = fit
    return [
        WidthFits(rounding, fit[:, 0].astype(np.int64), *fit[:, 1:].T.copy())
        for rounding, fit in fits.items()
    ]


def _fitter(networks: Networks, parts: int) -> Callable[[tuple[Rounding, int]], FloatArray]:
    """In the worker: what fits, with a rounding, every `parts`-th network from a first one on."""
    return lambda job: _fit(networks[job[1] :: parts], job[0])


def _fit(networks: Networks, rounding: Rounding) -> FloatArray:
    """w0, wa, wm and e_fit of each of n networks, [n, 4]."""
    totals = np.array([int(d.sum()) for d, _ in networks], dtype=np.int64)
    limits = np.array([_max_w0(int(w[0])) for _, w in networks], dtype=np.int64)
    fits = np.empty((len(networks), 4))
    for row, best in _best_fits(networks, totals, limits, rounding):
        parameters = (float(best.w0), _representative(best), best.wm)
        predicted = quantized_linear_widths(int(totals[row]), *parameters, rounding=rounding)
        fits[row] = *parameters, width_error(np.repeat(networks[row][1], networks[row][0]), predicted)
    return fits


def _best_fits(
    networks: Networks, totals: IntArray, limits: IntArray, rounding: Rounding
) -> Iterator[tuple[int, Best]]:
    """Every network's index and best parameters; those that share tables one after the other."""
    for start in range(0, len(networks), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        promising = promising_nodes(networks[part], limits[part], rounding)
        classes = -(-totals[part] // _DEPTH_STEP) * _DEPTH_STEP
        for depth in np.unique(classes).tolist():
            rows = np.flatnonzero(classes == depth)
            search = WidthSearch(depth, int(limits[part][rows].max()), rounding)
            for row in rows.tolist():
                yield start + row, search.fit(*networks[start + row], promising[row])


def width_error(observed: IntArray, predicted: IntArray) -> float:
    """Mean |log(predicted / observed)| over the blocks; arrays [depth] of channels."""
    return float(np.abs(np.log(predicted / observed)).mean())


def mean_fit(space: str, e_fit: FloatArray) -> MeanFit:
    """Mean of e_fit [n] with its interval, which has length 0 where every network fits exactly."""
    mean = float(e_fit.mean()) if len(e_fit) else float("nan")
    return MeanFit(space, mean, mean_interval(e_fit), len(e_fit))


def extremes(runs: pd.DataFrame, fits: WidthFits, *, each: int = EXTREMES) -> Extremes:
    """The best and the worst networks of one space; with few networks with an error, half of them each.

    Runs and fits have the same n networks in the same order; diverged and failed ones have no error.
    """
    done = np.flatnonzero((runs["status"] == "done").to_numpy(dtype=bool))
    errors = runs["error"].to_numpy(dtype=float)
    order = done[np.argsort(errors[done], kind="stable")]
    each = min(each, len(order) // 2)
    good, bad = (
        tuple(block_widths(runs, fits, int(row)) for row in rows[:each]) for rows in (order, order[::-1])
    )
    return Extremes(str(runs["space"].iloc[0]) if len(runs) else "", good, bad, len(order))


def fit_line(depths: Stagewise, widths: Stagewise) -> LineFit:
    """The slope of w_j = slope (j + 1) that is closest to the given networks, each weighing the same.

    The cost is a sum of |log slope - log(w_j / (j + 1))|, so the weighted median is its exact minimum.
    """
    logs, weights = [], []
    for d, w in zip(depths, widths, strict=True):
        blocks = np.repeat(np.asarray(w), np.asarray(d))
        logs.append(np.log(blocks / np.arange(1, len(blocks) + 1)))
        weights.append(np.full(len(blocks), 1 / len(blocks)))
    if not logs:
        return LineFit(float("nan"), float("nan"), 0)
    log, weight = np.concatenate(logs), np.concatenate(weights)
    order = np.argsort(log, kind="stable")
    half = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
    center = float(log[order[min(half, len(log) - 1)]])
    error = float(np.average(np.abs(log - center), weights=weight))
    return LineFit(float(np.exp(center)), error, len(logs))


def block_widths(runs: pd.DataFrame, fits: WidthFits, row: int) -> BlockWidths:
    """Of the network in this row of the runs and of their fits."""
    model = runs.iloc[row]
    observed = np.repeat(
        np.asarray(model["widths"], dtype=np.int64), np.asarray(model["depths"], dtype=np.int64)
    )
    w0, wa, wm = float(fits.w0[row]), float(fits.wa[row]), float(fits.wm[row])
    return BlockWidths(
        model_id=str(model["model_id"]),
        error=float(model["error"]),
        e_fit=float(fits.e_fit[row]),
        w0=w0,
        wa=wa,
        wm=wm,
        observed=observed,
        fitted=quantized_linear_widths(len(observed), w0, wa, wm, rounding=fits.rounding),
    )


def _max_w0(first_width: int) -> int:
    return max(MAX_W0, -(-first_width // W0_STEP) * W0_STEP)


def _representative(best: Best) -> float:
    """A wa inside the interval: 0 if it starts there, a multiple of 0.1 if it holds one, else the middle."""
    assert best.wa_above < best.wa_below <= MAX_WA
    if best.wa_above == 0:
        return 0.0
    middle = (best.wa_above + best.wa_below) / 2
    short = round(middle, 1)
    return short if best.wa_above < short < best.wa_below else middle
