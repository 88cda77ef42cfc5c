"""Train the models of a population in tasks of a cluster; only the records count.

The driver submits tasks, each with a part of the models, and looks at records and queue. A model without a
final record that no task in the queue has is submitted again: after a lost task, a cancelled one, a failed
start, whatever the cluster calls it. A task that is told to stop checkpoints its models and is requeued.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from designspace.errors import RunError
from designspace.launch.pool import Failure, Outcome, ProcessPool
from designspace.launch.queue import Queue
from designspace.launch.settings import AUTO, LauncherSettings
from designspace.store.claims import is_void
from designspace.store.paths import SpaceFolder
from designspace.store.records import recorded_models, valid_record
from designspace.training.messages import Job, Model, last_record
from designspace.training.retries import Event, record_failure, train_on_pool
from designspace.training.workers import open_workers

log = logging.getLogger(__name__)

FRUITLESS = 3  # submissions in a row without a result or a recorded attempt, before the run is stopped
INTERRUPT_MARGIN_S = 5  # kept for requeueing, of the time between signal and kill


class ClusterTask:
    """One task: trains its models on the workers of its node. It is pickled."""

    def __init__(self, job: Job, models: Sequence[Model], settings: LauncherSettings) -> None:
        self._job, self._models, self._settings = job, tuple(models), settings
        self._pool: ProcessPool | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None}

    def __call__(self) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        folder = self._job.folder
        queue = deque(self._open(folder))
        with open_workers(self._local(), self._job) as pool:
            assert isinstance(pool, ProcessPool)
            self._pool = pool
            for event in train_on_pool(pool, queue, folder, self._settings):
                log.info("%s: %s", event.model.model_id, event)

    def stop(self) -> None:
        """Stop the workers at a checkpoint: the task will be started again."""
        if self._pool is not None:
            self._pool.interrupt(timeout=self._settings.signal_delay_s - INTERRUPT_MARGIN_S)

    def _open(self, folder: SpaceFolder) -> Iterator[Model]:
        """The models that are left to train, with their attempts so far: the task may have run before."""
        for model in self._models:
            if last_record(folder, model) is None:
                model = _with_attempts(folder, model)
                if len(model.earlier) <= self._settings.max_retries:
                    yield model

    def _local(self) -> LauncherSettings:
        auto = self._settings.workers == AUTO
        return replace(self._settings, name="local", workers=AUTO if auto else task_workers(self._settings))


@dataclass
class Cluster:
    """The driver's view of one population."""

    job: Job
    settings: LauncherSettings
    folder: SpaceFolder
    queue: Queue

    def train(self, models: Sequence[Model], models_per_task: int) -> Iterator[Event]:
        """Submit, wait and submit again until every model has ended; gives the ends as they are seen.

        With `wait=False` it ends after the first poll and submission.

        Raises:
            RunError: many models fail in the same way, or tasks end again and again without a result; with
                `wait=False`, the cluster did not take all of them.
        """
        waiting = {model.model_id: model for model in models}
        absent = waiting.keys() | set()  # open models that no task had at the last poll
        fruitless = 0
        while True:
            live = self.queue.live_keys()
            recorded = recorded_models(self.folder)  # one listing, not a question for every model that waits
            candidates = [model for key, model in waiting.items() if key in recorded]
            ended = [event for model in candidates if (event := self._ended(model)) is not None]
            for event in ended:
                del waiting[event.model.model_id]
                yield event
            self._stop_if_all_fail(ended)
            fruitless = 0 if ended else fruitless
            if not waiting:
                return
            idle = set() if live is None else waiting.keys() - live
            settled = idle & absent  # a task may leave the queue before its records appear
            absent = idle - settled
            lost = self._lost([model for key, model in waiting.items() if key in settled])
            if any(len(model.earlier) > len(waiting[model.model_id].earlier) for model in lost):
                fruitless = 0  # attempts are counted, so this ends
            waiting.update({model.model_id: model for model in lost})
            again = [m for m in lost if len(m.earlier) <= self.settings.max_retries]
            if again:
                if fruitless == FRUITLESS:
                    raise RunError(self._explain(again[0]))
                fruitless += self._submit(again, models_per_task) > 0
            if not self.settings.wait:
                self._stop_unless_submitted(waiting.keys())
                return
            time.sleep(self.settings.poll_seconds)

    def _submit(self, models: Sequence[Model], models_per_task: int) -> int:
        """Submit the models; returns how many tasks the cluster took."""
        parts = [models[i : i + models_per_task] for i in range(0, len(models), models_per_task)]
        tasks = [
            ([model.model_id for model in part], ClusterTask(self.job, part, self.settings)) for part in parts
        ]
        taken = self.queue.submit(tasks)
        if taken:
            covered = sum(len(keys) for keys, _ in tasks[:taken])
            log.info("%s: submitted %d tasks for %d models", self.folder.label, taken, covered)
        return taken

    def _explain(self, model: Model) -> str:
        """Why nothing goes on, from the log and the last attempt of one of the models."""
        attempts = _with_attempts(self.folder, model).earlier
        traceback = attempts[-1].traceback if attempts else None
        text = f"{FRUITLESS} submissions in a row ended without a finished model"
        return f"{text}; see {self.queue.log_of(model.model_id)}\n{traceback or ''}".rstrip()

    def _ended(self, model: Model) -> Event | None:
        """What became of a model, if its record is final or its attempts are used up."""
        record = valid_record(self.folder, model.model_id)
        if record is None:
            return None
        if model.is_through(record):
            return Event(model, record=record)
        if record.is_final or len(record.attempts) <= self.settings.max_retries:
            return None
        last = record.attempts[-1]
        return Event(model, failed=Failure(str(last.kind), last.reason or "", traceback=last.traceback))

    def _lost(self, models: Sequence[Model]) -> list[Model]:
        """Models whose task is over; for those that were being trained, the lost attempt is recorded.

        Those whose claim may still be held are left out, as they could not be trained by another task.
        """
        found = []
        for model in models:
            model = _with_attempts(self.folder, model)
            claim = self.folder.claim(model.model_id)
            if claim.exists():
                if not is_void(claim) or last_record(self.folder, model) is not None:
                    continue
                claim.unlink(missing_ok=True)
                failure = Failure("worker_died", f"its task ended; see {self.queue.log_of(model.model_id)}")
                outcome = Outcome(model, datetime.now(timezone.utc), 0.0, failure=failure)
                model = record_failure(self.folder, model, outcome, failure)
            found.append(model)
        return found

    def _stop_unless_submitted(self, waiting: Set[str]) -> None:
        if self.queue.refusal is None:
            return
        live = self.queue.live_keys()
        left = "perhaps all" if live is None else len(waiting - live)
        raise RunError(
            f"launcher.wait=false: {left} of {len(waiting)} models are not submitted: {self.queue.refusal}; "
            "run the same command again"
        )

    def _stop_if_all_fail(self, ended: Sequence[Event]) -> None:
        same = Counter(e.failed.traceback for e in ended if e.failed is not None and e.failed.traceback)
        for traceback, count in same.items():
            if count * (self.settings.max_retries + 1) >= self.settings.abort_after and count == len(ended):
                self.queue.cancel()
                raise RunError(
                    f"stopped: {count} models failed in the same way; the jobs are cancelled\n{traceback}"
                )


def models_per_task(settings: LauncherSettings, model_seconds: float, models: int) -> int:
    """So many models that a task lasts `task_minutes`, all of them where that takes less."""
    if settings.models_per_task is not None:
        return settings.models_per_task
    long_enough = math.ceil(60 * settings.task_minutes * task_workers(settings) / model_seconds)
    return max(1, min(long_enough, models))


def task_workers(settings: LauncherSettings) -> int:
    """Models that a task trains at the same time (with auto: about)."""
    return settings.workers_on(settings.cpus, settings.gpus)


def _with_attempts(folder: SpaceFolder, model: Model) -> Model:
    """The model with the failed attempts of its record, if it has one."""
    record = valid_record(folder, model.model_id)
    return model if record is None or model.is_through(record) else replace(model, earlier=record.attempts)
