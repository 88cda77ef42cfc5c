"""How often the intervals and bands of the analysis hold the truth: a table of coverage by number of models.

    python scripts/benchmark/coverage.py --output results/benchmarks/coverage.csv

Populations are drawn from two spaces whose errors are 17 + gamma(2.5) and 17.3 + gamma(2.5, scale 1.3)
percent, skewed as real ones are, so that the truth is known. With 2,000 repetitions, 94 to 96 % is what a
true coverage of 95 % gives. DKW bands promise at least 95 %. The intervals of Student and Welch (SciPy),
which the analysis does not use, are there to compare the bootstrap with. `--resamples` is for differences of
quantiles; means and medians need none.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from designspace.analysis.compare import QUANTILES, Comparison, EdfDifference, compare
from designspace.analysis.edf import ErrorDistribution, error_distribution
from designspace.analysis.results import Counts
from designspace.analysis.statistics import Interval, mean_interval, median_interval
from designspace.networks.architecture import FloatArray

FIRST = stats.gamma(2.5, loc=17.0)
SECOND = stats.gamma(2.5, loc=17.3, scale=1.3)
POINTS = (0.05, 0.25, 0.5)  # true F where pointwise bands are looked at
SIMULTANEOUS = "at least 95 % by construction"


@dataclass(frozen=True)
class Outcome:
    """One interval of one repetition."""

    statistic: str
    method: str
    holds: bool
    width: float


@dataclass(frozen=True)
class Truth:
    """What the two spaces are."""

    @cached_property
    def mean(self) -> float:
        return float(SECOND.mean())

    @cached_property
    def median(self) -> float:
        return float(SECOND.median())

    @cached_property
    def mean_difference(self) -> float:
        return float(FIRST.mean() - SECOND.mean())

    @cached_property
    def quantile_differences(self) -> FloatArray:
        return np.asarray(FIRST.ppf(QUANTILES) - SECOND.ppf(QUANTILES))

    @cached_property
    def beats(self) -> float:
        grid = (np.arange(100_000) + 0.5) / 100_000
        return float(SECOND.sf(FIRST.ppf(grid)).mean())


def main() -> None:
    arguments = _arguments()
    truth, rows = Truth(), []
    for n in arguments.models:
        seen: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
        start = time.perf_counter()
        for repetition in range(arguments.repetitions):
            rng = np.random.default_rng([arguments.seed, n, repetition])
            for outcome in outcomes(n, truth, rng, arguments.resamples):
                seen[outcome.statistic, outcome.method].append(outcome)
            if sys.stderr.isatty() or (repetition + 1) % 500 == 0:
                seconds = time.perf_counter() - start
                text = f"{n} models: {repetition + 1}/{arguments.repetitions} in {seconds:.0f} s"
                print(text, end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr)
        rows += [row(n, found, arguments.resamples) for found in seen.values()]
    table = pd.DataFrame(rows)
    wide = table.pivot(index=["statistic", "method"], columns="models", values="coverage")
    print((100 * wide).round(1).to_string())
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(arguments.output, index=False, float_format="%.5g")


def outcomes(n: int, truth: Truth, rng: np.random.Generator, resamples: int) -> Iterator[Outcome]:
    """Draw n models of each space, and look at every interval."""
    first, second = (space.rvs(n, random_state=rng) for space in (FIRST, SECOND))
    yield from _bands(error_distribution(second, Counts(n, 0, 0, 0)))
    yield _interval("mean", "BCa", mean_interval(second), truth.mean)
    yield _interval("median", "percentile", median_interval(second), truth.median)
    yield _interval("mean", "Student", stats.ttest_1samp(second, 0).confidence_interval(), truth.mean)
    runs = (pd.DataFrame({"status": "done", "error": errors, "flops": 1}) for errors in (first, second))
    yield from _comparison(
        compare("first", "second", *runs, seed=int(rng.integers(2**31)), resamples=resamples), truth
    )
    welch = stats.ttest_ind(first, second, equal_var=False).confidence_interval()
    yield _interval("difference of means", "Welch", welch, truth.mean_difference)


def _bands(edf: ErrorDistribution) -> Iterator[Outcome]:
    true = SECOND.cdf(edf.errors)
    held = (edf.lower <= true).all() and (edf.upper[:-1] >= true[1:]).all()
    yield Outcome("EDF, whole curve", f"DKW ({SIMULTANEOUS})", bool(held), float(np.ptp(_middle(edf))))
    for point in POINTS:
        step = int(np.searchsorted(edf.errors, SECOND.ppf(point))) - 1
        for name, band in (("binomial bootstrap", edf.bands["bootstrap"]), ("Wilson", edf.bands["wilson"])):
            interval = Interval(float(band.lower[step]), float(band.upper[step]))
            yield _interval(f"EDF where F = {point:g}", name, interval, point)


def _middle(edf: ErrorDistribution) -> tuple[float, float]:
    step = int(np.searchsorted(edf.errors, SECOND.median())) - 1
    return float(edf.lower[step]), float(edf.upper[step])


def _comparison(found: Comparison, truth: Truth) -> Iterator[Outcome]:
    yield _interval(
        "difference of means", found.mean.interval.method, found.mean.interval, truth.mean_difference
    )
    for q, value in zip(QUANTILES, truth.quantile_differences, strict=True):
        name = "difference of medians" if q == 0.5 else f"difference of {q:.0%} quantiles"
        yield _interval(name, "percentile", found.quantiles[q].interval, float(value))
    yield _interval("probability of beating", "DeLong and Wilson", found.beats_interval, truth.beats)
    held = _difference_held(found.edf)
    yield Outcome(
        "difference of EDFs, whole curve", f"two DKW ({SIMULTANEOUS})", held, 2 * found.edf.half_width
    )


def _difference_held(edf: EdfDifference) -> bool:
    """On both sides of every step, and on a grid between."""
    where = np.unique(np.concatenate([edf.errors, np.nextafter(edf.errors, 100), np.linspace(17, 30, 500)]))
    step = np.maximum(np.searchsorted(edf.errors, where) - 1, 0)
    true = FIRST.cdf(where) - SECOND.cdf(where)
    return bool((np.abs(edf.difference[step] - true) <= edf.half_width).all())


def _interval(statistic: str, method: str, interval: Any, truth: float) -> Outcome:
    """Of anything with `low` and `high`."""
    holds = bool(interval.low <= truth <= interval.high)
    return Outcome(statistic, method, holds, float(interval.high - interval.low))


def row(n: int, found: list[Outcome], resamples: int) -> dict[str, Any]:
    """One line of the table."""
    coverage = float(np.mean([outcome.holds for outcome in found]))
    return {
        "statistic": found[0].statistic,
        "method": found[0].method,
        "models": n,
        "nominal": 0.95,
        "coverage": coverage,
        "standard_error": float(np.sqrt(coverage * (1 - coverage) / len(found))),
        "mean_width": float(np.mean([outcome.width for outcome in found])),
        "repetitions": len(found),
        "resamples": resamples if found[0].method == "BCa" else None,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, nargs="+", default=[20, 50, 100, 500], help="of each space")
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=999, help="of every bootstrap")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="CSV file to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
