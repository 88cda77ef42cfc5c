"""Error against parameters: every model is a point, and the shade reaches from the low to the high end."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from designspace.analysis.best_values import BestValue
from designspace.analysis.edf import error_distribution, error_window
from designspace.analysis.results import count_statuses, finished_errors
from designspace.report.labels import parameter_label
from designspace.report.parameter_figures import (
    fit_figure,
    mean_fit_figure,
    parameter_figure,
)

BEST = {"depth": (9.0, 12.0, 16.0), "params": (2e4, 3e4, 5e4), "e_fit": (0.05, 0.1, 0.4)}


@pytest.fixture
def space(runs: pd.DataFrame) -> Any:
    own = runs[runs["space"] == "anynetx_c"].reset_index(drop=True)
    rng = np.random.default_rng(1)
    errors = finished_errors(own)
    return SimpleNamespace(
        name="anynetx_c",
        runs=own,
        edf=error_distribution(errors, count_statuses(own)),
        window=error_window(errors),
        parameters=pd.DataFrame(
            {"depth": rng.integers(4, 30, 12), "params": own["params"], "e_fit": rng.random(12)}
        ),
        best_values={k: BestValue(low, mid, high, mid, 8) for k, (low, mid, high) in BEST.items()},
        mean_e_fit=0.5,
    )


def shade(axes: Any) -> tuple[float, float]:
    (patch,) = axes.patches
    return patch.get_x(), patch.get_x() + patch.get_width()


def test_points_are_models_and_the_shade_is_the_range_of_the_best(space: Any) -> None:
    depth, params, *rest = parameter_figure(space).axes
    assert not any(axes.axison for axes in rest)
    for axes, name, scale in ((depth, "depth", 1), (params, "params", 1e-6)):
        low, median, high = (scale * value for value in BEST[name])
        assert shade(axes) == pytest.approx((low, high))
        assert axes.get_lines()[0].get_xdata() == pytest.approx([median, median])
        points = np.ma.getdata(axes.collections[0].get_offsets())[:8]  # the others have no error
        np.testing.assert_allclose(points[:, 0], scale * space.parameters[name][:8])
        np.testing.assert_allclose(points[:, 1], space.runs["error"][:8])
        assert axes.get_xlim()[0] < low
        assert axes.get_xlim()[1] > high
        assert axes.get_ylim() == (space.window.low, space.window.high)
    assert (depth.get_xlabel(), params.get_xlabel()) == ("depth [blocks]", "parameters [millions]")


def test_a_space_without_a_trained_model_has_no_shade(space: Any) -> None:
    nothing = BestValue(*(float("nan"),) * 4, n=0)
    space.best_values = dict.fromkeys(BEST, nothing)
    axes = parameter_figure(space).axes[0]
    assert not axes.patches
    assert not axes.get_lines()


def test_the_fit_of_every_space(space: Any) -> None:
    study = SimpleNamespace(spaces=[space, space], window=space.window)
    figure = fit_figure(study)
    for axes in figure.axes[:2]:
        assert shade(axes) == pytest.approx((0.05, 0.4))
        title = axes.get_title()
        assert title.startswith("anynetx_c, mean e_fit 0.500\n8 models (1 diverged, 1 failed, 2 not yet run)")


def test_mean_fits_have_their_intervals() -> None:
    interval = SimpleNamespace(low=0.1, high=0.3)
    (axes,) = mean_fit_figure([SimpleNamespace(space="a", n=7, mean=0.2, interval=interval)]).axes
    bar, point = axes.get_lines()
    assert (list(bar.get_xdata()), list(point.get_xdata())) == ([0.1, 0.3], [0.2])
    assert axes.get_yticklabels()[0].get_text() == "a  7 models"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("w2", "width of stage 2 [channels]"),
        ("b3", "bottleneck ratio b, stage 3"),
        ("g", "group width g [channels]"),
        ("flops", "flops [millions]"),
    ],
)
def test_labels(name: str, label: str) -> None:
    assert parameter_label(name) == label
