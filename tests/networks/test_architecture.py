"""A row of models.parquet describes its network completely."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from designspace.networks.architecture import Architecture, Architectures

NETWORKS = Architectures.of(
    Architecture("paper_r", (1, 2), (16, 24), (2.0, 0.5), (8, 48), stem_width=12, stem_stride=1),
    Architecture("paper_r", (3, 1), (8, 8), (1.0, 1.0), (8, 8), stem_width=12, stem_stride=1),
)


def frame(**changes: object) -> pd.DataFrame:
    return pd.DataFrame(NETWORKS.to_columns()).assign(**changes)


def test_networks_come_back_from_their_table(tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "models.parquet")
    again = Architectures.from_frame(pd.read_parquet(tmp_path / "models.parquet"))
    assert list(again) == list(NETWORKS)
    assert [a.model_id for a in again] == [a.model_id for a in NETWORKS]
    for field in fields(Architectures):
        value = getattr(again, field.name)
        assert type(value) is type(getattr(NETWORKS, field.name))
        if isinstance(value, np.ndarray):
            assert value.dtype == getattr(NETWORKS, field.name).dtype


def test_the_id_of_a_network_keeps_its_form() -> None:
    """The first network of the committed AnyNetX_E, whose stem is 16 channels wide."""
    network = Architecture("x", (2, 2, 2, 2), (8, 64, 288, 368), (4.0,) * 4, (2,) * 4, stem_width=16)
    assert network.model_id == "4d2a9157ef4c6902"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (frame().drop(columns="block"), "column block is missing"),
        (frame().drop(columns="stem_stride"), "column stem_stride is missing"),
        (frame(block=["x", "y"]), r"block must be the same in every row, but got \['x', 'y'\]"),
        (frame(stem_width=[16, 32]), r"stem_width must be the same in every row, but got \[16, 32\]"),
        (frame(block=None, network="resnet18"), r"block must be the same in every row, but got \[None\]"),
        (frame().head(0), r"block must be the same in every row, but got \[\]"),
    ],
)
def test_rows_that_are_no_population_are_named(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Architectures.from_frame(table)
