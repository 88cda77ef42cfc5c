import warnings

import numpy as np
import pytest
from scipy import stats

from designspace.analysis.results import Counts
from designspace.analysis.summary import summarize


def test_numbers_of_a_summary() -> None:
    errors = np.array([12.0, 10.0, 14.0, 18.0])
    summary = summarize(errors, Counts(4, 1, 0, 0))
    assert (summary.min, summary.mean, summary.median) == (10, 13.5, 13)
    assert (summary.lower_quartile, summary.upper_quartile) == (11.5, 15)
    assert summary.std == pytest.approx(stats.tstd(errors))
    assert summary.counts.n == 5
    assert summary.mean_interval.low < 13.5 < summary.mean_interval.high


@pytest.mark.parametrize("errors", [[], [20.0], [20.0, 20.0], [20.0, 21.0], [20.0, 20.0, 21.0]])
def test_degenerate_populations_neither_warn_nor_raise(errors: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary = summarize(np.array(errors), Counts(len(errors), 0, 0, 0))
    for interval in (summary.mean_interval, summary.median_interval):
        if len(errors) < 2:
            assert np.isnan([interval.low, interval.high]).all()
        else:
            assert interval.low <= interval.high
    if len(errors) > 1:
        assert 20 <= summary.median_interval.low <= summary.median_interval.high <= 21
    if errors == [20.0, 20.0]:
        assert (summary.median_interval.low, summary.median_interval.high) == (20, 20)
    assert np.isnan(summary.mean) == (not errors)
