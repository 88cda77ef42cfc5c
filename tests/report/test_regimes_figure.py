from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from designspace.analysis.regimes import regimes
from designspace.report.files import save_figure
from designspace.report.regimes_figure import regimes_figure
from designspace.report.text.regimes import regimes_text


def test_points_against_flops(runs: pd.DataFrame, tmp_path: Path) -> None:
    studies = [(f"s{i}", runs.assign(flops=runs["flops"] * 2**i)) for i in range(3)]
    found = regimes(studies)
    figure = regimes_figure(found)
    assert [axes.get_xlabel() for axes in figure.axes if axes.axison] == ["flops [millions]"] * 3
    for space, container in zip(found.spaces, figure.axes[0].containers, strict=True):
        medians = [point.value.median for point in found.of(space, "depth")]
        assert list(container[0].get_ydata()) == medians
        bars = container[2][0].get_segments()
        ends = [(point.value.low, point.value.high) for point in found.of(space, "depth")]
        np.testing.assert_allclose([bar[:, 1] for bar in bars], ends)
    assert "48 models with an error, 24 without" in " ".join(str(figure.get_suptitle()).split())
    assert all(path.stat().st_size > 1000 for path in save_figure(figure, tmp_path, "regimes"))
    assert "flops^a" in regimes_text(found)


@pytest.mark.parametrize("studies", [0, 1, 2])
def test_studies_without_different_flops_stand_side_by_side(studies: int, runs: pd.DataFrame) -> None:
    found = regimes([(f"study_{i}", runs) for i in range(studies)])
    figure = regimes_figure(found)
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    if studies:
        assert labels == [f"study {i}" for i in range(studies)]
    assert "flops^a" not in regimes_text(found)


def test_nothing_trained(runs: pd.DataFrame, tmp_path: Path) -> None:
    missing = runs.assign(status="missing", error=np.nan)
    found = regimes([("a", missing), ("b", missing.assign(flops=4_000_000))])
    save_figure(regimes_figure(found), tmp_path, "regimes")
    assert "-" in regimes_text(found)
