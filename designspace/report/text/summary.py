"""The summary of a study: its headline, its best model, and a table for the terminal."""

from __future__ import annotations

import math

from designspace.analysis.compare import between
from designspace.analysis.errors import SpaceErrors, StudyErrors
from designspace.analysis.statistics import WORSE
from designspace.analysis.study import SpaceAnalysis, StudyAnalysis
from designspace.report.terminal import PLAIN_WIDTH, table_text, wrapped
from designspace.report.text.chance import chance_sentences
from designspace.report.text.numbers import listed, number, number_with_interval
from designspace.report.text.powered import powered_by, powered_statements
from designspace.report.text.references import reference_statements


def by_mean(study: StudyAnalysis) -> list[SpaceAnalysis]:
    """The spaces that have errors, that of the lowest mean first."""
    return sorted((s for s in study.spaces if s.summary.counts.done), key=lambda s: s.mean.estimate.value)


def headline(study: StudyAnalysis) -> list[str]:
    """Which space is the best, against the runner-up; or that none is shown to be. Nothing of one space."""
    ordered = by_mean(study)
    if len(ordered) < 2:
        return []
    first, *others = ordered
    found = {other.name: between(study.comparisons, other.name, first.name) for other in others}
    level = [name for name, comparison in found.items() if comparison.verdict != WORSE]
    mean = f"{first.mean.estimate.value:.2f} %"
    if level:
        return [
            f"No space is shown to be the best. {first.name} has the lowest mean error, {mean}, but it is "
            f"not shown to be better than {listed(level)}."
        ]
    next_one = found[others[0].name]
    interval = next_one.mean.interval
    where = " at equal flops" if next_one.equal_flops else ""
    return [
        f"{first.name} is the best of {len(ordered)} spaces{where}: its mean error, {mean}, is "
        f"{next_one.mean.value:.2f} points below that of the next, {others[0].name} (95 % interval "
        f"{interval.low:.2f} to {interval.high:.2f}){powered_by(study, next_one.worth)} and it is "
        "shown to be better than every other."
    ]


def best_model(study: StudyAnalysis) -> list[str]:
    """The model with the lowest error, and what to expect of it with other seeds where that is known."""
    done = [space for space in study.spaces if space.summary.counts.done]
    if not done:
        return []
    space = min(done, key=lambda s: s.summary.min)
    errors = space.runs["error"]
    name = space.runs["model_id"].to_numpy()[errors.argmin()]
    best = next((noise.best for noise in study.noise.spaces if noise.name == space.name), None)
    expected = ""
    if best is not None and not math.isnan(best.expected.value):
        expected = f"; with other seeds {best.expected.value:.2f} % is to be expected of it"
    return [f"The best model is {name} of {space.name}: {errors.min():.2f} %{expected}."]


def errors_text(study: StudyErrors | StudyAnalysis, width: int = PLAIN_WIDTH) -> str:
    """One line per space: models by status; least, mean and median error in percent with 95 % intervals.

    Before the table, that nothing was learnt, where it is so. Lines have at most `width` characters.
    """
    before = [wrapped(sentence, width) for sentence in chance_sentences(study.chance)]
    table = [table_text([_row(space) for space in study.spaces], width)] if study.spaces else []
    return "\n".join([*before, *table])


def summary_text(study: StudyAnalysis, width: int = PLAIN_WIDTH) -> str:
    """What the whole analysis adds: the best space, powered means, and each published network."""
    rows = [
        {
            "space": space.name,
            "powered mean [95 % interval]": number_with_interval(
                space.mean.estimate.value, space.mean.estimate.interval
            ),
            "worth": number(space.mean.worth),
        }
        for space in study.spaces
        if space.mean.worth > 1
    ]
    table = [table_text(rows, width)] if rows else []
    said = [*headline(study), *best_model(study), *powered_statements(study)]
    sentences = [wrapped(sentence, width) for sentence in [*said, *reference_statements(study.references)]]
    return "\n".join([*table, *([""] if table else []), *sentences])


def _row(space: SpaceErrors | SpaceAnalysis) -> dict[str, str]:
    summary, counts = space.summary, space.summary.counts
    return {
        "space": space.name,
        "done": str(counts.done),
        "diverged": str(counts.diverged),
        "failed": str(counts.failed),
        "missing": str(counts.missing),
        "min": number(summary.min),
        "mean [95 % interval]": number_with_interval(summary.mean, summary.mean_interval),
        "median [95 % interval]": number_with_interval(summary.median, summary.median_interval),
    }
