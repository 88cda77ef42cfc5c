"""How far a study is, from its files alone: safe at any time, on any machine, and nothing is written.

The counts of a space add up to its models:

    done, diverged   finished: by its record or, where there is none, by a row of runs.parquet
    running          not finished, and a live claim says that a worker is at it
    failed           the last attempt failed, and nobody is at it now; may be tried again
    waiting          all others
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd

from designspace.errors import UserError
from designspace.store.claims import is_void
from designspace.store.paths import SpaceFolder, StudyFolder
from designspace.store.records import Kind, Record, Status, read_records
from designspace.store.tables import read_archive, read_models

HOUR = 3600.0


@dataclass(frozen=True)
class FailureGroup:
    """Models whose last attempt ended without an error value for the same reason, diverged ones included."""

    kind: str  # a records.Kind, "unknown" where no attempt is recorded
    reason: str
    count: int
    record: str | None  # path of one of their records, which holds the traceback; None: only runs.parquet


@dataclass(frozen=True)
class SpaceStatus:
    """One space of the study."""

    space: str  # with the rerun, if it is one
    models: int  # in the population
    done: int
    diverged: int
    failed: int
    running: int
    waiting: int
    best_error: float | None  # percent, of the models done
    mean_seconds: float | None  # of training and validation, mean over the models done
    models_per_hour: float | None  # finished models
    rate_over: str | None  # what that rate is taken over: last_hour or whole_run
    seconds_left: float | None  # until running and waiting models are finished; None: nothing runs, no rate
    failures: tuple[FailureGroup, ...]  # the most frequent first
    unreadable: tuple[str, ...]  # one line for each file that cannot be used, beginning with its path


@dataclass(frozen=True)
class StudyStatus:
    """A study at a glance."""

    study: str
    folder: str
    time: str  # ISO 8601, UTC
    spaces: tuple[SpaceStatus, ...]


def study_status(folder: StudyFolder) -> StudyStatus:
    """Look at all spaces of a study."""
    now = time.time()
    return StudyStatus(
        study=folder.name,
        folder=str(folder.root),
        time=datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="seconds"),
        spaces=tuple(
            _space_status(run, now)
            for space in folder.spaces()
            for run in (space, *space.repeats().values(), *space.extended().values())
        ),
    )


def to_json(status: StudyStatus) -> str:
    """One JSON object; its keys are the fields of the classes above, and None is null."""
    return json.dumps(asdict(status), indent=1, allow_nan=False)


@dataclass(frozen=True, slots=True)
class _End:
    """How the last attempt at a model ended: what the status needs of its record, which is much larger."""

    status: Status
    error: float | None = None
    seconds: float | None = None  # of training and validation
    span: tuple[float, float] | None = None  # begin and end of the last attempt, seconds since 1970
    kind: str = "unknown"
    reason: str = ""
    record: str | None = None  # its path, unless done


def _space_status(folder: SpaceFolder, now: float) -> SpaceStatus:
    unreadable: list[str] = []
    models = _read(read_models, folder, unreadable)
    population = None if models is None else set(models["model_id"])
    claimed = _claimed(folder, unreadable)  # before the records: a model that ends meanwhile is finished
    ends: dict[str, _End] = {}
    for found in read_records(folder, population):
        if isinstance(found, Record):
            ends[found.model_id] = _end(found, folder)
        else:
            unreadable.append(found)
    archive = _read(read_archive, folder, unreadable)
    if archive is not None:
        ends = {**dict(_archived(archive)), **ends}
    if population is None:  # what can be seen of it
        population = ends.keys() | claimed
    ends = {model_id: end for model_id, end in ends.items() if model_id in population}

    final = {model_id for model_id, end in ends.items() if end.status is not Status.FAILED}
    running = len((claimed & population) - final)
    failed = len(ends.keys() - final - claimed)
    waiting = len(population) - len(final) - running - failed
    counts = Counter(end.status for end in ends.values())
    done = [end for end in ends.values() if end.status is Status.DONE]
    seconds = [end.seconds for end in done if end.seconds is not None]
    spans = [ends[model_id].span for model_id in final]
    rate, over = _rate([span for span in spans if span is not None], now, at_work=running > 0)
    return SpaceStatus(
        space=folder.label,
        models=len(population),
        done=counts[Status.DONE],
        diverged=counts[Status.DIVERGED],
        failed=failed,
        running=running,
        waiting=waiting,
        best_error=min((end.error for end in done if end.error is not None), default=None),
        mean_seconds=sum(seconds) / len(seconds) if seconds else None,
        models_per_hour=rate,
        rate_over=over,
        seconds_left=(running + waiting) / rate * HOUR if rate and running else None,
        failures=_groups(ends.values()),
        unreadable=tuple(unreadable),
    )


def _read(
    read: Callable[[SpaceFolder], pd.DataFrame], folder: SpaceFolder, unreadable: list[str]
) -> pd.DataFrame | None:
    try:
        return read(folder)
    except UserError as error:
        unreadable.append(str(error))
        return None


def _claimed(folder: SpaceFolder, unreadable: list[str]) -> set[str]:
    """The models that a worker is at."""
    claimed = set()
    for path in folder.records.glob("*.claim"):
        try:
            if not is_void(path, age=_age_seconds):
                claimed.add(path.stem)
        except FileNotFoundError:
            continue
        except OSError as error:
            unreadable.append(f"{path}: cannot be read: {error.strerror}")
    return claimed


def _age_seconds(path: Path) -> float:
    """By this machine's clock: asking the file system for its own would mean to write."""
    return time.time() - path.stat().st_mtime


def _end(record: Record, folder: SpaceFolder) -> _End:
    last = record.attempts[-1] if record.attempts else None
    if record.status is Status.DONE:
        rest = {}
    else:
        rest = {
            "kind": last.kind.value if last and last.kind else "unknown",
            "reason": str((last and last.reason) or record.reason or ""),
            "record": str(folder.record(record.model_id)),
        }
    return _End(
        status=record.status,
        error=record.error,
        seconds=_sum(record.train_seconds, record.val_seconds),
        span=_span(last.started, last.seconds) if last else None,
        **rest,
    )


def _archived(archive: pd.DataFrame) -> Iterator[tuple[str, _End]]:
    """What a collected table knows of the models that are finished."""
    columns = ("model_id", "status", "error", "reason", "train_seconds", "val_seconds")
    for row in archive.reindex(columns=list(columns)).to_dict("records"):
        status = Status(row["status"])
        reason = row["reason"]
        yield (
            str(row["model_id"]),
            _End(
                status=status,
                error=_sum(row["error"]),
                seconds=_sum(row["train_seconds"], row["val_seconds"]),
                kind=Kind.DIVERGED.value,
                reason=reason if isinstance(reason, str) else "",
            ),
        )


def _sum(*numbers: object) -> float | None:
    """The sum of the numbers; None where there is none, or not a finite one, among them."""
    known = [n for n in numbers if isinstance(n, int | float) and math.isfinite(n)]
    return float(sum(known)) if len(known) == len(numbers) else None


def _span(started: str, seconds: float) -> tuple[float, float] | None:
    """Begin and end of an attempt; None where its record holds no times."""
    try:
        begin = datetime.fromisoformat(started)
        length = _sum(seconds)
    except (TypeError, ValueError):
        return None
    if length is None:
        return None
    if begin.tzinfo is None:
        begin = begin.replace(tzinfo=timezone.utc)
    return begin.timestamp(), begin.timestamp() + length


def _rate(
    spans: list[tuple[float, float]], now: float, at_work: bool
) -> tuple[float, str] | tuple[None, None]:
    """Models an hour, and over what: those that ended in the last hour, or else all of them.

    Time counts from the first begin, so that a run of ten minutes is not taken for an hour, up to now or,
    where nobody is at work, to the last end.
    """
    recent = [span for span in spans if span[1] > now - HOUR]
    chosen = recent or spans
    if not chosen:
        return None, None
    seconds = max(end for _, end in chosen) - min(begin for begin, _ in chosen)
    if recent:
        if at_work:
            seconds = max(seconds, now - min(begin for begin, _ in recent))
        seconds = min(seconds, HOUR)
    if seconds <= 0:
        return None, None
    return len(chosen) / seconds * HOUR, "last_hour" if recent else "whole_run"


def _groups(ends: Iterable[_End]) -> tuple[FailureGroup, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    records: dict[tuple[str, str], str] = {}
    for end in ends:
        if end.status is not Status.DONE:
            counts[end.kind, end.reason] += 1
            if end.record is not None:
                records.setdefault((end.kind, end.reason), end.record)
    return tuple(
        FailureGroup(kind, reason, count, records.get((kind, reason)))
        for (kind, reason), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )
