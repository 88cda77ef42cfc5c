"""Published networks in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from designspace.analysis.references import ReferencePoint, Standing
from designspace.report.text.numbers import listed


def reference_statements(points: Sequence[ReferencePoint]) -> list[str]:
    """A sentence for every network that has an error, and one for all that have none."""
    done = [_statement(point) for point in points if not math.isnan(point.error)]
    others = [f"{point.network} ({point.status})" for point in points if math.isnan(point.error)]
    return [*done, *([f"Without an error: {listed(others)}."] if others else [])]


def _statement(point: ReferencePoint) -> str:
    standings = [
        _standing_words(found) for found in point.standings if not math.isnan(found.better_than.value)
    ]
    better = f": better than {listed(standings)}" if standings else ""
    return f"{point.network} ({point.flops / 1e6:,.1f} MF) has an error of {point.error:.2f} %{better}."


def _standing_words(found: Standing) -> str:
    low, high = found.better_than.interval.low, found.better_than.interval.high
    return (
        f"{100 * found.better_than.value:.0f} % of the models of {found.space} (95 % interval "
        f"{100 * low:.0f} to {100 * high:.0f}; {found.flops_ratio:.3g} times their median flops)"
    )
