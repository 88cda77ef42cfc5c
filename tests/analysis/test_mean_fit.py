import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic import make_runs

from designspace.analysis.width_fit import extremes, fit_widths, mean_fit
from designspace.report.tables.width_fit import mean_fit_table


def test_interval_of_the_mean_is_scipys() -> None:
    e_fit = np.random.default_rng(0).gamma(2, 0.2, 60)
    fit = mean_fit("a", e_fit)
    reference = stats.bootstrap((e_fit,), np.mean).confidence_interval
    assert (fit.mean, fit.n) == (pytest.approx(e_fit.mean()), 60)
    assert (fit.interval.low, fit.interval.high) == pytest.approx((reference.low, reference.high), abs=0.005)


@pytest.mark.parametrize("e_fit", [[], [0.1], [0.0, 0.0, 0.0]])
def test_degenerate_populations(e_fit: list[float]) -> None:
    fit = mean_fit("a", np.array(e_fit))
    assert np.isnan(fit.mean) == (not e_fit)
    assert np.isnan(fit.interval.low) == (len(e_fit) < 2)
    assert fit.interval.high == 0 or np.isnan(fit.interval.high)
    table = mean_fit_table([fit])
    assert table["n"].tolist() == [len(e_fit)]


def test_the_best_and_the_worst_networks() -> None:
    runs = make_runs("a", ["done"] * 9 + ["diverged", "missing"])
    fits = fit_widths(runs["depths"], runs["widths"])
    found = extremes(runs, fits)
    ordered = runs.dropna(subset="error").sort_values("error")["model_id"].tolist()
    assert [network.model_id for network in found.good] == ordered[:3]
    assert [network.model_id for network in found.bad] == ordered[:-4:-1]
    assert (found.space, found.n) == ("a", 9)
    for network in (*found.good, *found.bad):
        row = runs.index[runs["model_id"] == network.model_id][0]
        assert network.observed.tolist() == np.repeat(runs["widths"][row], runs["depths"][row]).tolist()
        assert network.e_fit == fits.e_fit[row]
        error = np.abs(np.log(network.fitted / network.observed)).mean()
        assert network.e_fit == pytest.approx(error)


@pytest.mark.parametrize(("done", "each"), [(0, 0), (1, 0), (2, 1), (5, 2)])
def test_no_network_is_both_good_and_bad(done: int, each: int) -> None:
    runs = make_runs("a", ["done"] * done + ["diverged"] * (done == 0))
    found = extremes(runs, fit_widths(runs["depths"], runs["widths"]))
    assert len(found.good) == len(found.bad) == each
    assert not {n.model_id for n in found.good} & {n.model_id for n in found.bad}
    empty = runs.head(0)
    assert extremes(empty, fit_widths(empty["depths"], empty["widths"])).n == 0
    assert isinstance(mean_fit_table([]), pd.DataFrame)
