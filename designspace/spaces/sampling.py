"""Sample a population: unique networks of a space inside a complexity window.

Candidates come in blocks of fixed size, and block k is drawn from a generator seeded by (seed, space, k).
The networks that fit are numbered in the order in which they turn up. So model i depends on the space, the
window, the seed and i alone: a population of 1,000 begins with the population of 500.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from designspace.errors import UserError, broken, refuse
from designspace.networks.architecture import Architectures, IntArray
from designspace.networks.complexity import METRICS, Complexity, costs
from designspace.networks.settings import NetworkSettings
from designspace.spaces.draws import Draws, concatenate
from designspace.spaces.load import Space, stream_key

BLOCK_SIZE = 1 << 15  # candidates; part of what a seed means
MAX_RESOLUTION = 8_192  # pixels; costs are whole numbers of 64 bits
PATIENCE = 5_000_000  # candidates without a new network, after which a window counts as exhausted


@dataclass
class BudgetSettings:
    """The complexity window [low, high] of a population; a metric without a window is free."""

    flops: list[float] | None = None  # multiply-adds of one image: [low, high]; high alone: [0.95 high, high]
    params: list[float] | None = None  # learnable parameters: the same
    acts: list[float] | None = None  # summed sizes of all convolution and linear outputs: the same
    resolution: int = 224  # pixels, side of the (square) input

    def windows(self) -> dict[str, tuple[float, float]]:
        """The declared windows by metric."""
        declared = {name: getattr(self, name) for name in METRICS}
        return {name: (float(w[0]), float(w[1])) for name, w in declared.items() if w is not None}

    def problems(self) -> list[str]:
        """One line for each invalid value."""
        window = "[low, high] with 0 < low <= high, or null"
        sizes = [(name, _is_window(getattr(self, name)), window) for name in METRICS]
        pixels = f"at least 1 pixel and at most {MAX_RESOLUTION}"
        return broken(
            "budget", self, [*sizes, ("resolution", 1 <= self.resolution <= MAX_RESOLUTION, pixels)]
        )


def _is_window(window: list[float] | None) -> bool:
    """Whether it is none or two numbers in order; in a list, OmegaConf takes lists and text for numbers."""
    if window is None:
        return True
    are_numbers = all(isinstance(bound, int | float) for bound in window)
    return are_numbers and len(window) == 2 and 0 < window[0] <= window[1]


@dataclass(frozen=True, eq=False)
class Population:
    """n networks of one space in the order of their numbers, and what it took to find them."""

    space: Space
    networks: Architectures
    complexity: Complexity
    parameters: dict[str, npt.NDArray[np.generic]]  # RegNet's own columns, each [n]
    candidates: int  # draws looked at until the last network was found
    duplicates: int  # draws that fit but were the same network as an earlier one

    def __len__(self) -> int:
        return len(self.networks)

    def to_frame(self) -> pd.DataFrame:
        """The population as the table of `models.parquet`, one row per model."""
        return pd.DataFrame(
            {
                "model_id": [network.model_id for network in self.networks],
                "space": self.space.name,
                **self.networks.to_columns(),
                **{name: getattr(self.complexity, name) for name in METRICS},
                **self.parameters,
            }
        )


def sample(
    space: Space,
    num_models: int,
    *,
    seed: int,
    budget: BudgetSettings,
    network: NetworkSettings,
    num_classes: int,
) -> Population:
    """Draw `num_models` different networks of `space` that lie in the budget.

    The draws follow the space's distribution conditioned on its restrictions, on the budget and on being
    new; the complexity counts a classifier of `num_classes`.

    Raises:
        UserError: the budget cannot be met, or holds fewer different networks than asked for.
    """
    if num_models < 1:
        raise UserError(f"num_models={num_models}: must be at least 1")
    search = _Search(space, seed, budget, network, num_classes)
    found: list[Draws] = []
    seen: set[bytes] = set()
    duplicates = last = 0
    for block_start, draws in search.blocks():
        rows, passed = _new_rows(draws, seen, num_models - len(seen))
        duplicates += passed
        if rows:
            found.append(draws.take(np.array(rows)))
            last = block_start + int(found[-1].candidate[-1]) + 1
        if len(seen) == num_models:
            break
        if block_start + BLOCK_SIZE - last >= PATIENCE:
            raise UserError(search.explain(num_models, len(seen), block_start + BLOCK_SIZE))
    draws = concatenate(found)
    networks = search.architectures(draws)
    complexity = Complexity(**search.costs(networks, METRICS))
    return Population(space, networks, complexity, draws.parameters, last, duplicates)


def _new_rows(draws: Draws, seen: set[bytes], most: int) -> tuple[list[int], int]:
    """At most `most` rows whose keys are not in `seen`, which gets them; and how many were passed over."""
    rows: list[int] = []
    duplicates = 0
    for row, key in enumerate(network_keys(draws)):
        if len(rows) == most:
            break
        if key in seen:
            duplicates += 1
        else:
            seen.add(key)
            rows.append(row)
    return rows, duplicates


def sample_with_duplicates(
    space: Space,
    num_draws: int,
    *,
    seed: int,
    budget: BudgetSettings,
    network: NetworkSettings,
    num_classes: int,
) -> Architectures:
    """Draw `num_draws` networks from the law of `space` given its restrictions and the budget.

    Independent draws, so that a network may come up several times, in contrast to the population that
    `sample` gives: where the window is narrow the two differ.

    Raises:
        UserError: the budget cannot be met.
    """
    if num_draws < 1:
        raise UserError(f"num_draws={num_draws}: must be at least 1")
    search = _Search(space, seed, budget, network, num_classes)
    found: list[Draws] = []
    count = 0
    for block_start, draws in search.blocks():
        found.append(draws)
        count += len(draws)
        if count >= num_draws:
            break
        if count == 0 and block_start + BLOCK_SIZE >= PATIENCE:
            raise UserError(search.explain(num_draws, 0, block_start + BLOCK_SIZE))
    return search.architectures(concatenate(found)).take(slice(num_draws))


def network_keys(networks: Draws | Architectures) -> Iterator[bytes]:
    """What makes two networks of a study the same network, one key each."""
    values = (
        networks.depths,
        networks.widths,
        (1024 * networks.bottleneck_ratios).astype(np.int64),
        networks.group_widths,
    )
    rows = np.ascontiguousarray(np.concatenate(values, axis=1))
    return (row.tobytes() for row in rows)


@dataclass(eq=False)
class _Search:
    """The stream of candidates that fit, and the nearest miss for the message if none does."""

    space: Space
    seed: int
    budget: BudgetSettings
    network: NetworkSettings
    num_classes: int
    nearest: dict[str, float] = field(default_factory=dict)  # metric -> value nearest to its window

    def __post_init__(self) -> None:
        refuse([*self.budget.problems(), *self.network.problems()])

    def blocks(self) -> Iterator[tuple[int, Draws]]:
        """Number of the block's first candidate, and its draws inside all windows; without end."""
        key = stream_key(self.space)
        start = 0
        while True:
            rng = np.random.default_rng([self.seed, *key, start // BLOCK_SIZE])
            draws = self.space.draw(rng, BLOCK_SIZE)
            yield start, draws.take(self._inside(draws))
            start += BLOCK_SIZE

    def architectures(self, draws: Draws) -> Architectures:
        return Architectures(
            self.space.block,
            draws.depths,
            draws.widths,
            draws.bottleneck_ratios,
            draws.group_widths,
            self.network.stem_width,
            self.network.stem_stride,
        )

    def costs(self, networks: Architectures, metrics: Sequence[str]) -> dict[str, IntArray]:
        return costs(networks, metrics, resolution=self.budget.resolution, num_classes=self.num_classes)

    def _inside(self, draws: Draws) -> IntArray:
        windows = self.budget.windows()
        values = self.costs(self.architectures(draws), list(windows))
        keep = np.ones(len(draws), dtype=bool)
        for name, (low, high) in windows.items():
            keep &= (values[name] >= low) & (values[name] <= high)
        if len(keep) and not keep.any():  # where something is found, nobody asks for the nearest miss
            for name, (low, high) in windows.items():
                metric = values[name]
                miss = np.maximum(low - metric, metric - high)
                candidates = [float(metric[miss.argmin()]), *filter(None, [self.nearest.get(name)])]
                self.nearest[name] = min(candidates, key=lambda v: max(low - v, v - high))
        return np.flatnonzero(keep)

    def explain(self, num_models: int, count: int, candidates: int) -> str:
        """One line that says what was asked, what was found and how near the rest came."""
        windows = self.budget.windows()
        window = " and ".join(f"{name} in [{low:g}, {high:g}]" for name, (low, high) in windows.items())
        if count:
            return (
                f"space={self.space.name}: only {count} different networks, not num_models={num_models}, "
                f"with {window or 'these restrictions'} in {candidates:,} draws"
            )
        if not self.nearest:
            rules = "; ".join(map(str, self.space.restrictions)) or "none"
            return (
                f"space={self.space.name}: none of {candidates:,} draws has {self.space.stages} stages and "
                f"meets the restrictions ({rules}); loosen one, or widen parameters.depth, w0, wa or wm"
            )
        seen = ", ".join(f"{name}={value:,.0f}" for name, value in self.nearest.items())
        return (
            f"space={self.space.name}: no network with {window or 'these restrictions'} "
            f"in {candidates:,} draws; nearest seen: {seen}; change budget.{'/'.join(windows)}"
        )
