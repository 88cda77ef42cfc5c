"""The table of blocks: what each one is, which parameters it reads, and what it costs in closed form.

NumPy only; `networks/module.py` holds the torch module of each name. The paper (Appendix D) calls X without
groups R, one 3x3 convolution V, and that with a residual VR. Here these are `paper_r`, `paper_v` and
`paper_vr`: `r` and `v` are the basic and the vanilla block of the authors' released code, with two 3x3 each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from designspace.errors import UserError
from designspace.networks.architecture import IntArray

SE_RATIO = 0.25  # of the block's input width (RegNetY, Section 4 of the paper)


@dataclass(frozen=True, eq=False)
class Layer:
    """A convolution of `fan_in` weights an output channel, on a map of `area` pixels (linear layer: 1).

    It has a bias, or BatchNorm follows.
    """

    fan_in: IntArray | int
    w_out: IntArray
    area: int
    bias: bool = False

    @property
    def flops(self) -> IntArray:
        inputs = self.fan_in + 1 if self.bias else self.fan_in
        return inputs * self.w_out * self.area

    @property
    def params(self) -> IntArray:
        return (self.fan_in + (1 if self.bias else 2)) * self.w_out

    @property
    def acts(self) -> IntArray:
        return self.w_out * self.area


@dataclass(frozen=True, eq=False)
class Site:
    """A block's place in every network: all that its cost depends on."""

    w_in: IntArray  # channels of the input
    w: IntArray  # channels of the output
    v: IntArray  # channels of the 3x3 convolution
    g: IntArray  # channels per group of the 3x3 convolution
    area_in: int  # pixels of the input
    area: int  # pixels of the output


@dataclass(frozen=True)
class Block:
    """One kind of block. What it does not read has one value: b = 1, and g the width of the 3x3."""

    title: str
    layers: Callable[[Site], list[Layer]]  # those of the branch; the projection of a shortcut comes on top
    bottleneck: bool = False  # whether it reads the bottleneck ratio b
    grouped: bool = False  # whether it reads the group width g
    residual: bool = False


def find_block(name: str) -> Block:
    """The block of that name. Raises UserError if there is none."""
    if name not in BLOCKS:
        raise UserError(f"block must be one of {', '.join(BLOCKS)}, but got {name!r}")
    return BLOCKS[name]


def _x_block(s: Site) -> list[Layer]:
    return [Layer(s.w_in, s.v, s.area_in), Layer(9 * s.g, s.v, s.area), Layer(s.v, s.w, s.area)]


def _y_block(s: Site) -> list[Layer]:
    squeezed = np.maximum(np.rint(s.w_in * SE_RATIO).astype(np.int64), 1)
    return [*_x_block(s), Layer(s.v, squeezed, 1, bias=True), Layer(squeezed, s.v, 1, bias=True)]


def _two_convolutions(s: Site) -> list[Layer]:
    return [Layer(9 * s.w_in, s.w, s.area), Layer(9 * s.w, s.w, s.area)]


def _paper_r_block(s: Site) -> list[Layer]:
    return [Layer(s.w_in, s.v, s.area_in), Layer(9 * s.v, s.v, s.area), Layer(s.v, s.w, s.area)]


def _one_convolution(s: Site) -> list[Layer]:
    return [Layer(9 * s.w_in, s.w, s.area)]


BLOCKS = {
    "x": Block(
        "X block: 1x1, grouped 3x3, 1x1, residual", _x_block, bottleneck=True, grouped=True, residual=True
    ),
    "y": Block(
        "Y block: X block with squeeze-and-excitation after the 3x3",
        _y_block, bottleneck=True, grouped=True, residual=True,
    ),
    "v": Block("vanilla block: two 3x3, no residual", _two_convolutions),
    "r": Block("residual basic block: two 3x3, residual", _two_convolutions, residual=True),
    "paper_r": Block(
        "R block of the paper: X block without groups", _paper_r_block, bottleneck=True, residual=True
    ),
    "paper_v": Block("V block of the paper: one 3x3, no residual", _one_convolution),
    "paper_vr": Block("VR block of the paper: one 3x3, residual", _one_convolution, residual=True),
}  # fmt: skip
