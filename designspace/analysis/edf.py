"""Error empirical distribution function of a population, with a simultaneous band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from designspace.analysis.runs import Counts
from designspace.architecture import FloatArray


@dataclass(frozen=True, eq=False)
class ErrorDistribution:
    """F(e) = share of the models with a verdict whose error is below e (strict), and its band.

    The step function in exact steps: on (errors[i], errors[i + 1]] it is `shares[i]`. `errors` begins with
    0 and ends with 100 percent. Diverged and failed models count in n but never reach an error, so the
    last share is n_done / n; models not run yet count nowhere. Without models the shares are NaN.
    """

    errors: FloatArray  # [steps] top-1 percent, increasing
    shares: FloatArray  # [steps] in 0..1
    lower: FloatArray  # [steps] band around shares
    upper: FloatArray  # [steps]
    confidence: float
    counts: Counts
    min: float  # top-1 percent, of the models that are done; NaN without any
    mean: float

    @property
    def n(self) -> int:
        """Models with a verdict: done, diverged or failed."""
        return self.counts.n

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


def error_window(errors: FloatArray, *, share: float = 0.95, margin: float = 0.04) -> ErrorWindow:
    """Window around the errors [n] of all spaces together; the whole axis without errors."""
    if len(errors) == 0:
        return ErrorWindow(0.0, 100.0, 0)
    low, high = float(errors.min()), float(np.quantile(errors, share, method="inverted_cdf"))
    pad = margin * (high - low) or 0.5
    return ErrorWindow(max(0.0, low - pad), high + pad, int((errors > high + pad).sum()))


def dkw_half_width(n: int, confidence: float = 0.95) -> float:
    """Half-width of the Dvoretzky-Kiefer-Wolfowitz band, sqrt(ln(2 / (1 - confidence)) / (2 n)).

    Simultaneous: with at least this probability, the population's whole F lies within the band, for any n
    and any distribution (Massart 1990 gave the constant). Infinite without models.
    """
    return float(np.sqrt(np.log(2 / (1 - confidence)) / (2 * n))) if n else float("inf")


def error_distribution(errors: FloatArray, counts: Counts, *, confidence: float = 0.95) -> ErrorDistribution:
    """EDF with DKW band of the errors [n_done] of the models that are done."""
    assert len(errors) == counts.done
    steps = np.unique(np.concatenate([[0.0, 100.0], errors]))
    below_or_equal = np.searchsorted(np.sort(errors), steps, side="right")
    shares = below_or_equal / counts.n if counts.n else np.full(len(steps), np.nan)
    half, center = dkw_half_width(counts.n, confidence), np.nan_to_num(shares, nan=0.5)
    return ErrorDistribution(
        errors=steps,
        shares=shares,
        lower=np.clip(center - half, 0, 1),
        upper=np.clip(center + half, 0, 1),
        confidence=confidence,
        counts=counts,
        min=float(errors.min()) if len(errors) else float("nan"),
        mean=float(errors.mean()) if len(errors) else float("nan"),
    )
