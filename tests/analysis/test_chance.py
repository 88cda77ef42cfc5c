"""Models that have learnt nothing: the test against SciPy's, and what is said of them."""

import numpy as np
import pandas as pd
import pytest
from analysis.synthetic import make_runs
from scipy.stats import binom, binomtest

from designspace.analysis.chance import against_chance, binomial_tail
from designspace.analysis.study import analyze
from designspace.report.contents import summary
from designspace.report.text.summary import errors_text


@pytest.mark.parametrize(("n", "p"), [(1, 0.5), (30, 1 / 3), (4000, 0.1), (50_000, 0.001), (20, 1.0)])
def test_the_tail_is_scipys(n: int, p: float) -> None:
    assert binomial_tail(n, p) == pytest.approx(binom.sf(np.arange(n + 1) - 1, n, p), rel=1e-8, abs=1e-300)


def runs(errors: list[float], chance: float | None = 60.0) -> pd.DataFrame:
    table = make_runs("mine", ["done"] * len(errors) + ["diverged"])
    return table.assign(error=[*errors, np.nan], chance=chance, val_images=200)


def test_all_models_are_tested_together() -> None:
    """89 to 101 of 200 right, where the largest class is 40 %: alone, the last would be significant."""
    found = against_chance(runs([55.5, 52.0, 49.5]))
    assert found.p_value == pytest.approx(3 * binomtest(101, 200, 0.4, alternative="greater").pvalue)
    many = against_chance(runs([60.0] * 30 + [52.5]))
    assert binomtest(95, 200, 0.4, alternative="greater").pvalue < 0.05 / 2
    assert (many.models, many.none_is_better) == (31, True)
    assert not against_chance(runs([60.0] * 30 + [40.0])).none_is_better
    assert against_chance(runs([90.0], chance=None)) is None
    assert against_chance(make_runs("old", ["done"])) is None


def test_it_is_said_first() -> None:
    study = analyze(runs([59.0, 62.0]))
    first = "None of the 2 models is shown to be better than chance, whose error is 60.00 %"
    assert summary(study)[0].startswith(first)
    assert errors_text(study).startswith(first)
    assert "chance" not in summary(analyze(runs([20.0, 62.0])))[0]
