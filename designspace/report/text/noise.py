"""How much of an error is the seed, in words."""

from __future__ import annotations

import math

import numpy as np

from designspace.analysis.noise import BestModel, NoiseAnalysis, SpaceNoise
from designspace.report.text.numbers import estimate_words


def noise_statements(noise: NoiseAnalysis) -> tuple[str, ...]:
    """Up to three sentences per space: the seed's part, the population's spread, its best model."""
    return tuple(text for space in noise.spaces for text in _statements(space))


def noise_notes(noise: NoiseAnalysis) -> tuple[str, ...]:
    """What is left out, and why."""
    left_out = (
        (noise.strangers, "not a model of the runs"),
        (noise.other_epochs, "another number of epochs"),
    )
    notes = tuple(f"{count} repeats left out: {reason}" for count, reason in left_out if count)
    return notes if notes or noise.spaces else ("no model was trained more than once",)


def _statements(space: SpaceNoise) -> tuple[str, ...]:
    found, seed = space.components, space.components.seed_std
    if math.isnan(seed.value):
        return ()
    sentences = [
        f"the seed alone moves a model's error by {estimate_words(seed)} points (standard deviation "
        f"of {found.models} models, {found.runs} runs)."
    ]
    if not math.isnan(space.reliability.value):
        sentences.append(_population_words(space))
    if space.best is not None and not math.isnan(space.best.expected.value):
        sentences.append(_best_words(space.best))
    return tuple(f"{space.name}: {sentence}" for sentence in sentences)


def _population_words(space: SpaceNoise) -> str:
    observed, corrected = (
        float(np.subtract(*np.quantile(x, [0.75, 0.25]))) for x in (space.errors, space.corrected)
    )
    return (
        f"noise is {estimate_words(space.population_noise, 100, 0)} % of the variance among the "
        f"errors of all {len(space.errors)} models. The middle half of the observed errors spans "
        f"{observed:.2f} points, that of the errors without noise is estimated to span {corrected:.2f}."
    )


def _best_words(best: BestModel) -> str:
    return (
        f"the best model was observed at {best.observed:.2f} %; with other seeds "
        f"{estimate_words(best.expected)} % is to be expected of it, so {best.luck:.2f} points of "
        "its lead are luck." + _repeated_words(best.repeated)
    )


def _repeated_words(errors: tuple[float, ...]) -> str:
    if not errors:
        return ""
    listed = ", ".join(f"{error:.2f}" for error in errors)
    if len(errors) == 1:
        return f" Its other training gave {listed} %."
    return f" Its {len(errors)} other trainings gave {listed} %, {np.mean(errors):.2f} % on average."
