"""Step 2: models.parquet -> runs/<model_id>.json, on this machine or on a cluster."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from designspace.config import RunConfig
from designspace.data.found import DataFound
from designspace.launch.queue import open_queue
from designspace.pipeline.pending import pending_models, tidy
from designspace.pipeline.plan import announce, spread, timed_here, timed_on
from designspace.store.claims import epochs_in_work
from designspace.store.paths import SpaceFolder
from designspace.training.auto import asked, read_choice
from designspace.training.cluster import Cluster, models_per_task
from designspace.training.messages import Final, Job, Model
from designspace.training.plan import Plan
from designspace.training.progress import Progress
from designspace.training.retries import Event, train_on_pool
from designspace.training.workers import open_workers

log = logging.getLogger(__name__)

TIMED_TO_CHOOSE = 2  # models, for settings that are `auto`


def train_population(
    config: RunConfig,
    folder: SpaceFolder,
    models: Sequence[Model],
    found: DataFound | None = None,
    final: Final | None = None,
) -> None:
    """Train every model that has no final record, on the configured workers.

    `found` says which images there were when the run began; workers refuse others.

    Raises:
        UserError: the run would take more than `limits` allow, or cannot be submitted.
        RunError: workers or tasks keep failing in the same way.
    """
    tidy(folder)
    pending = pending_models(config, folder, models)
    if not pending.models:
        return
    found = found and replace(found, listing=None)
    job = replace(_job(config, folder, pending.models), found=found, final=final)
    try:
        with (
            _training(config, job, pending.models) as events,
            Progress(
                folder.label,
                total=len(pending.models),
                best=pending.best,
                epochs=config.train.epochs,
                in_work=partial(epochs_in_work, folder.records),
            ) as progress,
        ):
            for event in events:
                progress.show(event)
    finally:
        tidy(folder)


def plan_training(
    config: RunConfig, folder: SpaceFolder, models: Sequence[Model], final: Final | None = None
) -> Plan | None:
    """Say what training would take; nothing is written. None where nothing is left to train.

    Raises:
        UserError: `limits` would stop it.
    """
    left = pending_models(config, folder, models).models
    if not left:
        return None
    plan = timed_here(config, replace(_job(config, folder, left), choice=None, final=final), left)
    announce(config, folder, plan)
    return plan


@contextmanager
def _training(config: RunConfig, job: Job, models: deque[Model]) -> Iterator[Iterator[Event]]:
    """Say what training the models will take, and begin; gives what happens to them, as it happens."""
    folder, settings = job.folder, config.launcher
    if settings.on_cluster:
        plan = timed_here(config, job, models)
        announce(config, folder, plan)
        cluster = Cluster(job, settings, folder, open_queue(folder.jobs, settings))
        yield cluster.train(models, models_per_task(settings, plan.model_seconds, len(models)))
        return
    with open_workers(settings, job) as pool:
        announce(config, folder, timed_on(pool, config, models, job.final))
        _announce_choice(config, folder)
        yield train_on_pool(pool, models, folder, settings)


def _job(config: RunConfig, folder: SpaceFolder, models: deque[Model]) -> Job:
    return Job(
        folder=folder,
        data=config.data,
        network=config.network,
        train=config.train,
        resolution=config.budget.resolution,
        threads=config.launcher.threads,
        checkpoint_minutes=config.launcher.checkpoint_minutes,
        samples=tuple(model.architecture for model in spread(models, TIMED_TO_CHOOSE)),
        choice=folder.study.choice(asked(config.train)),
    )


def _announce_choice(config: RunConfig, folder: SpaceFolder) -> None:
    """Say what the workers have chosen where a setting is `auto`."""
    names = asked(config.train)
    choice = read_choice(folder.study.choice(names), config.train) if names else None
    if choice is not None:
        log.info("%s: %s, as in %s", folder.label, choice, folder.study.choice(names))
