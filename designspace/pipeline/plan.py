"""What training the models that are left will take, and whether the limits allow it."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from dataclasses import replace

from designspace.config import RunConfig
from designspace.data.catalog import data_info
from designspace.errors import UserError
from designspace.launch.local import visible_gpus
from designspace.launch.pool import Pool
from designspace.store.paths import SpaceFolder
from designspace.training.cluster import models_per_task, task_workers
from designspace.training.messages import Final, Job, Model, Timing
from designspace.training.plan import Plan, guess_gpu_seconds
from designspace.training.progress import Waiting
from designspace.training.workers import open_workers

log = logging.getLogger(__name__)

TIMED_MODELS = 4


def spread(models: deque[Model], count: int) -> list[Model]:
    """Some of the models, spread evenly over the range of activations."""
    by_cost = sorted(models, key=lambda model: model.acts)
    return [by_cost[(2 * i + 1) * len(by_cost) // (2 * count)] for i in range(count)]


def timed_here(config: RunConfig, job: Job, models: deque[Model]) -> Plan:
    """The plan without an open pool: a cluster's GPUs cannot be asked, all else is timed on this machine."""
    launcher = config.launcher
    if launcher.on_cluster and launcher.gpus:
        return timed_on(None, config, models, job.final)
    if launcher.on_cluster:
        launcher = replace(launcher, name="local", workers=1)
    with open_workers(launcher, job) as pool:
        return timed_on(pool, config, models, job.final)


def timed_on(pool: Pool | None, config: RunConfig, models: deque[Model], final: Final | None = None) -> Plan:
    """What training the models will take: from timed steps on the pool, else from flops and activations."""
    settings, info = config.launcher, data_info(config.data)
    if final and "val" in final.splits:
        info = replace(info, num_train=info.num_train + info.num_val)
    images = info.images_per_epoch(config.train.batch_size, drop_last=config.train.drop_last)
    seconds: list[float] = []
    if pool is not None:
        timed = spread(models, TIMED_MODELS)
        deadline = time.monotonic() + 60 * settings.hang_minutes
        with Waiting(config.study) as waiting:
            workers = f"{pool.size} worker{'s' * (pool.size != 1)}"
            waiting.say(f"starting {workers}, loading images, timing {len(timed)} networks")
            outcomes = pool.run(
                deque(Timing(model.architecture) for model in timed), lambda item: time.monotonic() > deadline
            )
            seconds = [outcome.value for outcome in outcomes if outcome.failure is None]
    source = f"timed on {len(seconds)} of them"
    if not seconds:
        seconds = [guess_gpu_seconds(m.flops, m.acts, images * config.train.epochs) for m in models]
        source = "guessed from flops and activations"
    model_seconds = sum(seconds) / len(seconds)
    tasks, at_once = None, 1 if pool is None else pool.size
    gpus = min(1.0, len(visible_gpus()) / at_once)  # of one model
    if settings.on_cluster:
        in_task = models_per_task(settings, model_seconds, len(models))
        tasks, gpus = math.ceil(len(models) / in_task), settings.gpus / task_workers(settings)
        at_once = min(tasks, settings.array_parallelism) * min(in_task, task_workers(settings))
    return Plan(
        models=len(models),
        epochs=config.train.epochs,
        images=images,
        data=config.data.name,
        at_once=at_once,
        tasks=tasks,
        gpus=gpus,
        model_seconds=model_seconds,
        source=source,
        mean_params=sum(model.params for model in models) / len(models),
    )


def announce(config: RunConfig, folder: SpaceFolder, plan: Plan) -> None:
    """Say what will run, and stop if that is more than is allowed."""
    for line in str(plan).splitlines():
        log.info("%s: %s", folder.label, line)
    limit = config.limits.gpu_hours
    if limit is not None and plan.gpu_hours > limit:
        raise UserError(f"limits.gpu_hours={limit:g}: this run would take about {plan.gpu_hours:,.1f}")
