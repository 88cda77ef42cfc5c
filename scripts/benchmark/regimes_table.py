"""From the trainings of regimes.py to its table: one row per regime, which says what its trainings show.

Every number stands beside the n behind it; a cell is empty where the trainings do not give it yet.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from regime_candidates import PARTS, SPACES, Regime  # beside this script
from scipy import stats

STEPS = (("anynetx_c", "anynetx_d"), ("anynetx_d", "anynetx_e"), ("anynetx_e", "regnetx"))
POWER, LEVEL, RESAMPLES = 0.8, 0.05, 9_999
FEWEST = 6  # networks of a space, for a rank correlation
TRAIN_IMAGES = {"cifar10": 45_000, "fashion_mnist": 50_000}


def table(models: pd.DataFrame) -> pd.DataFrame:
    """One row per regime that has been begun."""
    regimes = {part.regime.name: part.regime for part in PARTS}
    rows = [row(regime, models) for name, regime in regimes.items() if (models["regime"] == name).any()]
    return pd.DataFrame(rows)


def row(regime: Regime, models: pd.DataFrame) -> dict[str, Any]:
    """What is known of one regime."""
    own = first_trainings(regime.name, models)
    errors = {space: group["error"].dropna().to_numpy() for space, group in own.groupby("space")}
    found: dict[str, Any] = {
        "regime": regime.name,
        "data": regime.data,
        "maps": " ".join(map(str, regime.maps)),
        "mf": f"{regime.flops[0] / 1e6:g} to {regime.flops[1] / 1e6:g}",
        "batch_size": regime.batch_size,
        "lr": regime.lr,
        "epochs": regime.epochs,
        "steps": TRAIN_IMAGES[regime.data] // regime.batch_size * regime.epochs,
        "n": len(own),
        "diverged": int(own["error"].isna().sum()),
        "cpu_seconds": own["cpu_seconds"].mean(),  # of a model
        **rank_correlation(regime, models),
        **noise(regime, models),
    }
    for space in SPACES:
        values = errors.get(space, np.array([]))
        if len(values):
            found |= {f"{space}_n": len(values), f"{space}_mean": values.mean()}
        if len(values) > 1:
            found |= {f"{space}_sd": values.std(ddof=1)}
    for first, second in STEPS:
        if min(len(errors.get(first, ())), len(errors.get(second, ()))) > 2:
            found |= difference(first, second, errors, own)
    return found


def first_trainings(regime: str, models: pd.DataFrame) -> pd.DataFrame:
    """Those of a regime that are no repeats with other seeds."""
    return models[(models["regime"] == regime) & (models["repeat"] == 0)]


# ---- ranks -------------------------------------------------------------------------------------------------


def rank_correlation(regime: Regime, models: pd.DataFrame) -> dict[str, Any]:
    """Spearman's rho, with its interval, and Kendall's tau with the long training of the same networks.

    Of each space, and pooled: after the means of the spaces are taken off, since the order within spaces is
    asked for.
    """
    references = {part.regime.networks: part.regime.name for part in PARTS if "_long" in part.regime.name}
    reference = references.get(regime.networks)
    if reference is None or reference == regime.name:
        return {}
    sides = [first_trainings(name, models) for name in (regime.name, reference)]
    both = sides[0].merge(sides[1], on=["space", "model_id"], suffixes=("", "_long"))
    both = both.dropna(subset=["error", "error_long"])
    groups = {
        str(space): group[["error", "error_long"]].to_numpy()
        for space, group in both.groupby("space")
        if len(group) >= FEWEST
    }
    found: dict[str, Any] = {}
    for name, spaces in [("pooled", list(groups.values())), *((name, [groups[name]]) for name in groups)]:
        if spaces:
            pairs = np.concatenate([group - group.mean(axis=0) for group in spaces])
            low, high = spearman_interval(spaces)
            found |= {f"rho_{name}": stats.spearmanr(*pairs.T).statistic, f"rho_{name}_n": len(pairs)}
            found |= {f"rho_{name}_low": low, f"rho_{name}_high": high}
            found |= {f"tau_{name}": stats.kendalltau(*pairs.T).statistic}
    return found


def spearman_interval(spaces: list[npt.NDArray[np.float64]]) -> tuple[float, float]:
    """95 percent, percentile bootstrap over the networks of each space; pairs of errors [networks, 2]."""
    rng = np.random.default_rng(0)
    drawn = [pairs[rng.integers(len(pairs), size=(RESAMPLES, len(pairs)))] for pairs in spaces]
    centred = np.concatenate([pairs - pairs.mean(axis=1, keepdims=True) for pairs in drawn], axis=1)
    ranks = stats.rankdata(centred, axis=1)
    ranks = ranks - ranks.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # all drawn networks are one: no correlation
        rho = ranks.prod(axis=2).sum(axis=1) / np.sqrt((ranks**2).sum(axis=1).prod(axis=1))
    low, high = np.nanquantile(rho, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


# ---- noise and differences ---------------------------------------------------------------------------------


def noise(regime: Regime, models: pd.DataFrame) -> dict[str, Any]:
    """Standard deviation between seeds of the same network, and its share of the variance in their spaces."""
    runs = models[models["regime"] == regime.name].dropna(subset=["error"])
    several = runs[runs.groupby(["space", "model_id"])["error"].transform("size") > 1]
    if several.empty:
        return {}
    groups = several.groupby(["space", "model_id"])["error"]
    variance = float((groups.var(ddof=1) * (groups.size() - 1)).sum() / (groups.size() - 1).sum())
    spread = runs[(runs["repeat"] == 0) & runs["space"].isin(several["space"])]
    whole = spread.groupby("space")["error"].var(ddof=1).mean()
    return {"seed_sd": math.sqrt(variance), "seed_n": len(groups), "seed_share": variance / whole}


def difference(first: str, second: str, errors: Any, own: pd.DataFrame) -> dict[str, Any]:
    """First minus second, Welch's interval and p, and what deciding it would take at 80 % power.

    `models` of each space and `core_hours` of both: two-sided at 5 %, if difference and spreads are as seen.
    """
    test = stats.ttest_ind(errors[first], errors[second], equal_var=False)
    interval = test.confidence_interval(1 - LEVEL)
    gap = errors[first].mean() - errors[second].mean()
    variance = errors[first].var(ddof=1) + errors[second].var(ddof=1)
    z = stats.norm.isf(LEVEL / 2) + stats.norm.ppf(POWER)
    needed = math.ceil(z**2 * variance / gap**2)
    seconds = own[own["space"].isin([first, second])].groupby("space")["cpu_seconds"].mean().sum()
    name = f"{first.rpartition('_')[2]}_{second.rpartition('_')[2]}"
    return {
        name: gap,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
        f"{name}_p": test.pvalue,
        f"{name}_models": needed,
        f"{name}_core_hours": needed * seconds / 3600,
    }


# ---- cost --------------------------------------------------------------------------------------------------


def plan(models: pd.DataFrame) -> pd.DataFrame:
    """Core-hours of each part, and of all up to it: from what the trainings took so far.

    A regime that has none is scaled by passes and flops, from one on the same networks or else on any.
    """
    rows: list[dict[str, Any]] = []
    counted: dict[tuple[str, str, int], int] = {}
    for part in PARTS:
        trainings = 0
        for space in part.spaces:
            for repeat in part.repeats:  # a later part may go on with the networks of an earlier one
                earlier = counted.get((part.regime.name, space, repeat), 0)
                trainings += max(0, part.models - earlier)
                counted[part.regime.name, space, repeat] = max(part.models, earlier)
        seconds, source = model_seconds(part.regime, models)
        hours = trainings * seconds / 3600
        total = hours + (rows[-1]["core_hours_so_far"] if rows else 0.0)
        rows.append(
            {
                "regime": part.regime.name,
                "trainings": trainings,
                "cpu_seconds": round(seconds, 1),
                "from": source,
                "core_hours": round(hours, 2),
                "core_hours_so_far": round(total, 2),
            }
        )
    return pd.DataFrame(rows)


def model_seconds(regime: Regime, models: pd.DataFrame) -> tuple[float, str]:
    """Mean processor seconds of a model, and the regime that they were measured in."""
    regimes = {part.regime.name: part.regime for part in PARTS}
    measured = models.dropna(subset=["cpu_seconds"]).groupby("regime")["cpu_seconds"].mean()
    near = sorted(
        (name for name in measured.index if name in regimes),
        key=lambda name: (name != regime.name, regimes[name].networks != regime.networks),
    )
    if not near:
        return math.nan, ""
    other = regimes[near[0]]
    scale = regime.epochs * regime.flops[1] / (other.epochs * other.flops[1])
    return float(measured[other.name]) * scale, other.name
