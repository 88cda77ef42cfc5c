"""Step 2: models.parquet -> runs/<model_id>.json, on this machine or on a cluster."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from dataclasses import dataclass, replace

import pandas as pd

from designspace.config import RunConfig
from designspace.data.catalog import data_info
from designspace.data.found import DataFound
from designspace.errors import UserError
from designspace.launch.local import visible_gpus
from designspace.launch.pool import Pool
from designspace.launch.slurm import Slurm
from designspace.networks.architecture import Architectures
from designspace.store.claims import is_void
from designspace.store.paths import SpaceFolder, remove_leftovers
from designspace.store.records import (
    ForeignSchemaError,
    Record,
    UnreadableRecordError,
    archived_errors,
    final_record,
    read_record,
)
from designspace.training.auto import asked, read_choice
from designspace.training.cluster import Cluster, models_per_task, task_workers
from designspace.training.messages import Job, Model, Timing, training_seed
from designspace.training.plan import Plan, guess_gpu_seconds
from designspace.training.progress import Progress
from designspace.training.retries import train_population
from designspace.training.workers import open_workers

log = logging.getLogger(__name__)

TIMED_MODELS = 4  # for the estimate
TIMED_TO_CHOOSE = 2  # for settings that are `auto`


def train(
    config: RunConfig, folder: SpaceFolder, models: pd.DataFrame, found: DataFound | None = None
) -> None:
    """Train every model that has no final record, on the configured workers; the folder decides the seeds.

    `found` says which images there were when the run began; workers refuse others.

    Raises:
        UserError: the run would take more than `limits` allow, or cannot be submitted.
        RunError: workers or tasks keep failing in the same way.
    """
    _tidy(folder)
    pending = _pending(config, folder, models)
    queue, best = pending.queue, pending.best_error
    if not queue:
        return
    job = replace(_job(config, folder, queue), found=found and replace(found, listing=None))
    try:
        if config.launcher.name == "slurm":
            plan = _plan_first(config, job, queue)
            _announce(config, folder, plan)
            in_task = models_per_task(config.launcher, plan.model_seconds, len(queue))
            cluster = Cluster(job, config.launcher, folder, Slurm(folder.jobs, config.launcher))
            with Progress(folder.label, total=len(queue), best=best) as progress:
                for event in cluster.train(queue, in_task):
                    if event is not None:
                        progress.show(event)
        else:
            with open_workers(config.launcher, job) as pool:
                _announce(config, folder, _plan(config, queue, pool))
                _announce_choice(config, folder)
                with Progress(folder.label, total=len(queue), best=best) as progress:
                    for event in train_population(pool, queue, folder, config.launcher):
                        progress.show(event)
    finally:
        _tidy(folder)


def plan_training(config: RunConfig, folder: SpaceFolder, models: pd.DataFrame) -> None:
    """Say what `train` would take; nothing is written. Raises UserError where `limits` would stop it."""
    queue = _pending(config, folder, models).queue
    if queue:
        job = replace(_job(config, folder, queue), choice=None)
        _announce(config, folder, _plan_first(config, job, queue))


def _job(config: RunConfig, folder: SpaceFolder, queue: deque[Model]) -> Job:
    return Job(
        folder=folder,
        data=config.data,
        network=config.network,
        train=config.train,
        resolution=config.budget.resolution,
        threads=config.launcher.threads,
        checkpoint_minutes=config.launcher.checkpoint_minutes,
        samples=tuple(model.architecture for model in _spread(queue, TIMED_TO_CHOOSE)),
        choice=folder.study.choice(asked(config.train)),
    )


def _spread(queue: deque[Model], count: int) -> list[Model]:
    """Some of the models, spread evenly over the range of activations."""
    by_cost = sorted(queue, key=lambda model: model.acts)
    return [by_cost[(2 * i + 1) * len(by_cost) // (2 * count)] for i in range(count)]


def _plan_first(config: RunConfig, job: Job, queue: deque[Model]) -> Plan:
    """The plan without an open pool: a cluster's GPUs cannot be asked, all else is timed on this machine."""
    if config.launcher.name == "slurm" and config.launcher.gpus:
        return _plan(config, queue, None)
    launcher = config.launcher
    if launcher.name == "slurm":
        launcher = replace(launcher, name="local", workers=1)
    with open_workers(launcher, job) as pool:
        return _plan(config, queue, pool)


def _tidy(folder: SpaceFolder) -> None:
    """Remove what killed processes left: temporary files, void claims, checkpoints of finished models."""
    for place in (folder.study.root, folder.root, folder.records):
        remove_leftovers(place)
    for claim in folder.records.glob("*.claim"):
        if is_void(claim):
            claim.unlink(missing_ok=True)
    for checkpoint in folder.records.glob("*.checkpoint"):
        if final_record(folder, checkpoint.stem) is not None:
            checkpoint.unlink(missing_ok=True)


def _plan(config: RunConfig, queue: deque[Model], pool: Pool | None) -> Plan:
    """What training the queue will take: from timed steps on the pool, else from flops and activations."""
    settings, info = config.launcher, data_info(config.data)
    images = info.num_train // config.train.batch_size * config.train.batch_size
    seconds: list[float] = []
    if pool is not None:
        timed = _spread(queue, TIMED_MODELS)
        deadline = time.monotonic() + 60 * settings.hang_minutes
        outcomes = pool.run(
            deque(Timing(model.architecture) for model in timed), lambda item: time.monotonic() > deadline
        )
        seconds = [outcome.value for outcome in outcomes if outcome.failure is None]
    source = f"timed on {len(seconds)} of them"
    if not seconds:
        seconds = [guess_gpu_seconds(m.flops, m.acts, images * config.train.epochs) for m in queue]
        source = "guessed from flops and activations"
    model_seconds = sum(seconds) / len(seconds)
    tasks, at_once = None, 1 if pool is None else pool.size
    gpus = min(1.0, len(visible_gpus()) / at_once)  # of one model
    if settings.name == "slurm":
        in_task = models_per_task(settings, model_seconds, len(queue))
        tasks, gpus = math.ceil(len(queue) / in_task), settings.gpus / task_workers(settings)
        at_once = min(tasks, settings.array_parallelism) * min(in_task, task_workers(settings))
    return Plan(
        models=len(queue),
        epochs=config.train.epochs,
        images=images,
        data=config.data.name,
        at_once=at_once,
        tasks=tasks,
        gpus=gpus,
        model_seconds=model_seconds,
        source=source,
        mean_params=sum(model.params for model in queue) / len(queue),
    )


def _announce(config: RunConfig, folder: SpaceFolder, plan: Plan) -> None:
    """Say what will run, and stop if that is more than is allowed."""
    for line in str(plan).splitlines():
        log.info("%s: %s", folder.label, line)
    limit = config.limits.gpu_hours
    if limit is not None and plan.gpu_hours > limit:
        raise UserError(f"limits.gpu_hours={limit:g}: this run would take about {plan.gpu_hours:,.1f}")


def _announce_choice(config: RunConfig, folder: SpaceFolder) -> None:
    """Say what the workers have chosen where a setting is `auto`."""
    names = asked(config.train)
    choice = read_choice(folder.study.choice(names), config.train) if names else None
    if choice is not None:
        log.info("%s: %s, as in %s", folder.label, choice, folder.study.choice(names))


@dataclass(frozen=True)
class _Pending:
    """What is left of a population."""

    queue: deque[Model]
    best_error: float | None  # of the models that are finished, in percent


def _pending(config: RunConfig, folder: SpaceFolder, models: pd.DataFrame) -> _Pending:
    """The models that still have to be trained, in the order of the population."""
    networks = Architectures.from_frame(models)
    pending: deque[Model] = deque()
    finished = exhausted = 0
    archived, errors = archived_errors(folder), []
    for i, row in enumerate(models.to_dict("records")):
        model_id = row["model_id"]
        record = _existing(folder, model_id)
        if (record is not None and record.is_final) or (record is None and model_id in archived):
            finished += 1
            errors.append(archived[model_id] if record is None else record.error)
        elif record is not None and len(record.attempts) > config.launcher.max_retries:
            exhausted += 1
        else:
            pending.append(
                Model(
                    model_id=model_id,
                    architecture=networks[i],
                    seed=training_seed(config.seed, model_id, folder.repeat),
                    flops=row["flops"],
                    params=row["params"],
                    acts=row["acts"],
                    earlier=record.attempts if record is not None else (),
                )
            )
    if finished:
        log.info("%s: %d of %d models are finished already", folder.label, finished, len(models))
    if exhausted:
        log.warning(
            "%s: %d models failed %d times and are left out; launcher.max_retries=%d tries them again",
            folder.label, exhausted, config.launcher.max_retries + 1, config.launcher.max_retries + 1,
        )  # fmt: skip
    return _Pending(pending, min((e for e in errors if e is not None and not math.isnan(e)), default=None))


def _existing(folder: SpaceFolder, model_id: str) -> Record | None:
    """The model's record; a file that is none is set aside with a warning, so that nothing is lost."""
    path = folder.record(model_id)
    try:
        return read_record(path)
    except FileNotFoundError:
        return None
    except ForeignSchemaError as error:
        raise UserError(f"{error}; use the version that wrote it, or another study") from None
    except UnreadableRecordError as error:
        aside = path.with_suffix(".unreadable")
        path.replace(aside)
        log.warning("%s; kept as %s, the model is trained again", error, aside.name)
        return None
