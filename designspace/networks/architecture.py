"""What a network is: the values that describe one network, or a whole population as arrays.

NumPy only. `Architecture` is one network, `Architectures` holds many in arrays of shape [n, stages];
complexity, sampling, the torch modules and the analysis all speak in these two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from designspace.networks.names import NETWORK

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

SHARED_COLUMNS = ("block", "stem_width", "stem_stride")  # of a population; the other columns are per stage


@dataclass(frozen=True)
class Architecture:
    """One network: stem, stages of equal blocks, global average pooling and a linear layer.

    All values of stages have one entry per stage. Parameters that the block does not read (`blocks.Block`)
    have one value: bottleneck ratio 1, and the group width of a dense convolution.
    """

    block: str
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    bottleneck_ratios: tuple[float, ...]
    group_widths: tuple[int, ...]
    stem_width: int = 32
    stem_stride: int = 2

    @property
    def depth(self) -> int:
        """Number of blocks of the whole network."""
        return sum(self.depths)

    @property
    def bottleneck_widths(self) -> tuple[int, ...]:
        """Width of the grouped 3x3 convolution of each stage, v = w / b."""
        return tuple(round(w / b) for w, b in zip(self.widths, self.bottleneck_ratios, strict=True))

    @property
    def model_id(self) -> str:
        """16 hexadecimal digits that identify the network by its content."""
        text = json.dumps(
            [self.block, self.depths, self.widths, [float(b) for b in self.bottleneck_ratios],
             self.group_widths, self.stem_width, self.stem_stride],
        )  # fmt: skip
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Architectures:
    """A population of networks that share block, stem and number of stages."""

    block: str
    depths: IntArray  # [n, stages] blocks
    widths: IntArray  # [n, stages] channels
    bottleneck_ratios: FloatArray  # [n, stages] w / v
    group_widths: IntArray  # [n, stages] channels per group of the 3x3 convolution
    stem_width: int = 32
    stem_stride: int = 2

    def __len__(self) -> int:
        return len(self.depths)

    def __getitem__(self, i: int) -> Architecture:
        return Architecture(
            self.block,
            tuple(self.depths[i].tolist()),
            tuple(self.widths[i].tolist()),
            tuple(self.bottleneck_ratios[i].tolist()),
            tuple(self.group_widths[i].tolist()),
            self.stem_width,
            self.stem_stride,
        )

    def __iter__(self) -> Iterator[Architecture]:
        return (self[i] for i in range(len(self)))

    @property
    def num_stages(self) -> int:
        return int(self.depths.shape[1])

    @property
    def bottleneck_widths(self) -> IntArray:
        """[n, stages] width of the 3x3 convolution, v = w / b."""
        return np.rint(self.widths / self.bottleneck_ratios).astype(np.int64)

    def take(self, rows: npt.NDArray[Any] | slice) -> Architectures:
        """The networks at the given indices (or where a boolean mask is true, or of a slice)."""
        return Architectures(
            self.block,
            self.depths[rows],
            self.widths[rows],
            self.bottleneck_ratios[rows],
            self.group_widths[rows],
            self.stem_width,
            self.stem_stride,
        )

    @classmethod
    def of(cls, *networks: Architecture) -> Architectures:
        """The population of the given networks, which must share block, stem and number of stages."""
        first = networks[0]
        return cls(
            first.block,
            np.array([a.depths for a in networks], dtype=np.int64),
            np.array([a.widths for a in networks], dtype=np.int64),
            np.array([a.bottleneck_ratios for a in networks], dtype=np.float64),
            np.array([a.group_widths for a in networks], dtype=np.int64),
            first.stem_width,
            first.stem_stride,
        )

    def to_columns(self) -> dict[str, list[Any]]:
        """Columns of `models.parquet` that describe the networks; lists have one entry per stage."""
        return {
            "block": [self.block] * len(self),
            "stem_width": [self.stem_width] * len(self),
            "stem_stride": [self.stem_stride] * len(self),
            "depths": self.depths.tolist(),
            "widths": self.widths.tolist(),
            "bottleneck_ratios": self.bottleneck_ratios.tolist(),
            "group_widths": self.group_widths.tolist(),
        }

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Architectures:
        """Read the networks back from the columns that `to_columns` made.

        Raises:
            ValueError: there is no row, a column is missing, rows name reference networks instead, or
                differ in block or stem.
        """
        block, stem_width, stem_stride = (_shared(frame, name) for name in SHARED_COLUMNS)

        def stack(name: str, dtype: type) -> Any:
            return np.array([list(row) for row in frame[name]], dtype=dtype)

        return cls(
            str(block),
            stack("depths", np.int64),
            stack("widths", np.int64),
            stack("bottleneck_ratios", np.float64),
            stack("group_widths", np.int64),
            int(stem_width),
            int(stem_stride),
        )


def networks_of(frame: pd.DataFrame) -> list[Architecture | str]:
    """The network of every row, in their order: an architecture, or the label of a published one."""
    named = frame[NETWORK].notna() if NETWORK in frame else pd.Series(False, frame.index)
    drawn = iter(Architectures.from_frame(frame[~named]) if not named.all() else ())
    labels = frame[NETWORK] if named.any() else named
    return [str(label) if name else next(drawn) for label, name in zip(labels, named, strict=True)]


def _shared(frame: pd.DataFrame, name: str) -> Any:
    """The one value of a column that all rows share."""
    if name not in frame:
        raise ValueError(f"networks: column {name} is missing")
    values = frame[name].unique().tolist()
    if len(values) != 1 or pd.isna(values[0]):
        raise ValueError(f"networks: {name} must be the same in every row, but got {values}")
    return values[0]
