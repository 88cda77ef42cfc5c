"""Multiply-adds, parameters and activations of whole populations, in closed form and exact.

Conventions of the papers' released code: flops are the multiply-adds of convolutions and linear layers
for one image, plus one addition for every bias; BatchNorm, pooling and activation functions count nothing
but the parameters they have. No network is built: this is the hot path of sampling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from designspace.architecture import SE_RATIO, Architectures, IntArray

STAGE_STRIDE = 2  # of the first block of each stage
RESIDUAL_BLOCKS = ("x", "y", "r")
ROWS_AT_ONCE = 1 << 14  # networks whose temporaries stay in the processor's cache


@dataclass(frozen=True, eq=False)
class Complexity:
    """What one image costs in each of n networks."""

    flops: IntArray  # [n] multiply-adds, plus biases
    params: IntArray  # [n] learnable parameters, BatchNorm's included
    acts: IntArray  # [n] summed sizes of the outputs of all convolutions and linear layers

    def __add__(self, other: Complexity) -> Complexity:
        return Complexity(self.flops + other.flops, self.params + other.params, self.acts + other.acts)

    def __mul__(self, times: IntArray) -> Complexity:
        return Complexity(self.flops * times, self.params * times, self.acts * times)


def complexity(
    networks: Architectures, *, resolution: int, num_classes: int, in_channels: int = 3
) -> Complexity:
    """The cost of every network on images of `resolution` x `resolution` pixels."""
    n = len(networks)
    flops, params, acts = np.empty((3, n), dtype=np.int64)
    for start in range(0, n, ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, n))
        part = _networks(networks.take(rows), resolution, num_classes, in_channels)
        flops[rows], params[rows], acts[rows] = part.flops, part.params, part.acts
    return Complexity(flops, params, acts)


def _networks(networks: Architectures, size: int, num_classes: int, in_channels: int) -> Complexity:
    block = _BLOCKS[networks.block]
    bottleneck_widths = networks.bottleneck_widths
    w_in = np.full(len(networks), networks.stem_width)
    size = _strided(size, networks.stem_stride)
    total = _conv_norm(9 * in_channels, w_in, size**2)
    for i in range(networks.num_stages):
        w, v, g = networks.widths[:, i], bottleneck_widths[:, i], networks.group_widths[:, i]
        size_in, size = size, _strided(size, STAGE_STRIDE)
        first = block(_Site(w_in, w, v, g, size_in**2, size**2))
        rest = block(_Site(w, w, v, g, size**2, size**2))
        total = total + first + rest * (networks.depths[:, i] - 1)
        if networks.block in RESIDUAL_BLOCKS:  # the first block changes the shape, so its shortcut projects
            total = total + _conv_norm(w_in, w, size**2)
        w_in = w
    return total + _conv(w_in, np.full(len(networks), num_classes), 1, bias=True)


def _strided(size: int, stride: int) -> int:
    """Output size of a convolution that pads so that stride 1 keeps the size."""
    return (size - 1) // stride + 1


def _conv(fan_in: IntArray | int, w_out: IntArray, area: int, *, bias: bool = False) -> Complexity:
    """A convolution of `fan_in` weights an output channel, on a map of `area` pixels (linear layer: 1)."""
    weights = fan_in * w_out
    acts = w_out * area
    if bias:
        return Complexity(weights * area + acts, weights + w_out, acts)
    return Complexity(weights * area, weights, acts)


def _conv_norm(fan_in: IntArray | int, w_out: IntArray, area: int) -> Complexity:
    conv = _conv(fan_in, w_out, area)
    return Complexity(conv.flops, conv.params + 2 * w_out, conv.acts)


@dataclass(frozen=True, eq=False)
class _Site:
    """A block's place in every network: all that its cost depends on."""

    w_in: IntArray  # channels of the input
    w: IntArray  # channels of the output
    v: IntArray  # channels of the 3x3 convolution
    g: IntArray  # channels per group of the 3x3 convolution
    area_in: int  # pixels of the input
    area: int  # pixels of the output


# The blocks of `models/anynet.py`, without their shortcuts.


def _x_block(s: _Site) -> Complexity:
    return (
        _conv_norm(s.w_in, s.v, s.area_in) + _conv_norm(9 * s.g, s.v, s.area) + _conv_norm(s.v, s.w, s.area)
    )


def _y_block(s: _Site) -> Complexity:
    squeezed = np.maximum(np.rint(s.w_in * SE_RATIO).astype(np.int64), 1)
    return _x_block(s) + _conv(s.v, squeezed, 1, bias=True) + _conv(squeezed, s.v, 1, bias=True)


def _basic_block(s: _Site) -> Complexity:
    return _conv_norm(9 * s.w_in, s.w, s.area) + _conv_norm(9 * s.w, s.w, s.area)


_BLOCKS = {"x": _x_block, "y": _y_block, "v": _basic_block, "r": _basic_block}
