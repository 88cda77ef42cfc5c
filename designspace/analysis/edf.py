"""Error empirical distribution function of a population, with bands around it.

A simultaneous band holds the whole F of the space with the given confidence; a pointwise one holds F at any
single error with that confidence, but somewhere along the curve it misses far more often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from designspace.analysis.results import Counts
from designspace.analysis.statistics import dkw_half_width, wilson
from designspace.networks.architecture import FloatArray, IntArray

BandMethod = Literal["dkw", "bootstrap", "wilson"]


@dataclass(frozen=True, eq=False)
class Band:
    """A confidence band around F; 0 to 1 without models."""

    method: BandMethod
    lower: FloatArray  # [steps]
    upper: FloatArray  # [steps]

    @property
    def simultaneous(self) -> bool:
        """Whether it holds the whole curve, or only each point of it, with its confidence."""
        return self.method == "dkw"


@dataclass(frozen=True, eq=False)
class ErrorDistribution:
    """F(e) = share of the models with a verdict whose error is below e (strict), and its bands.

    The step function in exact steps: on (errors[i], errors[i + 1]] it is `shares[i]`. `errors` begins with
    0 and ends with 100 percent. Diverged and failed models count in n but never reach an error, so the
    last share is n_done / n; models not run yet count nowhere. Without models the shares are NaN.

    Whatever the models not run yet turn out to be, F of all models will lie between `worst_case` (none of
    them reaches an error) and `best_case` (all are better than every other); both equal F when all are run.
    """

    errors: FloatArray  # [steps] top-1 percent, increasing
    shares: FloatArray  # [steps] in 0..1
    bands: Mapping[BandMethod, Band]
    best_case: FloatArray  # [steps] in 0..1; NaN without models
    worst_case: FloatArray  # [steps]
    confidence: float  # of the bands
    counts: Counts
    min: float  # top-1 percent, of the models that are done; NaN without any
    mean: float

    @property
    def n(self) -> int:
        """Models with a verdict: done, diverged or failed."""
        return self.counts.n

    @property
    def lower(self) -> FloatArray:
        """Lower end of the simultaneous (DKW) band, [steps]."""
        return self.bands["dkw"].lower

    @property
    def upper(self) -> FloatArray:
        """Upper end of the simultaneous (DKW) band, [steps]."""
        return self.bands["dkw"].upper

    @property
    def share_without_error(self) -> float:
        """Share of the models with a verdict that diverged or failed: what F lacks to 1; NaN without any."""
        return 1 - self.counts.done / self.n if self.n else float("nan")

    def at(self, errors: npt.ArrayLike) -> FloatArray:
        """F at the given errors: the share of models strictly below each."""
        steps = np.searchsorted(self.errors, np.asarray(errors, dtype=float), side="left")
        shares: FloatArray = np.concatenate([[0.0], self.shares])[steps]
        return shares


@dataclass(frozen=True)
class ErrorWindow:
    """The part of the error axis worth drawing, shared by all spaces of a study; top-1 percent."""

    low: float  # a little below the least error
    high: float  # 95th percentile of all errors, so that a few bad models do not squeeze the rest
    beyond: int  # models whose error is larger than `high`
    best_quarter: float  # 25th percentile of all errors (and a margin): the end of a closer look at the best


def error_window(
    errors: FloatArray, *, share: float = 0.95, best: float = 0.25, margin: float = 0.04
) -> ErrorWindow:
    """Window around the errors [n] of all spaces together; the whole axis without errors."""
    if len(errors) == 0:
        return ErrorWindow(0.0, 100.0, 0, 100.0)
    low = float(errors.min())
    quarter, high = np.quantile(errors, [best, share], method="inverted_cdf").tolist()
    pad = margin * (high - low) or 0.5
    closer = quarter + (margin * (quarter - low) or pad)
    return ErrorWindow(max(0.0, low - pad), high + pad, int((errors > high + pad).sum()), closer)


def error_distribution(errors: FloatArray, counts: Counts, *, confidence: float = 0.95) -> ErrorDistribution:
    """EDF with its bands of the errors [n_done] of the models that are done."""
    assert len(errors) == counts.done
    steps = np.unique(np.concatenate([[0.0, 100.0], errors]))
    reached = np.searchsorted(np.sort(errors), steps, side="right")
    methods: tuple[BandMethod, ...] = ("dkw", "bootstrap", "wilson")
    return ErrorDistribution(
        errors=steps,
        shares=_share(reached, counts.n),
        bands={method: band(reached, counts.n, method, confidence=confidence) for method in methods},
        best_case=_share(reached + counts.missing, counts.n + counts.missing),
        worst_case=_share(reached, counts.n + counts.missing),
        confidence=confidence,
        counts=counts,
        min=float(errors.min()) if len(errors) else float("nan"),
        mean=float(errors.mean()) if len(errors) else float("nan"),
    )


def band(reached: IntArray, n: int, method: BandMethod, *, confidence: float = 0.95) -> Band:
    """Band around F = reached / n, from the number of models up to each step, [steps].

    `dkw` is simultaneous, the others are pointwise. `bootstrap` holds the percentiles of F over resamples of
    the models: exactly those of a binomial share, so none is drawn. It has no width at 0 and 1, and covers
    too little near them; Wilson's score interval (`wilson`) does not have these faults.
    """
    if n == 0:
        return Band(method, np.zeros(len(reached)), np.ones(len(reached)))
    shares, tail = reached / n, (1 - confidence) / 2
    if method == "dkw":
        half = dkw_half_width(n, confidence)
        return Band(method, np.clip(shares - half, 0, 1), np.clip(shares + half, 0, 1))
    if method == "bootstrap":
        lower, upper = (stats.binom.ppf(level, n, shares) / n for level in (tail, 1 - tail))
        return Band(method, np.asarray(lower), np.asarray(upper))
    return Band(method, *wilson(shares, n, confidence=confidence))


def _share(reached: IntArray, n: int) -> FloatArray:
    shares: FloatArray = reached / n if n else np.full(len(reached), np.nan)
    return shares
