"""Restrictions and what they would change, in words, and as text for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from designspace.analysis.proposals import Proposal
from designspace.analysis.refinement import Group, WhatIf
from designspace.analysis.statistics import FEWEST, TOO_FEW
from designspace.report.text.compare import comparison_sentence
from designspace.report.text.numbers import number, number_with_interval, p_words
from designspace.spaces.restrictions import Restriction


def restriction_words(restriction: Restriction) -> str:
    """A restriction for a sentence, e.g. "bottleneck_ratios from 1 to 2"."""
    if restriction.kind != "range":
        return f"{restriction.parameter} {restriction.kind.replace('_', '-')}"
    if restriction.low == restriction.high:
        return f"{restriction.parameter} {restriction.low:g}"
    return f"{restriction.parameter} from {restriction.low:g} to {restriction.high:g}"


def what_if_sentence(found: WhatIf) -> str:
    """What the comparison says, and no more than that."""
    kept, rest = found.kept.summary.counts, found.rest.summary.counts
    start = f"{kept.n} of {kept.n + rest.n} trained models meet it."
    if rest.n == 0 and kept.n:
        return f"{start} There is nothing to compare them with."
    if found.difference.verdict == TOO_FEW:
        few = min(kept.done, rest.done)
        side = "that do" if kept.done <= rest.done else "that do not"
        return f"{start} No verdict: {few} models {side} have an error, {FEWEST} are needed."
    said = comparison_sentence(found.difference, "the kept models", "the other models")
    return f"{start} {said[0].upper()}{said[1:]}"


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
                "min": number(summary.min),
                "mean [95 % interval]": number_with_interval(summary.mean, summary.mean_interval),
                "median [95 % interval]": number_with_interval(summary.median, summary.median_interval),
            }
        )
    return _table(rows)


def proposals_text(proposals: Sequence[Proposal]) -> str:
    """One line per proposal, those with the most evidence first."""
    rows = [
        {
            "restriction": restriction_words(found.restriction),
            "kept": f"{found.kept} of {found.n}",
            "mean kept": number(found.mean_kept),
            "rest": number(found.mean_rest),
            "difference [95 % interval]": number_with_interval(
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
