import numpy as np
import pandas as pd
import pytest

from designspace.analysis.width_fit import Extremes, MeanFit, extremes, fit_widths, mean_fit
from designspace.report.parameter_figures import mean_fit_figure
from designspace.report.width_figure import good_and_bad_figure


def analyzed(runs: pd.DataFrame) -> tuple[list[Extremes], list[MeanFit]]:
    found, means = [], []
    for name, part in runs.groupby("space"):
        fits = fit_widths(part["depths"], part["widths"])
        found.append(extremes(part, fits))
        means.append(mean_fit(str(name), fits.e_fit))
    return found, means


def test_good_networks_on_the_left_and_bad_ones_on_the_right(runs: pd.DataFrame) -> None:
    spaces, _ = analyzed(runs)
    grid = np.array(good_and_bad_figure(spaces).axes).reshape(2, 6)
    for row, space in zip(grid, spaces, strict=True):
        for axes, network in zip(row, (*space.good, *space.bad), strict=True):
            observed, fitted = axes.get_lines()
            assert observed.get_ydata().tolist() == network.observed.tolist()
            assert fitted.get_ydata().tolist() == network.fitted.tolist()
            assert f"error {network.error:.1f} %" in axes.get_title()


def test_means_and_their_intervals(runs: pd.DataFrame) -> None:
    _, fits = analyzed(runs)
    axes = mean_fit_figure(fits).axes[0]
    bars, dots = axes.get_lines()[::2], axes.get_lines()[1::2]
    for bar, dot, fit in zip(bars, dots, fits, strict=True):
        assert bar.get_xdata().tolist() == [fit.interval.low, fit.interval.high]
        assert dot.get_xdata().tolist() == [fit.mean]
    assert axes.yaxis_inverted()


@pytest.mark.parametrize("rows", [[], [0], [0, 1], [8], [10], [0, 1, 2, 3, 12]])
def test_studies_of_which_little_is_known(rows: list[int], runs: pd.DataFrame) -> None:
    spaces, fits = analyzed(runs.iloc[rows])
    good_and_bad_figure(spaces).draw_without_rendering()
    mean_fit_figure(fits).draw_without_rendering()
