"""A what-if and proposals as text for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from designspace.analysis.proposals import Proposal
from designspace.analysis.refinement import Group, words
from designspace.analysis.statistics import Interval, p_words


def groups_text(groups: Sequence[Group]) -> str:
    """One line per group of models: how many, and their errors in percent with 95 % intervals."""
    rows = []
    for group in groups:
        summary, counts = group.summary, group.summary.counts
        rows.append(
            {
                "models": group.name,
                "n": str(counts.n),
                "diverged": str(counts.diverged),
                "failed": str(counts.failed),
                "not run": str(counts.missing),
                "min": _number(summary.min),
                "mean [95 % interval]": _with_interval(summary.mean, summary.mean_interval),
                "median [95 % interval]": _with_interval(summary.median, summary.median_interval),
            }
        )
    return _table(rows)


def proposals_text(proposals: Sequence[Proposal]) -> str:
    """One line per proposal, those with the most evidence first."""
    rows = [
        {
            "restriction": words(found.restriction),
            "kept": f"{found.kept} of {found.n}",
            "mean kept": _number(found.mean_kept),
            "rest": _number(found.mean_rest),
            "difference [95 % interval]": _with_interval(
                found.difference.mean.value, found.difference.mean.interval, "+"
            ),
            "pairs better": _percent(found.difference.beats),
            "p": p_words(found.p).removeprefix("p ").removeprefix("= "),
            "p (Holm)": p_words(found.p_holm).removeprefix("p ").removeprefix("= "),
            "verdict": found.verdict,
        }
        for found in proposals
    ]
    return _table(rows)


def _table(rows: list[dict[str, str]]) -> str:
    """Aligned columns: the first and the last to the left, the others to the right."""
    table = pd.DataFrame(rows)
    first, last = table.columns[0], table.columns[-1]
    widths = {name: max(map(len, [name, *table[name]])) for name in (first, last)}
    text = table.to_string(
        index=False,
        header=[f"{n:<{widths[n]}}" if n in widths else n for n in table.columns],
        formatters={n: f"{{:<{w}}}".format for n, w in widths.items()},
    )
    return "\n".join(line.rstrip() for line in text.splitlines())


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.0f} %"


def _with_interval(value: float, interval: Interval, sign: str = "") -> str:
    return f"{_number(value, sign)} [{_number(interval.low, sign)}, {_number(interval.high, sign)}]"


def _number(value: float, sign: str = "") -> str:
    return "-" if math.isnan(value) else f"{value:{sign}.2f}"
