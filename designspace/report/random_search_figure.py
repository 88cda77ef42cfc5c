"""Random-search curves: how good is the best of m models drawn from each space?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from designspace.analysis.random_search import RandomSearchCurve
from designspace.report.labels import ERROR_LABEL
from designspace.report.style import color, dashes, figure_style, use_log2, without_error


def random_search_figure(curves: Sequence[RandomSearchCurve]) -> Figure:
    """Expected best error against the number of draws, with its pointwise interval where there is one."""
    shade = min(0.18, 0.6 / max(1, len(curves)))
    columns = 1 if any(without_error(curve.counts) for curve in curves) else 2
    with figure_style():
        figure = Figure(figsize=(6.8, 4.2 + 0.2 * len(curves) / columns), layout="constrained")
        axes = figure.add_subplot()
        for index, curve in enumerate(curves):
            paint = color(index)
            label = f"{curve.space}  {_numbers(curve)} {without_error(curve.counts)}".rstrip()
            axes.fill_between(curve.draws, curve.low, curve.high, color=paint, alpha=shade, lw=0)
            axes.plot(
                curve.draws, curve.best, dashes(index), color=paint, label=label, lw=1.6, marker="o", ms=3
            )
        axes.set(xlabel="m, models drawn at random and trained", ylabel=f"expected best {ERROR_LABEL}")
        axes.set_title(_caption(curves), loc="left", color="#555555", fontsize=8)
        if (top := _top(curves)) is not None:
            axes.set_ylim(top=top)
        if any(curve.n for curve in curves):
            use_log2(axes, "x", ticks=11)
        if curves:
            title = "space  n | expected best of 1, n/8, n [%]"
            figure.legend(
                title=title, loc="outside lower center", ncols=columns, alignment="left", title_fontsize=8
            )
        return figure


def _top(curves: Sequence[RandomSearchCurve]) -> float | None:
    """Upper edge that leaves out m = 1 where failures, which count as 100 %, would squeeze all the rest."""
    if not any(0 < curve.counts.done < curve.n for curve in curves):
        return None
    second = [np.nanmax([curve.best[1], curve.high[1]]) for curve in curves if len(curve.draws) > 2]
    return float(max(second)) if second else None


def _numbers(curve: RandomSearchCurve) -> str:
    """`n | best of 1, of the last m with an interval, of all`."""
    if not curve.n:
        return "0 | -"
    given = np.flatnonzero(~np.isnan(curve.low))
    middle = f"{curve.best[given[-1]]:.1f}" if len(given) else "-"
    return f"{curve.n} | {curve.best[0]:.1f}, {middle}, {curve.best[-1]:.1f}"


def _caption(curves: Sequence[RandomSearchCurve]) -> str:
    if not curves:
        return "no models"
    caption = (
        f"shaded: {100 * curves[0].confidence:.0f} % interval (pointwise, jackknife) "
        "up to an eighth of the models;\n"
        "beyond, the curve hangs on the very best ones, and such intervals are too short"
    )
    if any(curve.counts.diverged or curve.counts.failed for curve in curves):
        caption += "\ndiverged and failed models count as draws with an error of 100 %"
        if _top(curves) is not None:
            caption += "; m = 1 may lie above the upper edge"
    return caption
