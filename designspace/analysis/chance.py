"""Is any model better than chance, which is to name the largest class every time?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from designspace.networks.architecture import FloatArray

LEVEL = 0.05  # of the tests of all models together
CHANCE, VAL_IMAGES = "chance", "val_images"  # columns: error of chance in percent; validation images


@dataclass(frozen=True)
class AgainstChance:
    """How the trained models compare with chance."""

    models: int  # that are done
    chance: float  # its error in percent: the share of the other classes among the validation images
    p_value: float  # that none is better, by Holm's first step: the least p times the number of models

    @property
    def none_is_better(self) -> bool:
        return self.p_value >= LEVEL


def against_chance(runs: pd.DataFrame) -> AgainstChance | None:
    """One-sided exact binomial test of each model, together; None where no model says what chance is."""
    if not {CHANCE, VAL_IMAGES} <= {*runs.columns}:
        return None
    done = runs[(runs["status"] == "done") & runs[CHANCE].notna() & runs[VAL_IMAGES].notna()]
    if done.empty:
        return None
    least, columns = 1.0, ["error", CHANCE, VAL_IMAGES]
    best = done[columns].astype(float).groupby([CHANCE, VAL_IMAGES], as_index=False).min()
    for error, chance, images in best[columns].itertuples(index=False):
        right = round((1 - error / 100) * images)
        least = min(least, float(binomial_tail(round(images), 1 - chance / 100)[right]))
    return AgainstChance(len(done), float(done[CHANCE].min()), min(1.0, len(done) * least))


def binomial_tail(n: int, p: float) -> FloatArray:
    """P(X >= k) of the binomial distribution, k = 0 to n, [n + 1]; without SciPy, which is slow to load."""
    if p >= 1:
        return np.ones(n + 1)
    k = np.arange(1, n + 1)
    steps = np.log(n - k + 1) - np.log(k) + np.log(p) - np.log1p(-p)  # of the logarithm of P(X = k)
    log_probabilities = n * np.log1p(-p) + np.concatenate([[0.0], np.cumsum(steps)])
    tail: FloatArray = np.cumsum(np.exp(log_probabilities)[::-1])[::-1]
    return np.minimum(1.0, tail)
