"""Everything that the analysis says about a study: numbers only, ready to be drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from designspace.analysis.best_values import BestValue, best_value
from designspace.analysis.chance import AgainstChance, against_chance
from designspace.analysis.compare import Comparison, compare_all
from designspace.analysis.costs import CostAnalysis, compare_costs
from designspace.analysis.edf import ErrorDistribution, ErrorWindow, error_distribution, error_window
from designspace.analysis.executor import IN_THIS_PROCESS, Executor
from designspace.analysis.final import FinalNetwork
from designspace.analysis.importance import SpaceImportance, parameter_importance
from designspace.analysis.noise import NoiseAnalysis, seed_noise
from designspace.analysis.normalized import NormalizedComparison, normalize
from designspace.analysis.parameters import parameter_columns
from designspace.analysis.powered import PoweredEstimate, Sample, mean_estimate
from designspace.analysis.powered_features import Drawn
from designspace.analysis.powered_study import Pools, mean_samples
from designspace.analysis.random_search import RandomSearchCurve, random_search_curve
from designspace.analysis.ranking import RankingAnalysis, rank_models
from designspace.analysis.references import ReferencePoint, reference_points
from designspace.analysis.results import (
    DESCRIPTION,
    StudyRuns,
    check_runs,
    count_statuses,
    finished_errors,
    sampled,
)
from designspace.analysis.sample_size import Separation, SubsampleCurve, separations, subsample_curve
from designspace.analysis.statistics import named_rng
from designspace.analysis.summary import Summary, summarize
from designspace.analysis.width_fit import (
    BlockWidths,
    Extremes,
    LineFit,
    MeanFit,
    WidthFits,
    block_widths,
    extremes,
    fit_line,
    fit_roundings,
    mean_fit,
)
from designspace.networks.architecture import FloatArray
from designspace.networks.complexity import METRICS

TOP = 20  # best networks whose widths are shown, as in figure 8 of the paper


@dataclass(frozen=True, eq=False)
class SpaceAnalysis:
    """What is known about one space; arrays and rows of `runs` are in the order of the model ids."""

    name: str
    runs: pd.DataFrame  # [n] the space's rows of the input
    edf: ErrorDistribution
    window: ErrorWindow  # of this space's errors
    summary: Summary  # of the trained models alone
    mean: PoweredEstimate  # of the mean error
    parameters: pd.DataFrame  # [n] parameters of every model, and e_fit (nearest)
    best_values: dict[str, BestValue]  # by column of `parameters`
    importance: SpaceImportance  # of the same columns
    search: RandomSearchCurve
    subsamples: SubsampleCurve
    nearest: WidthFits  # [n]
    floor: WidthFits  # [n]
    mean_e_fit: float  # over all n sampled networks (nearest)
    mean_fit: MeanFit  # the same with its interval
    extremes: Extremes  # the best and the worst networks
    top: tuple[BlockWidths, ...]  # the best models, at most TOP
    line: LineFit  # through the widths of those


@dataclass(frozen=True, eq=False)
class StudyAnalysis:
    """All spaces of a study, in alphabetical order (which is the order of refinement, A to E, RegNet)."""

    spaces: tuple[SpaceAnalysis, ...]
    window: ErrorWindow
    comparisons: tuple[Comparison, ...]  # every pair
    normalized: tuple[NormalizedComparison, ...]  # by flops, params and acts
    separations: tuple[Separation, ...]  # every pair
    costs: CostAnalysis
    ranking: RankingAnalysis
    noise: NoiseAnalysis
    references: tuple[ReferencePoint, ...]  # published networks, that of the lowest error first
    chance: AgainstChance | None  # of the models of all spaces
    seed: int
    untrained: int = 0  # networks that nobody trained, by which means are powered
    finals: tuple[FinalNetwork, ...] = ()  # networks that were trained properly


def analyze(
    study: StudyRuns | pd.DataFrame,
    *,
    seed: int = 0,
    pools: Pools | None = None,
    executor: Executor = IN_THIS_PROCESS,
) -> StudyAnalysis:
    """Analyse all spaces of a study, finished or not; also from the table of its runs alone.

    Reference networks among the rows enter no statistic of a space: they are no samples of it. The
    `executor` may share the work out among processes, see `fit_widths`; this changes no number. With
    `pools` means and their differences are powered where they can be.

    The numbers of a space depend on its own models and the seed alone, not on the order of the rows
    nor on the other spaces; those that compare spaces on those spaces, and powered means on all of the study.
    """
    if isinstance(study, pd.DataFrame):
        study = StudyRuns(study, pd.DataFrame(), pd.DataFrame())
    check_runs(study.runs)
    named = study.runs
    study = StudyRuns(sampled(study.runs), sampled(study.repeats), sampled(study.extended))
    described = study.runs.reindex(columns=list(dict.fromkeys([*study.runs, *DESCRIPTION])))
    runs = described.sort_values(["space", "model_id"], kind="stable", ignore_index=True)
    nearest, floor = fit_roundings(runs["depths"], runs["widths"], ["nearest", "floor"], executor=executor)
    by_name = {str(name): rows.reset_index(drop=True) for name, rows in runs.groupby("space")}
    samples = mean_samples(by_name, pools or {}, seed=seed)
    spaces = []
    for name in sorted(set(runs["space"])):
        rows = np.flatnonzero(runs["space"] == name)
        rng = named_rng(seed, str(name))
        spaces.append(
            _analyze_space(runs.iloc[rows], samples[str(name)], nearest.take(rows), floor.take(rows), rng=rng)
        )
    populations = {space.name: space.runs for space in spaces}
    return StudyAnalysis(
        spaces=tuple(spaces),
        window=error_window(finished_errors(runs)),
        comparisons=compare_all(populations, seed=seed, samples=samples),
        normalized=tuple(normalize(populations, by=by, rng=named_rng(seed, by)) for by in METRICS),
        separations=separations(populations),
        costs=compare_costs(runs, rng=named_rng(seed, "costs")),
        ranking=rank_models(runs, study.extended, rng=named_rng(seed, "ranking")),
        noise=seed_noise(runs, study.repeats, rng=named_rng(seed, "noise")),
        references=reference_points(named, populations),
        chance=against_chance(runs),
        seed=seed,
        untrained=sum(
            int(pool.counts.sum())
            for name, pool in (pools or {}).items()
            if isinstance(pool, Drawn) and name in samples and not samples[name].reason
        ),
    )


def _analyze_space(
    runs: pd.DataFrame, sample: Sample, nearest: WidthFits, floor: WidthFits, *, rng: np.random.Generator
) -> SpaceAnalysis:
    runs = runs.reset_index(drop=True)
    done = runs["status"] == "done"
    counts, errors = count_statuses(runs), finished_errors(runs)
    parameters = parameter_columns(runs).assign(e_fit=nearest.e_fit)
    top = runs[done].sort_values("error", kind="stable").head(TOP)
    name = str(runs["space"].iloc[0])
    return SpaceAnalysis(
        name=name,
        runs=runs,
        edf=error_distribution(errors, counts),
        window=error_window(errors),
        summary=summarize(errors, counts),
        mean=mean_estimate(sample),
        parameters=parameters,
        best_values=_best_values(parameters[done], errors),
        importance=parameter_importance(name, parameters, runs, rng=rng),
        search=random_search_curve(name, runs),
        subsamples=subsample_curve(name, runs, rng=rng),
        nearest=nearest,
        floor=floor,
        mean_e_fit=float(nearest.e_fit.mean()),
        mean_fit=mean_fit(name, nearest.e_fit),
        extremes=extremes(runs, nearest),
        top=tuple(block_widths(runs, nearest, int(row)) for row in np.asarray(top.index)),
        line=fit_line(top["depths"], top["widths"]),
    )


def _best_values(parameters: pd.DataFrame, errors: FloatArray) -> dict[str, BestValue]:
    """Of all parameters; one that some models lack is left out."""
    columns = {str(name): parameters[name].to_numpy(dtype=float) for name in parameters}
    return {
        name: best_value(values, errors) for name, values in columns.items() if not np.isnan(values).any()
    }
