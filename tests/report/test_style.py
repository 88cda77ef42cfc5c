"""Figures are the same whatever the user has set for figures of his own, and his settings stay."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from designspace.analysis.ranking import rank_models
from designspace.report.files import save_figure
from designspace.report.ranking_figure import ranking_figure

# What stops a figure where there is no LaTeX, and what would show in one.
TASTE = {
    "text.usetex": True,
    "axes.facecolor": "red",
    "savefig.transparent": True,
    "figure.autolayout": True,
    "axes.formatter.use_mathtext": True,
    "lines.linewidth": 9,
}


def drawn(runs: pd.DataFrame, folder: Path) -> list[bytes]:
    folder.mkdir()
    ranking = rank_models(runs.assign(val_errors=None), None, rng=np.random.default_rng(0), resamples=20)
    return [path.read_bytes() for path in save_figure(ranking_figure(ranking), folder, "ranking")]


def test_a_users_settings_change_no_figure_and_stay(runs: pd.DataFrame, tmp_path: Path) -> None:
    plain = drawn(runs, tmp_path / "plain")
    with mpl.rc_context(TASTE):
        before = dict(dict.items(mpl.rcParams))  # as it is: to look up the backend would choose one
        assert drawn(runs, tmp_path / "taste") == plain
        assert dict(dict.items(mpl.rcParams)) == before
