"""What a predictor of errors sees of a network, and the untrained networks of a space that it predicts.

Features are logarithms, since parameters of networks act by ratios. They are the same function of the
architecture for trained and untrained networks, and read no error.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from designspace.analysis.statistics import named_rng
from designspace.networks.architecture import Architectures, FloatArray, IntArray
from designspace.networks.complexity import complexity
from designspace.networks.settings import NetworkSettings
from designspace.spaces.load import Space
from designspace.spaces.sampling import BudgetSettings, network_keys, sample_with_duplicates

POOL_DRAWS = 20_000  # of each space


def features(networks: Architectures, *, resolution: int, num_classes: int) -> FloatArray:
    """Features [n, 8 * stages + 1], base-2 logarithms: 33 with four stages.

    Of each stage depth, width, width of the 3x3 convolution, group width and bottleneck ratio; ratios of
    neighbours of the first three; and of the whole network params, acts, flops and total depth.
    """
    cost = complexity(networks, resolution=resolution, num_classes=num_classes)
    depths, widths, inner = (
        np.log2(values) for values in (networks.depths, networks.widths, networks.bottleneck_widths)
    )
    whole = (cost.params, cost.acts, cost.flops, networks.depths.sum(axis=1))
    return np.column_stack(
        [
            *(depths, widths, inner, np.log2(networks.group_widths), np.log2(networks.bottleneck_ratios)),
            *(np.diff(values, axis=1) for values in (depths, widths, inner)),
            *(np.log2(values) for values in whole),
        ]
    )


@dataclass(frozen=True, eq=False)
class Pool:
    """The different untrained networks among independent draws from the law of a space."""

    keys: Sequence[Hashable]  # [m] of the networks
    features: FloatArray  # [m, features]
    counts: IntArray  # [m] how often each was drawn

    @cached_property
    def places(self) -> dict[Hashable, int]:
        """Row of each network."""
        return {key: row for row, key in enumerate(self.keys)}

    @property
    def draws(self) -> int:
        return int(self.counts.sum())


@dataclass(frozen=True, eq=False)
class Drawn:
    """The different networks among independent draws from the law of a space, and what features take."""

    networks: Architectures  # [m]
    counts: IntArray  # [m] how often each was drawn
    resolution: int
    num_classes: int

    @cached_property
    def pool(self) -> Pool:
        """The same as a predictor sees them."""
        return Pool(list(network_keys(self.networks)), self.features(self.networks), self.counts)

    def features(self, networks: Architectures) -> FloatArray:
        """Features of networks of the space, trained or not, [n, features]."""
        return features(networks, resolution=self.resolution, num_classes=self.num_classes)


def draw_networks(
    space: Space,
    *,
    seed: int,
    budget: BudgetSettings,
    network: NetworkSettings,
    num_classes: int,
    draws: int = POOL_DRAWS,
) -> Drawn:
    """Draw from a space with random numbers of their own, so that they are no copy of the population."""
    stream = int(named_rng(seed, f"pool of {space.name}").integers(2**31))
    drawn = sample_with_duplicates(
        space, draws, seed=stream, budget=budget, network=network, num_classes=num_classes
    )
    rows: dict[bytes, int] = {}  # first row of every network
    first = [rows.setdefault(key, row) for row, key in enumerate(network_keys(drawn))]
    different, counts = np.unique(first, return_counts=True)
    return Drawn(drawn.take(different), counts.astype(np.int64), budget.resolution, num_classes)
