"""What all figures share: colours, fonts and axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter

from designspace.analysis.costs import NARROW
from designspace.analysis.results import Counts

# Okabe and Ito's colours without yellow, ordered so that neighbours differ for every kind of colour vision.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
DASHES = ("-", "--", ":")  # once the colours are used up
PNG_DPI = 200

_RC: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "text.parse_math": False,  # names may hold a $
    "svg.hashsalt": "designspace",  # the same figure gives the same file
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw (and save) within this context; the caller's own settings stay as they are."""
    with style.context(["default", _RC]):  # a matplotlibrc of the user's decides nothing either
        yield


def color(index: int) -> str:
    """Colour of the space at this place of the study."""
    return COLORS[index % len(COLORS)]


def dashes(index: int) -> str:
    """Line style of the space at this place of the study."""
    return DASHES[index // len(COLORS) % len(DASHES)]


def without_error(counts: Counts) -> str:
    """How many models have no error and why, "(2 diverged, 1 not yet run)"; empty if all have one."""
    reasons = {"diverged": counts.diverged, "failed": counts.failed, "not yet run": counts.missing}
    notes = [f"{count} {reason}" for reason, count in reasons.items() if count]
    return f"({', '.join(notes)})" if notes else ""


def use_log(axes: Axes, which: str, values: Sequence[float]) -> None:
    """Logarithmic, unless the values are held within a narrow window or there are none."""
    if not values or min(values) <= 0 or max(values) < NARROW * min(values):
        return
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    wide = max(values) > 100 * min(values)
    axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator() if not wide else LogLocator(subs=(2.0, 5.0)))
    axis.set_minor_formatter(NullFormatter())


def use_log2(axes: Axes, which: Literal["x", "y"], *, ticks: int) -> None:
    """Logarithmic axis with at most so many ticks, at powers of two, written as numbers."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log", base=2)
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(base=2, numticks=ticks))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())
