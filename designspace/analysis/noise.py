"""How much of an error is the seed? Some models trained again with other seeds tell.

The model behind the numbers, one-way random effects: observed error = true error of the model + noise of the
seed, where the noise has mean 0 and one standard deviation for all models of a space, and is independent of
the true error. "True" is the mean over all seeds, of the same recipe on the same validation images.

Two corrections rest on it, see `deconvolution`: the EDF of true errors, and the expected true error of the
model with the least observed error, which was lucky, on average: its noise was chosen to be low.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from designspace.analysis.deconvolution import deconvolve, true_error
from designspace.analysis.results import Counts, count_statuses, finished_errors
from designspace.analysis.statistics import (
    FEWEST,
    NAN,
    NONE,
    RESAMPLES,
    TAILS,
    Estimate,
    Interval,
    draw_key,
    named_rng,
    resampled_counts,
)
from designspace.networks.architecture import FloatArray

ALL = "all"  # the name of all spaces together


@dataclass(frozen=True)
class Components:
    """Analysis of variance of the models that were trained more than once; errors in percent.

    Designs may be unbalanced: variances of means are unweighted and the number of runs a model is the
    harmonic mean (Thomas and Hultquist 1978; exact where all models have the same number of runs). Intervals
    are those of normal theory, 95 %: chi-square for `seed_std`, F for `noise_share`.
    """

    models: int
    runs: int  # of those models, with an error
    seed_std: Estimate  # standard deviation of one model's error between seeds
    between_std: float  # standard deviation of the true errors between models; 0 where noise explains it all
    noise_share: Estimate  # of the variance of single errors, 1 - intraclass correlation
    f: float  # variance of the models' means over what noise alone would give
    p_value: float  # of that F if all models were equally good


@dataclass(frozen=True)
class BestModel:
    """The model with the least error in the study's own training, and what to expect of it.

    `expected` does not use repeated trainings of this very model: it is about choosing by a single one.
    """

    model_id: str
    observed: float  # top-1 percent
    expected: Estimate  # true error; mean and 95 % interval of its posterior
    repeated: tuple[float, ...]  # errors of its other trainings

    @property
    def luck(self) -> float:
        """How much of the observed error is expected to be luck, in percent of error."""
        return self.expected.value - self.observed


@dataclass(frozen=True, eq=False)
class SpaceNoise:
    """One space of which some models were trained more than once."""

    name: str
    repeats: (
        pd.DataFrame
    )  # model_id, repeat (0 is the first run), error, mean; models by mean, then by repeat
    left_out: int  # runs of those models without an error
    components: Components
    noise_trend: float  # Spearman between means and standard deviations of the models; 0 if the model holds
    noise_trend_p: float
    counts: Counts  # of the population
    reliability: Estimate  # share of the variance of the population's errors that is not noise; bootstrap
    errors: FloatArray  # [n_done] of the population, single runs, top-1 percent
    corrected: FloatArray  # [n_done] the same, spread like the true errors; the worst 5 % as observed
    best: BestModel | None

    @property
    def population_noise(self) -> Estimate:
        """Share of the variance of the population's errors that is noise."""
        low, high = self.reliability.interval.low, self.reliability.interval.high
        return Estimate(1 - self.reliability.value, Interval(1 - high, 1 - low))


@dataclass(frozen=True, eq=False)
class NoiseAnalysis:
    """All spaces with repeats, in alphabetical order; `pooled` takes models within their spaces."""

    spaces: tuple[SpaceNoise, ...]
    pooled: Components
    strangers: int  # repeats left out: of models that are not among the runs
    other_epochs: int  # repeats left out: of another number of epochs than the first run


def seed_noise(
    runs: pd.DataFrame, repeats: pd.DataFrame | None, *, rng: np.random.Generator, resamples: int = RESAMPLES
) -> NoiseAnalysis:
    """Analysis of variance of models trained again with other seeds, and what it means for the population.

    `repeats` has the columns of `runs` and `repeat`, counted from 1; the row in `runs` is repeat 0. Runs
    without an error (diverged, failed, missing) are counted and left out. Spaces without repeats are absent.
    """
    if repeats is None or len(repeats) == 0:
        return NoiseAnalysis((), _components([]), 0, 0)
    found = _all_runs(runs, repeats)
    key, spaces, samples = draw_key(rng), [], []
    for name, part in found.table.groupby("space"):
        done = part[part["error"].notna()]
        samples.append([group.to_numpy(dtype=float) for _, group in done.groupby("model_id")["error"]])
        population = runs[runs["space"] == name]
        rng_of_space = named_rng(key, str(name))
        spaces.append(_space(str(name), part, samples[-1], population, rng_of_space, resamples))
    return NoiseAnalysis(tuple(spaces), _components(samples), found.strangers, found.other_epochs)


# ---- the runs of the repeated models -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _AllRuns:
    """All runs of the models with repeats; see NoiseAnalysis for what is left out."""

    table: pd.DataFrame  # space, model_id, repeat, error (NaN unless done)
    strangers: int
    other_epochs: int


def _all_runs(runs: pd.DataFrame, repeats: pd.DataFrame) -> _AllRuns:
    key = ["space", "model_id"]
    columns = [*key, "repeat", "status", "error", "epochs"]
    first = runs.assign(repeat=0).reindex(columns=columns).drop_duplicates(key)
    again = repeats.reindex(columns=columns)
    again = again[again["repeat"] > 0].drop_duplicates([*key, "repeat"])
    again = again.merge(first[[*key, "epochs"]], on=key, how="left", suffixes=("", "_first"), indicator=True)
    unknown = again["_merge"] == "left_only"
    both = again["epochs"].notna() & again["epochs_first"].notna()
    other = ~unknown & both & (again["epochs"] != again["epochs_first"])
    again = again.loc[~unknown & ~other, columns]
    first = first.merge(again[key].drop_duplicates(), on=key)
    table = pd.concat([first, again], ignore_index=True)
    table["error"] = table["error"].where(table["status"] == "done").astype(float)
    table = table.sort_values([*key, "repeat"], kind="stable", ignore_index=True)
    return _AllRuns(table, int(unknown.sum()), int(other.sum()))


def _space(
    name: str,
    part: pd.DataFrame,
    sample: Sequence[FloatArray],
    population: pd.DataFrame,
    rng: np.random.Generator,
    resamples: int,
) -> SpaceNoise:
    components, errors = _components([sample]), finished_errors(population)
    reliability = _reliability(errors, components, rng, resamples)
    trend, trend_p = _noise_trend(sample)
    freedom = components.runs - components.models
    done = part[part["error"].notna()]
    means = done.groupby("model_id")["error"].transform("mean")
    ordered = done.assign(mean=means).sort_values(["mean", "model_id", "repeat"], ignore_index=True)
    return SpaceNoise(
        name=name,
        repeats=ordered[["model_id", "repeat", "error", "mean"]],
        left_out=len(part) - len(done),
        components=components,
        noise_trend=trend,
        noise_trend_p=trend_p,
        counts=count_statuses(population),
        reliability=reliability,
        errors=errors,
        corrected=deconvolve(errors, components.seed_std.value, freedom, rng=rng),
        best=_best(population, part, components, rng),
    )


# ---- analysis of variance ----------------------------------------------------------------------------------


def _components(samples: Sequence[Sequence[FloatArray]]) -> Components:
    """Of the errors of each model, by space; several spaces add up, with models around their space's mean."""
    models = [model for space in samples for model in space]
    runs = sum(map(len, models))
    freedom = runs - len(models)
    within = sum(float(((model - model.mean()) ** 2).sum()) for model in models)
    variance = within / freedom if freedom else NAN
    between_freedom = sum(len(space) - 1 for space in samples if space)
    squares = sum(_squares([float(model.mean()) for model in space]) for space in samples)
    of_means = squares / between_freedom if between_freedom else NAN
    # one over the harmonic mean of the numbers of runs: the noise that is left in a model's mean
    left = sum(
        (len(space) - 1) / len(space) * sum(1 / len(model) for model in space) for space in samples if space
    )
    left = left / between_freedom if between_freedom else NAN
    noise_of_means = variance * left
    f = of_means / noise_of_means if noise_of_means > 0 else (math.inf if of_means > 0 < freedom else NAN)
    between = max(0.0, of_means - noise_of_means)
    return Components(
        models=len(models),
        runs=runs,
        seed_std=_seed_std(variance, freedom),
        between_std=math.sqrt(between) if not math.isnan(of_means * variance) else NAN,
        noise_share=_noise_share(f, left, between_freedom, freedom),
        f=f,
        p_value=float(stats.f.sf(f, between_freedom, freedom)) if not math.isnan(f) else NAN,
    )


def _squares(values: Sequence[float]) -> float:
    """Sum of squared deviations from the mean; 0 without values."""
    return float(np.var(values) * len(values)) if values else 0.0


def _seed_std(variance: float, freedom: int) -> Estimate:
    if not freedom:
        return NONE
    high, low = (math.sqrt(freedom * variance / float(stats.chi2.ppf(tail, freedom))) for tail in TAILS)
    return Estimate(math.sqrt(variance), Interval(low, high))


def _noise_share(f: float, left: float, between_freedom: int, freedom: int) -> Estimate:
    """Noise over all variance of single runs, 1 / (1 + (F - 1) / m) with m runs a model."""
    if math.isnan(f):
        return NONE
    low, high = (_share(f / float(stats.f.ppf(tail, between_freedom, freedom)), left) for tail in TAILS)
    return Estimate(_share(f, left), Interval(low, high))


def _share(f: float, left: float) -> float:
    return 1 / (1 + max(0.0, f - 1) * left)


def _noise_trend(sample: Sequence[FloatArray]) -> tuple[float, float]:
    """Do models with a larger mean error vary more between seeds? Spearman's correlation and its p value."""
    several = [model for model in sample if len(model) > 1]
    means, stds = [model.mean() for model in several], [model.std(ddof=1) for model in several]
    if len(several) < FEWEST or np.ptp(means) == 0 or np.ptp(stds) == 0:
        return NAN, NAN
    found = stats.spearmanr(means, stds)
    return float(found.statistic), float(found.pvalue)


# ---- what it means for the population ----------------------------------------------------------------------


def _reliability(
    errors: FloatArray, components: Components, rng: np.random.Generator, resamples: int
) -> Estimate:
    """1 - variance of noise / variance of the errors of the population [n], in 0..1.

    The interval resamples the models of the population, and the variance of noise from the distribution that
    its chi-square interval is made of: errors of populations are far from normal, noise is close to it.
    """
    n, noise, freedom = len(errors), components.seed_std.value**2, components.runs - components.models
    if n < FEWEST or math.isnan(noise) or np.ptp(errors) == 0:
        return NONE
    counts, centred = resampled_counts(n, resamples, rng)[:, 1:], errors - errors.mean()
    variances = ((centred**2) @ counts - (centred @ counts) ** 2 / n) / (n - 1)
    noises = noise * freedom / rng.chisquare(freedom, resamples)
    draws = np.clip(1 - noises / np.maximum(variances, 1e-12), 0, 1)
    low, high = np.quantile(draws, TAILS)
    value = max(0.0, 1 - noise / float(errors.var(ddof=1)))
    return Estimate(value, Interval(float(low), float(high)))


def _best(
    population: pd.DataFrame, table: pd.DataFrame, components: Components, rng: np.random.Generator
) -> BestModel | None:
    done = population[population["status"] == "done"]
    if done.empty:
        return None
    row, errors = int(done["error"].to_numpy(dtype=float).argmin()), finished_errors(population)
    freedom = components.runs - components.models
    expected = true_error(float(errors[row]), errors, components.seed_std.value, freedom, rng=rng)
    model_id = str(done["model_id"].iloc[row])
    again = table[(table["model_id"] == model_id) & (table["repeat"] > 0)].sort_values("repeat")
    return BestModel(model_id, float(errors[row]), expected, tuple(again["error"].dropna().tolist()))
