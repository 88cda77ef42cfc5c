"""How numbers and lists are written, in sentences, tables for the terminal and figures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from designspace.analysis.statistics import Estimate, Interval


def number(value: float, sign: str = "", *, unknown: str = "-") -> str:
    """With two decimals, "17.30", and with `sign` "+" its sign, "+0.52"; `unknown` instead of NaN."""
    return unknown if math.isnan(value) else f"{value:{sign}.2f}"


def number_with_interval(value: float, interval: Interval, sign: str = "") -> str:
    """A column of a table, "17.30 [17.10, 17.52]"; "-" instead of each NaN."""
    return f"{number(value, sign)} [{number(interval.low, sign)}, {number(interval.high, sign)}]"


def estimate_words(value: Estimate, scale: float = 1, digits: int = 2) -> str:
    """The value and its interval for a sentence, "0.60 [0.51, 0.73]"; "not known" instead of NaN."""
    low, high = value.interval.low, value.interval.high
    if math.isnan(value.value):
        return "not known"
    if math.isnan(low) or math.isnan(high):
        return f"{scale * value.value:.{digits}f} [not known]"
    return f"{scale * value.value:.{digits}f} [{scale * low:.{digits}f}, {scale * high:.{digits}f}]"


def p_words(p: float) -> str:
    """A p value as text: "p = 0.012"."""
    if math.isnan(p):
        return "p not known"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def correction_words(tests: int) -> str:
    """Whether a p value is corrected, for how many tests."""
    return f"with Holm's correction for {tests} pairs" if tests > 1 else "one comparison, not corrected"


def listed(names: Sequence[str]) -> str:
    """One name or several in a sentence: "a", "a and b", "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
