"""Several studies side by side as text for the terminal."""

from __future__ import annotations

import pandas as pd

from designspace.analysis.best_values import BestValue
from designspace.analysis.regimes import Regimes, Trend


def regimes_text(regimes: Regimes) -> str:
    """The best values by space and parameter, one column a study, and how they change with flops."""
    rows = []
    trends = {(trend.space, trend.parameter): trend for trend in regimes.trends}
    for space in regimes.spaces:
        for parameter in regimes.parameters:
            points = {point.study: point.value for point in regimes.of(space, parameter)}
            if not points:
                continue
            row = {"space": space, "parameter": parameter}
            for study in regimes.studies:
                row[study] = "-" if study not in points else _range(points[study])
            if regimes.by_flops:
                row["grows as flops^a, a ="] = _exponent(trends.get((space, parameter)))
            rows.append(row)
    head = "parameters of the best of a random quarter of the models: median [2.5, 97.5 percentile]"
    return f"{head}\n{pd.DataFrame(rows).to_string(index=False)}"


def _exponent(trend: Trend | None) -> str:
    return "-" if trend is None else f"{trend.median:.2f} [{trend.low:.2f}, {trend.high:.2f}]"


def _range(value: BestValue) -> str:
    return f"{value.median:.4g} [{value.low:.4g}, {value.high:.4g}]" if value.n else "-"
