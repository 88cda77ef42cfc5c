"""The configuration group `network`. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from designspace.errors import broken
from designspace.networks.names import STEMS

MAX_STEM_WIDTH = 65_536  # channels; costs are whole numbers of 64 bits


@dataclass
class NetworkSettings:
    """What all networks of a study share."""

    stem_width: int = 32  # channels
    stem_stride: int = 2  # 1 or 2
    zero_init_residual: bool = False  # start every residual block as the identity
    stem: str = "as_published"  # of published networks; small: first strides taken away, to leave 4x4

    def problems(self) -> list[str]:
        """One line for each invalid value."""
        return broken(
            "network",
            self,
            [
                (
                    "stem_width",
                    1 <= self.stem_width <= MAX_STEM_WIDTH,
                    f"at least 1 channel and at most {MAX_STEM_WIDTH}",
                ),
                ("stem_stride", self.stem_stride in (1, 2), "1 or 2"),
                ("stem", self.stem in STEMS, f"one of {', '.join(STEMS)}"),
            ],
        )
