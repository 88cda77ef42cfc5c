"""One record per model: what was trained, how it ended, and every attempt that it took.

A record is a small JSON file, written to a temporary name and renamed. The set of valid records is the
truth about a population: training skips models that have a final one, the analysis reads nothing else.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from operator import attrgetter
from pathlib import Path
from typing import Any

from designspace.files import replacing
from designspace.store.paths import SpaceFolder

SCHEMA = 1


class Kind(str, Enum):
    """Why an attempt at a model did not end with an error value."""

    EXCEPTION = "exception"  # the code raised
    OUT_OF_MEMORY = "out_of_memory"  # tried again with smaller micro-batches
    HANG = "hang"  # no step for launcher.hang_minutes; killed
    WORKER_DIED = "worker_died"  # the process was killed from outside, or the node lost
    DIVERGED = "diverged"  # a result, not tried again


class Status(str, Enum):
    """How a model ended. A diverged model is a result; a failed one may be tried again."""

    DONE = "done"
    DIVERGED = "diverged"
    FAILED = "failed"


@dataclass(frozen=True)
class Epoch:
    """One pass over the training images."""

    epoch: int  # from 1
    train_loss: float  # mean over the images of the epoch
    val_error: float | None  # top-1 percent on the validation split, after the epoch; None: not validated
    train_seconds: float
    val_seconds: float


@dataclass(frozen=True)
class Attempt:
    """One try at training a model."""

    status: Status
    kind: Kind | None  # None where done
    reason: str | None  # the same in words, on one line
    host: str
    started: str  # ISO 8601, UTC
    seconds: float
    traceback: str | None = None


@dataclass(frozen=True)
class Tested:
    """How the network of a final training does on the test split."""

    images: int
    error: float  # top-1 percent
    top5_error: float | None  # percent; None below 100 classes
    loss: float  # mean cross-entropy
    flip_error: float | None  # top-1 percent of the mean scores of image and mirror image, if asked for
    confusion: tuple[tuple[int, ...], ...] | None  # images by true class, then by predicted; None: too many
    weights_sha256: str  # of the file of weights that was tested


@dataclass(frozen=True)
class Record:
    """What `runs/<model_id>.json` holds."""

    model_id: str
    space: str
    status: Status
    seed: int  # of this model's weights, data order and augmentation
    error: float | None = None  # top-1 percent, validation split, last epoch; None unless done
    reason: str | None = None  # why there is no error
    balanced_error: float | None = None  # mean of the errors of the classes, of the same images
    chance: float | None = None  # error in percent of naming the largest class of that split every time
    val_images: int | None = None  # of that split
    epochs: int = 0  # planned
    history: tuple[Epoch, ...] = ()
    flops: int | None = None
    params: int | None = None
    acts: int | None = None
    train_seconds: float | None = None  # spent in training steps
    val_seconds: float | None = None
    images_per_second: float | None = None  # of training
    device: str | None = None
    processor: str | None = None  # model of the machine's CPU
    precision: str | None = None
    memory_format: str | None = None
    micro_batches: int = 1  # parts that each batch was split into to save memory
    versions: Mapping[str, str] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    test: Tested | None = None  # of a final training
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        validated = not self.history or self.history[-1].val_error is not None
        if (self.status is Status.DONE and validated) != (self.error is not None):
            raise ValueError(
                f"a record has an error exactly if it is done, but got {self.status}, {self.error}"
            )
        if self.error is not None and not 0 <= self.error <= 100:
            raise ValueError(f"error must be a percentage, but got {self.error}")

    @property
    def is_final(self) -> bool:
        """Whether there is nothing left to train."""
        return self.status is not Status.FAILED


class UnreadableRecordError(ValueError):
    """A file that is not a valid record of this schema; the message says why, on one line."""


class ForeignSchemaError(UnreadableRecordError):
    """A whole record, but of another schema: another version of this program can read it."""


def write_record(path: Path, record: Record) -> None:
    """Write atomically; an existing record is replaced as a whole."""
    text = record_text(record)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def record_text(record: Record) -> str:
    """What the file of a record holds."""
    content = asdict(record)
    content["checksum"] = _checksum(content)
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _checksum(content: dict[str, Any]) -> str:
    """SHA-256 over everything else in the record."""
    rest = {key: value for key, value in content.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def read_record(path: Path) -> Record:
    """Read and validate a record.

    Raises:
        FileNotFoundError: there is none.
        UnreadableRecordError: the file is torn, empty, not a record, or of another schema.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UnreadableRecordError(f"{path}: not a whole record: {error}") from None
    if not isinstance(content, dict) or "schema" not in content:
        raise UnreadableRecordError(f"{path}: not a record")
    if content.pop("checksum", None) != _checksum(content):
        raise UnreadableRecordError(f"{path}: has been changed since it was written (wrong checksum)")
    if content["schema"] != SCHEMA:
        raise ForeignSchemaError(
            f"{path}: schema {content['schema']!r}, but this version reads schema {SCHEMA}"
        )
    try:
        record = _parse(content)
    except (TypeError, ValueError, KeyError) as error:
        raise UnreadableRecordError(f"{path}: not a valid record: {' '.join(str(error).split())}") from None
    if record.model_id != path.stem:
        raise UnreadableRecordError(f"{path}: is the record of {record.model_id!r}")
    return record


def _parse(content: dict[str, Any]) -> Record:
    content["status"] = Status(content["status"])
    content["history"] = tuple(Epoch(**epoch) for epoch in content["history"])
    content["attempts"] = tuple(map(parse_attempt, content["attempts"]))
    if (test := content.get("test")) is not None:
        confusion = test["confusion"] and tuple(map(tuple, test["confusion"]))
        content["test"] = Tested(**{**test, "confusion": confusion})
    record = Record(**content)
    numbers = [
        record.error,
        record.balanced_error,
        record.train_seconds,
        *(e.val_error for e in record.history),
    ]
    if not all(n is None or (isinstance(n, int | float) and math.isfinite(n)) for n in numbers):
        raise ValueError("numbers must be finite")
    if not isinstance(record.model_id, str) or not isinstance(record.seed, int):
        raise TypeError("model_id must be text and seed a whole number")
    return record


def parse_attempt(content: dict[str, Any]) -> Attempt:
    """An attempt from its mapping in JSON. Raises TypeError, ValueError or KeyError where it is none."""
    kind = None if content["kind"] is None else Kind(content["kind"])
    return Attempt(**{**content, "status": Status(content["status"]), "kind": kind})


def valid_record(folder: SpaceFolder, model_id: str) -> Record | None:
    """The model's record; None where there is no valid one."""
    try:
        return read_record(folder.record(model_id))
    except (FileNotFoundError, UnreadableRecordError):
        return None


def final_record(folder: SpaceFolder, model_id: str) -> Record | None:
    """The model's record, if there is a valid one that leaves nothing to train."""
    record = valid_record(folder, model_id)
    return record if record is not None and record.is_final else None


def recorded_models(folder: SpaceFolder) -> set[str]:
    """Models that have a record, valid or not, by the names of the files alone."""
    try:
        names = os.listdir(folder.records)
    except FileNotFoundError:
        return set()
    return {name.removesuffix(".json") for name in names if name.endswith(".json")}


def read_records(folder: SpaceFolder, population: Container[str] | None) -> Iterator[Record | str]:
    """The records of the population's models (of any, where it is None), by name, one after the other.

    For a file that cannot be used there is one line instead, which names it; one that vanishes is left out.
    """
    try:
        with os.scandir(folder.records) as entries:
            files = sorted(
                (entry for entry in entries if entry.name.endswith(".json")), key=attrgetter("name")
            )
    except FileNotFoundError:
        return
    except OSError as error:
        yield f"{folder.records}: cannot be read: {error.strerror}"
        return
    for file in files:
        path = Path(file.path)
        try:
            if not file.is_file():
                yield f"{path}: not a file"  # reading a named pipe would wait for ever
                continue
            record = read_record(path)
        except FileNotFoundError:
            continue
        except UnreadableRecordError as error:
            yield str(error)
        except OSError as error:
            yield f"{path}: cannot be read: {error.strerror}"
        else:
            known = population is None or record.model_id in population
            yield record if known else f"{path}: not a model of this population"
