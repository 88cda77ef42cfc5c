"""RegNet's quantized linear widths (Section 3.3 of the paper, equations 2 to 4).

u_j = w0 + wa j is the linear width of block j, s_j = log(u_j / w0) / log(wm) its level, and
w_j = w0 wm^round(s_j), rounded to a multiple of 8, its width. Blocks of one level form a stage.

The paper rounds s_j to the nearest integer; `rounding="floor"` is the variant that some presentations
of the paper print. Only "nearest" reproduces the published networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from designspace.networks.architecture import FloatArray, IntArray

Floats = npt.NDArray[np.floating[Any]] | np.float64

Rounding = Literal["nearest", "floor"]
WIDTH_STEP = 8  # channels


def block_levels(j: Floats, w0: Floats, wa: Floats, wm: Floats, rounding: Rounding) -> FloatArray:
    """Level of block j, round(s_j) or floor(s_j); all arguments broadcast. Computed in float64."""
    s = np.log((w0 + wa * j) / w0) / np.log(wm)
    return np.asarray(np.rint(s) if rounding == "nearest" else np.floor(s))


def level_widths(w0: Floats, wm: Floats, levels: Floats) -> IntArray:
    """Width of a level, w0 wm^level rounded (halves to even) to a multiple of 8; arguments broadcast."""
    return np.asarray(np.rint(w0 * wm**levels / WIDTH_STEP) * WIDTH_STEP, dtype=np.int64)


def quantized_linear_widths(
    depth: int, w0: float, wa: float, wm: float, *, rounding: Rounding = "nearest"
) -> IntArray:
    """Widths of all blocks, [depth], for one set of parameters (w0 > 0, wa >= 0, wm > 1)."""
    if not (depth >= 1 and w0 > 0 and wa >= 0 and wm > 1):
        raise ValueError(
            "depth >= 1, w0 > 0, wa >= 0 and wm > 1 must hold, "
            f"but got (depth={depth}, w0={w0:g}, wa={wa:g}, wm={wm:g})"
        )
    offset, slope, base = np.float64(w0), np.float64(wa), np.float64(wm)
    levels = block_levels(np.arange(depth, dtype=np.float64), offset, slope, base, rounding)
    return level_widths(offset, base, levels)


@dataclass(frozen=True, eq=False)
class Stages:
    """Stages of many quantized linear networks of which each has the same number of stages."""

    rows: IntArray  # [m] which of the given parameter sets have exactly that many stages
    depths: IntArray  # [m, stages] blocks
    widths: IntArray  # [m, stages] channels


def quantized_linear_stages(
    depth: IntArray,
    w0: FloatArray,
    wa: FloatArray,
    wm: FloatArray,
    *,
    stages: int,
    rounding: Rounding = "nearest",
) -> Stages:
    """Stages of those parameter sets (arrays [n]) that give exactly `stages` stages and no empty level.

    A level that no block has, or two levels whose rounded widths are equal, disqualify a set.
    """
    last = block_levels(depth - 1.0, w0, wa, wm, rounding)
    rows = np.flatnonzero(last == stages - 1)
    depth, w0, wa, wm = depth[rows], w0[rows], wa[rows], wm[rows]

    # a stage after the other, also in memory
    starts = np.zeros((stages + 1, len(rows)), dtype=np.int64)  # first block of each level, then the end
    for level in range(1, stages):
        starts[level] = _first_block(level, w0, wa, wm, rounding)
    starts[stages] = depth
    depths = np.diff(starts, axis=0)
    widths = level_widths(w0, wm, np.arange(stages, dtype=np.float64)[:, None])

    whole = (depths > 0).all(axis=0) & (np.diff(widths, axis=0) > 0).all(axis=0) & (widths[0] > 0)
    return Stages(rows[whole], depths[:, whole].T, widths[:, whole].T)


def _first_block(level: int, w0: FloatArray, wa: FloatArray, wm: FloatArray, rounding: Rounding) -> IntArray:
    """Index of the first block of at least `level`, [n].

    Solving s_j = level - 1/2 gives it up to the rounding of ties; the rule itself, applied to the blocks
    around the solution, decides.
    """
    threshold = level - 0.5 if rounding == "nearest" else float(level)
    guess = np.maximum(1.0, np.ceil(w0 * (wm**threshold - 1) / wa))
    at_guess = block_levels(guess, w0, wa, wm, rounding) >= level
    before = block_levels(guess - 1, w0, wa, wm, rounding) >= level
    return (guess + np.where(before, -1, np.where(at_guess, 0, 1))).astype(np.int64)
