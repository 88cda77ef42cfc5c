"""What untrained networks add to the estimates of a study, in words."""

from __future__ import annotations

from designspace.analysis.powered import NOT_ASKED
from designspace.analysis.study import SpaceAnalysis, StudyAnalysis
from designspace.report.text.numbers import listed


def worth_words(worth: float) -> str:
    """What predictions are worth."""
    return f"worth {worth:.1f} times as many trainings"


def powered_statements(study: StudyAnalysis) -> list[str]:
    """By how many networks means are powered, which are plain and why; nothing where nobody asked."""
    reasons: dict[str, list[str]] = {}
    for space in study.spaces:
        if space.mean.reason and space.summary.counts.done:
            reasons.setdefault(space.mean.reason, []).append(space.name)
    plain = [
        f"{listed(names)}: plain estimates from the trained models alone, because: {reason}."
        for reason, names in reasons.items()
        if reason != NOT_ASKED
    ]
    powered = _powered(study)
    if not powered:
        return plain
    found = [
        f"Mean errors and their differences are powered by {study.untrained:,} untrained networks, whose "
        "errors are predicted. That is worth so many times the trainings: "
        f"{listed([f'{space.name} {space.mean.worth:.1f}' for space in powered])}.",
        "A narrow interval says nothing on whether the brief training is long enough to rank networks as a "
        "longer one would: it is about errors after this training.",
    ]
    return [*found, *plain]


def powered_by(study: StudyAnalysis, worth: float) -> str:
    """For a headline, what powers a difference; empty for a plain one."""
    return f", powered by {study.untrained:,} untrained networks, {worth_words(worth)}," if worth > 1 else ","


def _powered(study: StudyAnalysis) -> list[SpaceAnalysis]:
    return [space for space in study.spaces if space.mean.worth > 1]
