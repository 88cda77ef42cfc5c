"""The noise of the seed, and the errors without it, as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from designspace.analysis.noise import ALL, BestModel, Components, NoiseAnalysis
from designspace.report.tables.columns import estimate_columns, stacked

NOISE = (
    *(
        "space",
        "n_models",
        "n_runs",
        "n_left_out",
        "seed_std",
        "seed_std_low",
        "seed_std_high",
        "between_std",
    ),
    *("noise_share", "noise_share_low", "noise_share_high", "f", "p_value", "noise_trend", "noise_trend_p"),
    *("n_population", "reliability", "reliability_low", "reliability_high"),
    *("best_model", "best_observed", "best_expected", "best_expected_low", "best_expected_high", "luck"),
)
CORRECTED = ("space", "error", "corrected", "share_below_or_equal")


def noise_table(noise: NoiseAnalysis) -> pd.DataFrame:
    """One row per space, and "all" with models within their spaces; errors in percent, 95 % intervals.

    `seed_std` to `p_value` are of the models trained more than once; `reliability` and the best model are of
    the whole population, each model by its first run.
    """
    rows = [
        {"space": space.name, "n_left_out": space.left_out}
        | _component_columns(space.components)
        | {"noise_trend": space.noise_trend, "noise_trend_p": space.noise_trend_p}
        | {"n_population": len(space.errors)}
        | estimate_columns("reliability", space.reliability)
        | _best_columns(space.best)
        for space in noise.spaces
    ]
    if noise.spaces:
        left_out = sum(space.left_out for space in noise.spaces)
        rows.append({"space": ALL, "n_left_out": left_out} | _component_columns(noise.pooled))
    return pd.DataFrame(rows, columns=NOISE)


def corrected_table(noise: NoiseAnalysis) -> pd.DataFrame:
    """One row per model by error: `share_below_or_equal` of all models with a verdict, at either error."""
    parts = [
        pd.DataFrame(
            {
                "space": space.name,
                "error": np.sort(space.errors),
                "corrected": np.sort(space.corrected),
                "share_below_or_equal": np.arange(1, len(space.errors) + 1) / max(space.counts.n, 1),
            }
        )
        for space in noise.spaces
    ]
    return stacked(parts, CORRECTED)


def _component_columns(found: Components) -> dict[str, float]:
    return (
        {"n_models": found.models, "n_runs": found.runs, "between_std": found.between_std}
        | {"f": found.f, "p_value": found.p_value}
        | estimate_columns("seed_std", found.seed_std)
        | estimate_columns("noise_share", found.noise_share)
    )


def _best_columns(best: BestModel | None) -> dict[str, float | str]:
    if best is None:
        return {}
    named: dict[str, float | str] = {"best_model": best.model_id, "best_observed": best.observed}
    return named | {"luck": best.luck} | estimate_columns("best_expected", best.expected)
