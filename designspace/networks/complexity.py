"""Multiply-adds, parameters and activations of whole populations, in closed form and exact.

Conventions of the papers' released code: flops are the multiply-adds of convolutions and linear layers
for one image, plus one addition for every bias; BatchNorm, pooling and activation functions count nothing
but the parameters they have. No network is built: this is the hot path of sampling.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from designspace.networks.architecture import Architectures, IntArray
from designspace.networks.blocks import Layer, Site, find_block

METRICS = ("flops", "params", "acts")
STAGE_STRIDE = 2  # of the first block of each stage
ROWS_AT_ONCE = 1 << 14  # networks whose temporaries stay in the processor's cache


@dataclass(frozen=True, eq=False)
class Complexity:
    """What one image costs in each of n networks."""

    flops: IntArray  # [n] multiply-adds, plus biases
    params: IntArray  # [n] learnable parameters, BatchNorm's included
    acts: IntArray  # [n] summed sizes of the outputs of all convolutions and linear layers


def complexity(
    networks: Architectures, *, resolution: int, num_classes: int, in_channels: int = 3
) -> Complexity:
    """The cost of every network on images of `resolution` x `resolution` pixels."""
    image = {"resolution": resolution, "num_classes": num_classes, "in_channels": in_channels}
    return Complexity(**costs(networks, METRICS, **image))


def costs(
    networks: Architectures,
    metrics: Sequence[str],
    *,
    resolution: int,
    num_classes: int,
    in_channels: int = 3,
) -> dict[str, IntArray]:
    """Some of the `METRICS` of every network, each [n]; what is not asked for takes no time."""
    totals = {name: np.zeros(len(networks), dtype=np.int64) for name in metrics}
    for start in range(0, len(networks), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        groups = list(_layers(networks.take(rows), resolution, num_classes, in_channels))
        for name, total in totals.items():
            for times, layers in groups:
                total[rows] += times * sum(getattr(layer, name) for layer in layers)
    return totals


def _layers(
    networks: Architectures, size: int, num_classes: int, in_channels: int
) -> Iterator[tuple[IntArray | int, list[Layer]]]:
    """All layers of the networks: how often they occur (one number a network, or for all), and which."""
    block = find_block(networks.block)
    bottleneck_widths = networks.bottleneck_widths
    w_in = np.full(len(networks), networks.stem_width)
    size = _strided(size, networks.stem_stride)
    yield 1, [Layer(9 * in_channels, w_in, size**2)]
    for i in range(networks.num_stages):
        w, v, g = networks.widths[:, i], bottleneck_widths[:, i], networks.group_widths[:, i]
        size_in, size = size, _strided(size, STAGE_STRIDE)
        first = block.layers(Site(w_in, w, v, g, size_in**2, size**2))
        if block.residual:  # the first block changes the shape, so its shortcut projects
            first.append(Layer(w_in, w, size**2))
        yield 1, first
        yield networks.depths[:, i] - 1, block.layers(Site(w, w, v, g, size**2, size**2))
        w_in = w
    yield 1, [Layer(w_in, np.full(len(networks), num_classes), 1, bias=True)]


def _strided(size: int, stride: int) -> int:
    """Output size of a convolution that pads so that stride 1 keeps the size."""
    return (size - 1) // stride + 1
