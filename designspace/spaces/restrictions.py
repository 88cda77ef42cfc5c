"""Restrictions: conditions on the networks of a space.

`shared` changes what is drawn: one value serves all stages (AnyNetX_B, C). Every other restriction is a
condition on the finished network, after compatibility: the restricted space is the distribution of the
unrestricted one *given* that condition. Sorting draws would weigh ties wrongly, so nothing here sorts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SHARED = "shared"
ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "non_decreasing": np.less_equal,  # of a stage and the next one
    "non_increasing": np.greater_equal,
    "equal": np.equal,
}


@dataclass(frozen=True)
class Restriction:
    """One condition on one column of the population, e.g. `widths: non_decreasing`."""

    parameter: str
    kind: str  # "shared", an order, or "range"
    low: float = -np.inf  # "range" only, both ends included; `fixed: v` is the range [v, v]
    high: float = np.inf

    def __str__(self) -> str:
        return f"{self.parameter}: {self.kind if self.kind != 'range' else [self.low, self.high]}"

    def allows(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Which of the networks meet the condition; values [n] or [n, stages], result [n].

        `shared` constrains the draw, not the network, so every network meets it.
        """
        if self.kind == SHARED:
            return np.ones(len(values), dtype=bool)
        if self.kind == "range":
            meets = (values >= self.low) & (values <= self.high)
        else:
            meets = ORDERS[self.kind](values[:, :-1], values[:, 1:])
        return np.asarray(meets.reshape(len(values), -1).all(axis=1))


def satisfied(
    restrictions: tuple[Restriction, ...], columns: Mapping[str, npt.NDArray[Any]]
) -> npt.NDArray[np.bool_]:
    """Which networks meet all restrictions; `columns` maps a parameter to its values, [n] or [n, stages]."""
    n = len(next(iter(columns.values())))
    keep = np.ones(n, dtype=bool)
    for restriction in restrictions:
        keep &= restriction.allows(columns[restriction.parameter])
    return keep
