"""Candidates of a space: the networks of those draws that its restrictions allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from designspace.networks.architecture import FloatArray, IntArray

PER_STAGE = ("depths", "widths", "bottleneck_ratios", "group_widths")


@dataclass(frozen=True, eq=False)
class Draws:
    """m networks that remain of n candidates."""

    candidate: IntArray  # [m] number of the candidate, increasing, in 0 .. n - 1
    depths: IntArray  # [m, stages]
    widths: IntArray  # [m, stages]
    bottleneck_ratios: FloatArray  # [m, stages]
    group_widths: IntArray  # [m, stages]
    parameters: dict[str, npt.NDArray[Any]]  # further columns [m]; RegNet: depth, w0, wa, wm, ...

    def __len__(self) -> int:
        return len(self.candidate)

    def take(self, rows: npt.NDArray[Any]) -> Draws:
        """The draws at the given indices or where a mask is true."""
        per_stage = {name: getattr(self, name)[rows] for name in PER_STAGE}
        parameters = {name: column[rows] for name, column in self.parameters.items()}
        return Draws(self.candidate[rows], **per_stage, parameters=parameters)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Values that restrictions speak of, [m] or [m, stages]."""
        return {
            "depth": self.depths.sum(axis=1),
            **{name: getattr(self, name) for name in PER_STAGE},
            **self.parameters,
        }


def concatenate(parts: list[Draws]) -> Draws:
    """The draws of several parts in one."""
    per_stage = {name: np.concatenate([getattr(part, name) for part in parts]) for name in PER_STAGE}
    parameters = {name: np.concatenate([p.parameters[name] for p in parts]) for name in parts[0].parameters}
    candidates = np.concatenate([part.candidate for part in parts])
    return Draws(candidates, **per_stage, parameters=parameters)
