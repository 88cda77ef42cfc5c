"""What explains the time that a network takes, in words that are never stronger than the intervals."""

from __future__ import annotations

import math

import pandas as pd

from designspace.analysis.costs import NARROW, TIMES, CostAnalysis, SpaceCosts
from designspace.networks.complexity import METRICS
from designspace.report.labels import COST_NAMES, TIME_NAMES
from designspace.report.text.numbers import estimate_words, listed


def cost_statements(costs: CostAnalysis) -> tuple[str, ...]:
    """One sentence a time, and one about the window of flops, where it is narrow."""
    times = (_time_statement(costs, time) for time in TIMES if any(lead.time == time for lead in costs.leads))
    return (*times, *_window_statement(costs.models))


def cost_notes(costs: CostAnalysis) -> tuple[str, ...]:
    """What is left out, and why."""
    elsewhere = f"times of {costs.elsewhere} models measured on another device than {costs.device}"
    unknown = [f"no {TIME_NAMES[time]} in the runs" for time in TIMES if costs.models[time].isna().all()]
    return (*([elsewhere] if costs.elsewhere else []), *unknown)


def _time_statement(costs: CostAnalysis, time: str) -> str:
    """That one cost explains it best is said only where it is ahead of both others for sure."""
    ahead = [lead for lead in costs.leads if lead.time == time]
    best = ahead[0].best
    open_with = [lead.other for lead in ahead if not lead.difference.interval.low > 0]
    verdict = (
        f"Which of {listed([COST_NAMES[cost] for cost in (best, *open_with)])} explains the "
        f"{TIME_NAMES[time]} best is not settled"
        if open_with
        else f"{COST_NAMES[best].capitalize()} explain the {TIME_NAMES[time]} best"
    )
    found = costs.within.of(best, time)
    return (
        f"{verdict} (Spearman's rank correlation within spaces, "
        f"{found.n if found else 0} models: {_correlations(costs.within, time)})."
    )


def _correlations(within: SpaceCosts, time: str) -> str:
    return "; ".join(
        f"{COST_NAMES[cost]} {estimate_words(found.spearman)}"
        for cost in METRICS
        if (found := within.of(cost, time)) is not None and not math.isnan(found.spearman.value)
    )


def _window_statement(models: pd.DataFrame) -> tuple[str, ...]:
    flops = models["flops"].dropna()
    if flops.empty or not 0 < flops.max() < NARROW * flops.min():
        return ()
    return (
        f"All models have between {flops.min() / 1e6:.4g} and {flops.max() / 1e6:.4g} million flops, so "
        "flops can explain little of the time here, whatever they do over a wider range.",
    )
