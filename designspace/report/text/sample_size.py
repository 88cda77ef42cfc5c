"""How many models are enough to tell two spaces apart, in words."""

from __future__ import annotations

import math

from designspace.analysis.sample_size import MANY, Separation


def separation_words(pair: Separation) -> str:
    """The models needed of each space and their range, no stronger than the numbers."""
    if math.isnan(pair.needed):
        return "unknown"
    if math.isinf(pair.models.high):
        return f"not separable below {_models(pair.models.low)}"
    return f"{_models(pair.needed)} ({_models(pair.models.low)} to {_models(pair.models.high)})"


def _models(models: float) -> str:
    return f"{models:,.0f}" if models <= MANY else f"over {MANY:,}"
