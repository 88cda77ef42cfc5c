"""What a comparison of two spaces says, no stronger than its numbers."""

from __future__ import annotations

from designspace.analysis.compare import Comparison
from designspace.analysis.statistics import ALPHA, BETTER, FEWEST, TOO_FEW, WORSE
from designspace.report.text.numbers import correction_words, p_words
from designspace.report.text.powered import worth_words


def comparison_sentence(found: Comparison, first: str | None = None, second: str | None = None) -> str:
    """The result in words that can be quoted.

    `first` and `second` are other names for the two spaces; a plural one ends with "models".
    """
    a, b = first or found.first, second or found.second
    if found.verdict == TOO_FEW:
        return (
            f"{a} and {b} cannot be compared: {found.counts_first.done} and {found.counts_second.done} of "
            f"their models have an error, {FEWEST} of each are needed."
        )
    if found.verdict == WORSE:
        return comparison_sentence(found.swapped(), b, a)
    start = _better(found, a, b) if found.verdict == BETTER else _undecided(found, a, b)
    chance = f"{found.beats:.2f} ({found.beats_interval.low:.2f} to {found.beats_interval.high:.2f})"
    tested = f"{p_words(found.p_holm)} of the difference of means, {correction_words(found.pairs)}"
    return (
        f"{start}{_worth(found)}, and a random model of {a} beats one of {b} with probability {chance}; "
        f"{tested}{_without_error(found)}."
    )


def _worth(found: Comparison) -> str:
    return f", {worth_words(found.worth)}" if found.worth > 1 else ""


def _better(found: Comparison, a: str, b: str) -> str:
    low, high = found.mean.interval.low, found.mean.interval.high
    are, its = ("are", "their") if a.endswith("models") else ("is", "its")
    where = " at equal flops" if found.equal_flops else ""
    return (
        f"{a} {are} better than {b}{where}: {its} mean error is {-found.mean.value:.2f} points lower "
        f"(95 % interval {-high:.2f} to {-low:.2f})"
    )


def _undecided(found: Comparison, a: str, b: str) -> str:
    low, high = found.mean.interval.low, found.mean.interval.high
    hints = found.p < ALPHA or found.mann_whitney_p < ALPHA
    nothing = f"No difference of {a} and {b} is shown"
    start = f"It is not settled whether {a} and {b} differ" if hints else nothing
    return (
        f"{start}: the mean errors differ by {found.mean.value:+.2f} points "
        f"(95 % interval {low:+.2f} to {high:+.2f})"
    )


def _without_error(found: Comparison) -> str:
    lost = [c.n - c.done for c in (found.counts_first, found.counts_second)]
    if not any(lost):
        return ""
    agree = ", which do not agree" if found.p_holm < ALPHA and found.contradicted else ""
    return f"; {lost[0]} and {lost[1]} models without an error count in the ranks alone{agree}"
