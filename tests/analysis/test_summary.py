import warnings

import numpy as np
import pytest
from scipy import stats

from designspace.analysis import summary
from designspace.analysis.results import Counts
from designspace.analysis.summary import bootstrap_interval, summarize


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_interval_is_scipys_bca(statistic: object) -> None:
    errors = np.random.default_rng(0).gamma(4, 1, 40) + 15
    reference = stats.bootstrap((errors,), statistic, method="BCa", random_state=rng()).confidence_interval
    interval = bootstrap_interval(errors, statistic, rng=rng())
    assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high))


def test_numbers_of_a_summary() -> None:
    errors = np.array([12.0, 10.0, 14.0, 18.0])
    summary = summarize(errors, Counts(4, 1, 0, 0), rng=rng())
    assert (summary.min, summary.mean, summary.median) == (10, 13.5, 13)
    assert (summary.lower_quartile, summary.upper_quartile) == (11.5, 15)
    assert summary.std == pytest.approx(stats.tstd(errors))
    assert summary.counts.n == 5
    assert summary.mean_interval.low < 13.5 < summary.mean_interval.high


@pytest.mark.parametrize("errors", [[], [20.0], [20.0, 20.0], [20.0, 21.0], [20.0, 20.0, 21.0]])
def test_degenerate_populations_neither_warn_nor_raise(errors: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary = summarize(np.array(errors), Counts(len(errors), 0, 0, 0), rng=rng())
    for interval in (summary.mean_interval, summary.median_interval):
        if len(errors) < 2:
            assert np.isnan([interval.low, interval.high]).all()
        else:
            assert 20 <= interval.low <= interval.high <= 21
    if errors == [20.0, 20.0]:
        assert (summary.median_interval.low, summary.median_interval.high) == (20, 20)
    assert np.isnan(summary.mean) == (not errors)


def test_undefined_bca_falls_back_to_the_percentile_interval() -> None:
    errors = np.array([20.0] * 30 + [25.0])  # the median of every resample is 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        interval = bootstrap_interval(errors, np.median, rng=rng())
    assert (interval.low, interval.high) == (20, 20)


def test_resampling_in_parts_gives_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = np.random.default_rng(0).normal(20, 2, 60)
    whole = bootstrap_interval(errors, np.mean, rng=np.random.default_rng(1), resamples=999)
    monkeypatch.setattr(summary, "RESAMPLED_VALUES", 6_000)  # 100 resamples at a time
    assert bootstrap_interval(errors, np.mean, rng=np.random.default_rng(1), resamples=999) == whole
