"""Distributions of one parameter: finite grids of values with exact probabilities.

Every parameter of a design space is quantized, so each distribution is a table. That makes conditioning,
counting and exact sampling arithmetic on tables instead of trial and error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from designspace.networks.architecture import FloatArray
from designspace.spaces.lookup import GuidedSearch

MAX_VALUES = 1_000_000  # of one parameter


@dataclass(frozen=True, eq=False)
class Distribution:
    """Values in increasing order and their probabilities, both [k]; the probabilities sum to 1."""

    values: FloatArray
    probabilities: FloatArray

    def __post_init__(self) -> None:
        assert len(self.values) == len(self.probabilities) > 0
        assert np.all(np.diff(self.values) > 0)
        assert math.isclose(float(self.probabilities.sum()), 1.0, abs_tol=1e-9)

    def __len__(self) -> int:
        return len(self.values)

    def where(self, keep: npt.NDArray[np.bool_]) -> Distribution:
        """The distribution given that the value is among those kept; `keep` is a mask [k]."""
        kept = self.probabilities[keep]
        return Distribution(self.values[keep], kept / kept.sum())

    def invert(self, u: FloatArray) -> FloatArray:
        """The draws that uniform numbers in [0, 1) stand for, [n]."""
        return self.values[self._search(u)]

    @cached_property
    def _search(self) -> GuidedSearch:
        cumulative = np.cumsum(self.probabilities)
        cumulative[-1] = 1.0
        return GuidedSearch(cumulative, cells=4 * len(self))


def _grid(low: float, high: float, step: float) -> FloatArray:
    """Multiples of `step` from low to high, as the nearest doubles to their decimal values."""
    if not step > 0:
        raise ValueError(f"step must be positive, but got step={step:g}")
    if not low <= high:
        raise ValueError(f"low <= high must hold, but got (low={low:g}, high={high:g})")
    if (high - low) / step >= MAX_VALUES:
        raise ValueError(
            f"at most {MAX_VALUES:,} values, but step={step:g} gives more in ({low:g}, {high:g})"
        )
    first, last = low / step, high / step
    if abs(first - round(first)) > 1e-6 or abs(last - round(last)) > 1e-6:
        raise ValueError(f"low and high must be multiples of step={step:g}, but got ({low:g}, {high:g})")
    return np.round(np.arange(round(first), round(last) + 1) * step, 10)


def _positive(low: float) -> None:
    if not low > 0:
        raise ValueError(f"low must be positive, but got low={low:g}")


def uniform(low: float, high: float, step: float) -> Distribution:
    """Every multiple of `step` in [low, high] with equal probability."""
    values = _grid(low, high, step)
    return Distribution(values, np.full(len(values), 1 / len(values)))


def log_uniform(low: float, high: float, step: float) -> Distribution:
    """Quantized log-uniform, both ends included.

    A log-uniform draw from (low - min(step, low / 2), high] is rounded *up* to a multiple of step,
    as in the authors' released code.
    """
    _positive(low)
    values = _grid(low, high, step)
    edges = np.log(np.concatenate([[low - min(step, low / 2)], values]))
    return Distribution(values, np.diff(edges) / (edges[-1] - edges[0]))


def log_normal(low: float, high: float, step: float) -> Distribution:
    """Clipped log-normal with 99.7 % of its mass in [low, high], rounded to the nearest multiple of step."""
    _positive(low)
    values = _grid(low, high, step)
    if low == high:
        return Distribution(values, np.ones(1))
    centre, sigma = (math.log(low) + math.log(high)) / 2, (math.log(high) - math.log(low)) / 6
    edges = np.log(np.clip(np.append(values - step / 2, high), low, high))
    cumulative = np.array([math.erf(z / math.sqrt(2)) for z in (edges - centre) / sigma])
    mass = np.diff(cumulative)
    return Distribution(values, mass / mass.sum())


def choice(values: Sequence[float]) -> Distribution:
    """Each of the listed values with equal probability."""
    unique = np.unique(np.asarray(values, dtype=np.float64))
    if len(unique) == 0 or len(unique) != len(values):
        raise ValueError(f"values must be a list of different numbers, but got {list(values)}")
    return Distribution(unique, np.full(len(unique), 1 / len(unique)))
