"""Train the models of a population on a pool of workers: what becomes of those that fail.

The same on one machine and inside every task of a cluster. Each attempt is in the model's record; the policy:

    exception, worker died, hang     tried again, up to max_retries times over all runs
    out of memory                    tried again by the worker itself, with smaller micro-batches
    diverged                         a result
    the same exception, abort_after models in a row without one that ended well: a bug, the run stops
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from designspace.errors import RunError
from designspace.files import host_name
from designspace.launch.pool import Failure, Outcome, Pool
from designspace.launch.settings import LauncherSettings
from designspace.store.paths import SpaceFolder
from designspace.store.records import Attempt, Kind, Record, Status, final_record, write_record
from designspace.store.versions import versions
from designspace.training.messages import Model, last_record


@dataclass(frozen=True)
class Event:
    """What happened to a model."""

    model: Model
    record: Record | None = None  # it ended
    retried: Failure | None = None  # it will be tried again
    failed: Failure | None = None  # it will not

    def __str__(self) -> str:
        if self.record is not None:
            error = "" if self.record.error is None else f", error {self.record.error:.2f} %"
            return f"{self.record.status.value}{error}"
        if self.retried is not None:
            return f"will be retried: {self.retried.reason}"
        return f"failed: {self.failed.reason}" if self.failed is not None else "unknown"


def train_on_pool(
    pool: Pool, queue: deque[Model], folder: SpaceFolder, settings: LauncherSettings
) -> Iterator[Event]:
    """Work off the queue. Records are written by the workers, those of failed models here.

    Raises:
        RunError: too many models failed for the same reason.
    """
    same_failures: Counter[str] = Counter()
    watch = _Watch(folder, 60 * settings.hang_minutes)
    for outcome in pool.run(queue, watch.stuck):
        model, failure = outcome.item, outcome.failure
        if failure is None:
            same_failures.clear()
            yield Event(model, record=outcome.value)
            continue
        if failure.error == "ClaimedError":
            continue  # another worker is at it, and will write its record
        record = last_record(folder, model)
        if record is not None:  # the worker died between its record and its answer
            yield Event(model, record=record)
            continue
        model = record_failure(folder, model, outcome, failure)
        if failure.traceback is not None:
            same_failures[failure.traceback] += 1
            if same_failures[failure.traceback] >= settings.abort_after:
                raise RunError(
                    f"stopped after {settings.abort_after} equal failures (launcher.abort_after): "
                    f"{failure.reason}; fix the cause and run the same command again\n{failure.traceback}"
                )
        if len(model.earlier) <= settings.max_retries:
            queue.append(model)  # the pool takes it up again
            yield Event(model, retried=failure)
        else:
            yield Event(model, failed=failure)


class _Watch:
    """Tells which models make no steps, by the claims that their workers touch.

    Only whether a claim has changed since the last look counts, so that no clock can make it look old.
    """

    def __init__(self, folder: SpaceFolder, seconds: float) -> None:
        self._folder, self._seconds = folder, seconds
        self._seen: dict[str, tuple[float | None, float]] = {}  # the claim's time stamp, and since when

    def stuck(self, model: Model) -> bool:
        """Whether the model's claim (or its absence) has been the same for too long."""
        try:
            touched = self._folder.claim(model.model_id).stat().st_mtime
        except FileNotFoundError:
            touched = None
        now = time.monotonic()
        before, since = self._seen.get(model.model_id, (touched, now))
        if touched == before and now - since > self._seconds:
            del self._seen[model.model_id]
            return True
        self._seen[model.model_id] = (touched, since if touched == before else now)
        return False


def record_failure(folder: SpaceFolder, model: Model, outcome: Outcome, failure: Failure) -> Model:
    """Write the failed attempt; returns the model with that attempt added to its earlier ones."""
    attempt = Attempt(
        status=Status.FAILED,
        kind=Kind(failure.kind),
        reason=failure.reason,
        host=host_name(),
        started=outcome.started.isoformat(timespec="seconds"),
        seconds=round(outcome.seconds, 3),
        traceback=failure.traceback,
    )
    model = replace(model, earlier=(*model.earlier, attempt))
    failed = Record(
        model_id=model.model_id,
        space=folder.name,
        status=Status.FAILED,
        seed=model.seed,
        reason=failure.reason,
        flops=model.flops,
        params=model.params,
        acts=model.acts,
        versions=versions(),
        attempts=model.earlier,
    )
    trained = final_record(folder, model.model_id)  # where its test failed
    record = failed if trained is None else replace(trained, attempts=(*trained.attempts, attempt))
    write_record(folder.record(model.model_id), record)
    return model
