"""The configuration group `network`. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from designspace.errors import UserError

MAX_STEM_WIDTH = 65_536  # channels; costs are whole numbers of 64 bits


@dataclass
class NetworkSettings:
    """What all networks of a study share."""

    stem_width: int = 32  # channels
    stem_stride: int = 2  # 1 or 2
    zero_init_residual: bool = False  # start every residual block as the identity

    def validate(self) -> None:
        """Raises UserError if the stem is invalid."""
        if not 1 <= self.stem_width <= MAX_STEM_WIDTH:
            raise UserError(
                f"network.stem_width={self.stem_width}: must be at least 1 channel, at most {MAX_STEM_WIDTH}"
            )
        if self.stem_stride not in (1, 2):
            raise UserError(f"network.stem_stride={self.stem_stride}: must be 1 or 2")
