"""The models of a study with what predictions say of them, or why predictions are not used."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from designspace.analysis.cross_fit import (
    FEWEST_POWERED,
    PoweredSpace,
    Trained,
    cross_fit,
    design_pools,
    few_finished,
)
from designspace.analysis.powered import NOT_ASKED, Sample, plain_sample
from designspace.analysis.powered_features import Drawn
from designspace.analysis.results import DESCRIPTION, finished_errors
from designspace.networks.architecture import Architectures
from designspace.spaces.sampling import network_keys

Pools = Mapping[str, Drawn | str]  # by space; in place of a pool the reason why there is none


def mean_samples(populations: Mapping[str, pd.DataFrame], pools: Pools, *, seed: int) -> dict[str, Sample]:
    """For the mean error of every space, from the runs of each by its name.

    A study gives the same samples wherever it is asked: predictors are fitted to all its spaces together.
    """
    powered = power(populations, pools, seed=seed)
    result = {}
    for name, runs in populations.items():
        if name in powered:
            result[name] = powered[name].mean()
        else:
            errors, reason = finished_errors(runs), pools.get(name)
            few = NOT_ASKED if not pools and len(errors) >= FEWEST_POWERED else few_finished(len(errors))
            result[name] = plain_sample(errors, reason if isinstance(reason, str) else few)
    return result


def power(populations: Mapping[str, pd.DataFrame], pools: Pools, *, seed: int) -> dict[str, PoweredSpace]:
    """The spaces that have a pool, cross-fitted; those of as many stages together."""
    groups: dict[int, dict[str, Drawn]] = {}
    for name in sorted(populations):
        pool = pools.get(name)
        if isinstance(pool, Drawn):
            groups.setdefault(pool.networks.num_stages, {})[name] = pool
    found: dict[str, PoweredSpace] = {}
    for group in groups.values():
        trained = {name: _trained(populations[name], pool) for name, pool in group.items()}
        if max(int(np.isfinite(t.errors).sum()) for t in trained.values()) < FEWEST_POWERED:
            continue
        basis, designed = design_pools({name: pool.pool for name, pool in group.items()}, seed=seed)
        found |= cross_fit(trained, designed, basis, seed=seed)
    return found


def _trained(runs: pd.DataFrame, pool: Drawn) -> Trained:
    runs = runs[runs["status"] != "missing"].sort_values("model_id", kind="stable")
    if runs.empty:
        return Trained([], pool.pool.features[:0], np.zeros(0))
    depths, widths, ratios, groups = (np.array(runs[name].tolist()) for name in DESCRIPTION)
    like = pool.networks
    networks = Architectures(like.block, depths, widths, ratios, groups, like.stem_width, like.stem_stride)
    errors = runs["error"].to_numpy(dtype=float, na_value=np.nan)
    return Trained(list(network_keys(networks)), pool.features(networks), errors)
