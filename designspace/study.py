"""The stages of one space behind one call: sample, train, collect.

Each stage reads what the one before it wrote, and running one again continues where it stopped.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from designspace.config import RunConfig
from designspace.paths import SpaceFolder, make_writable_folder, study_folder
from designspace.spaces.load import load_space
from designspace.stages.collect import collect_runs
from designspace.stages.sample import (
    check_unchanged,
    exclusive,
    resolved_settings,
    sample_population,
    write_population,
)
from designspace.stages.train import plan_training, train


@dataclass(frozen=True)
class RunResult:
    """How the stages of one space ended."""

    folder: SpaceFolder
    counts: Counter[str]  # models by status, "missing" included
    stopped_after: str | None = None  # the stage that it was asked to stop after, if more were to come

    @property
    def complete(self) -> bool:
        """Whether every model has an error or has diverged."""
        return not (self.counts["failed"] or self.counts["missing"])


def run(config: RunConfig) -> RunResult:
    """Sample, train and collect one space; what is there already is kept.

    Raises:
        UserError: something in the configuration, the folder or the data cannot be used.
        RunError: the workers cannot be started.
    """
    space = load_space(config.space.source)
    folder = study_folder(config.output_root, config.study).space(space.name)
    settings = resolved_settings(config, space)
    check_unchanged(folder, settings)
    population = sample_population(config, space)
    models = population.to_frame()
    if config.plan:
        plan_training(config, space, folder, models)
        return RunResult(folder, Counter(missing=len(models)), "plan")
    make_writable_folder(folder.records)
    with exclusive(folder):
        write_population(folder, settings, models)
        if config.stop_after == "sample":
            return RunResult(folder, Counter(missing=len(models)), "sample")
        train(config, space, folder, models)
        runs = collect_runs(folder)
    counts = Counter(runs["status"][runs["model_id"].isin(models["model_id"])])
    left = config.launcher.name == "slurm" and not config.launcher.wait and counts["missing"]
    return RunResult(folder, counts, "submit" if left else None)
