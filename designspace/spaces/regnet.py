"""RegNet spaces: all widths and depths follow from depth, w0, wa and wm (Section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from designspace.spaces.compatibility import ONE_GROUP, make_compatible
from designspace.spaces.distributions import Distribution
from designspace.spaces.draws import Draws
from designspace.spaces.quantized_linear import Rounding, quantized_linear_stages
from designspace.spaces.restrictions import Restriction, satisfied

RULE = ("depth", "w0", "wa", "wm")  # what decides whether a candidate has the right number of stages
PAPER_VALUES = 64  # the paper's table counts depth, w0, wa and wm as 64 values each


@dataclass(frozen=True, eq=False)
class RegNetSpace:
    """A declared RegNet space. `parameters`: depth, w0, wa, wm, bottleneck_ratio, group_width."""

    name: str
    block: str
    stages: int
    parameters: Mapping[str, Distribution]
    restrictions: tuple[Restriction, ...]
    rounding: Rounding
    definition: dict[str, Any] = field(repr=False)

    family = "regnet"

    def draw(self, rng: np.random.Generator, n: int) -> Draws:
        """n candidates, of which those with the right number of stages and all restrictions are returned."""
        uniform = {name: rng.random(n) for name in self.conditioned}
        rule = {name: self.conditioned[name].invert(uniform[name]) for name in RULE}
        found = quantized_linear_stages(
            rule["depth"].astype(np.int64), rule["w0"], rule["wa"], rule["wm"],
            stages=self.stages, rounding=self.rounding,
        )  # fmt: skip
        kept = {name: d.invert(uniform[name][found.rows]) for name, d in self.conditioned.items()}
        kept["depth"] = kept["depth"].astype(np.int64)
        if "group_width" in kept:
            kept["group_width"] = kept["group_width"].astype(np.int64)
        ratio = kept.get("bottleneck_ratio", np.ones(len(found.rows)))
        group = kept.get("group_width", np.full(len(found.rows), ONE_GROUP))
        ratios = np.repeat(ratio[None, :], self.stages, axis=0).T
        widths, groups = make_compatible(found.widths, ratios, group[:, None])
        draws = Draws(found.rows, found.depths, widths, ratios, groups, kept)
        return draws.take(satisfied(self.restrictions, draws.columns())) if self.restrictions else draws

    @cached_property
    def conditioned(self) -> dict[str, Distribution]:
        """Distributions of the parameters given the ranges declared for them; nothing is left to reject."""
        return {
            name: d.where(
                satisfied(tuple(r for r in self.restrictions if r.parameter == name), {name: d.values})
            )
            for name, d in self.parameters.items()
        }

    def count(self) -> int:
        """Number of parameter settings on the declared grids, before the number of stages is asked for."""
        return math.prod(len(d) for d in self.conditioned.values())

    def paper_count(self) -> float:
        """The count as in the paper's table: 64 values for each of depth, w0, wa and wm, times b and g."""
        options = [
            len(d) for name, d in self.conditioned.items() if name in ("bottleneck_ratio", "group_width")
        ]
        return float(PAPER_VALUES**4 * math.prod(options))

    @property
    def max_depth(self) -> float:
        """Blocks of the deepest network, of a feasible space."""
        return float(self.conditioned["depth"].values.max())

    @property
    def feasible(self) -> bool:
        """Whether every parameter has a value left (the number of stages shows only when drawing)."""
        return all(
            satisfied(tuple(r for r in self.restrictions if r.parameter == name), {name: d.values}).any()
            for name, d in self.parameters.items()
        )
