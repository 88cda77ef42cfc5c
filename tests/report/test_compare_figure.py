"""The comparison of all pairs, against numbers counted here: who is better, by how much, how often."""

from collections.abc import Mapping
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from designspace.analysis.compare import compare_all, neighbours
from designspace.analysis.edf import error_window
from designspace.report.compare_figure import comparison_figure, difference_figure

LEVELS = {"good": 15.0, "middle": 16.0, "bad": 20.0}  # mean errors
NAMES = [*LEVELS]


@pytest.fixture(scope="module")
def populations() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    return {
        name: pd.DataFrame(
            {"status": "done", "error": level + rng.normal(0, 0.8, 40)}
            | {quantity: rng.uniform(1, 2, 40) for quantity in ("flops", "params", "acts")}
        )
        for name, level in LEVELS.items()
    }


def errors(populations: Mapping[str, pd.DataFrame], name: str) -> np.ndarray:
    return populations[name]["error"].to_numpy()


def panels(populations: Mapping[str, pd.DataFrame]) -> tuple[Axes, Axes]:
    left, right = comparison_figure(compare_all(populations), NAMES).axes
    return left, right


def test_differences_of_the_means(populations: dict[str, pd.DataFrame]) -> None:
    axes, _ = panels(populations)
    _, *lines = axes.get_lines()  # after the line at 0
    labels = [label.get_text() for label in axes.get_yticklabels()]
    for row, (a, b) in enumerate(combinations(NAMES, 2)):
        assert labels[row] == f"{a} − {b}"
        bar, point = lines[2 * row : 2 * row + 2]
        truth = errors(populations, a).mean() - errors(populations, b).mean()
        assert point.get_xdata()[0] == pytest.approx(truth)
        low, high = bar.get_xdata()
        assert low < truth < high < 0  # the first is better, beyond doubt
        spread = np.sqrt(sum(errors(populations, name).var(ddof=1) / 40 for name in (a, b)))
        assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.25)
        assert {*bar.get_ydata(), *point.get_ydata()} == {row}


def test_chances_of_the_row_against_the_column(populations: dict[str, pd.DataFrame]) -> None:
    _, axes = panels(populations)
    (image,) = axes.get_images()
    assert [label.get_text() for label in axes.get_xticklabels()] == NAMES
    assert [label.get_text() for label in axes.get_yticklabels()] == NAMES
    texts = {text.get_position(): text.get_text() for text in axes.texts}
    for row, column in ((i, j) for i in range(3) for j in range(3) if i != j):
        ours, theirs = errors(populations, NAMES[row]), errors(populations, NAMES[column])
        chance = (ours[:, None] < theirs[None, :]).mean()
        assert image.get_array()[row, column] == pytest.approx(chance)
        value, interval = texts[column, row].split("\n")
        low, high = map(float, interval.split("–"))
        assert float(value) == pytest.approx(chance, abs=0.006)
        assert low <= float(value) <= high
        assert low > 0.5 if row < column else high < 0.5
    assert image.get_array().mask.diagonal().all()


def test_steps_show_the_new_space_minus_the_one_before(populations: dict[str, pd.DataFrame]) -> None:
    steps = neighbours(compare_all(populations), NAMES)
    window = error_window(np.concatenate([errors(populations, name) for name in NAMES]))
    figure = difference_figure(steps, window)
    for axes, (before, after) in zip(figure.axes, pairwise(NAMES), strict=False):
        assert axes.get_title().startswith(f"{after} − {before}\nn = 40 and 40")
        curve = axes.get_lines()[0]
        at, heights = curve.get_xdata(), curve.get_ydata()
        inner = np.flatnonzero(np.diff(at) > 1e-9)[3:-3]
        middles = (at[inner] + at[inner + 1]) / 2
        truth = [
            (errors(populations, after) < e).mean() - (errors(populations, before) < e).mean()
            for e in middles
        ]
        np.testing.assert_allclose(heights[inner], truth)
        assert min(truth) < -0.3
        shade = axes.collections[0].get_paths()[0].vertices[:, 1]
        dkw = sum(np.sqrt(np.log(2 / 0.025) / (2 * 40)) for _ in range(2))
        assert shade.min() == pytest.approx(max(-1, min(heights) - dkw))


def test_one_space_has_nothing_to_compare() -> None:
    for names, words in ((["alone"], "nothing to compare"), ([], "no models")):
        left, _ = comparison_figure([], names).axes
        assert words in left.get_title(loc="left")
