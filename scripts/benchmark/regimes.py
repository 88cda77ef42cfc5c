"""On what, and for how long, must networks be trained for their errors to rank them? Candidates side by side.

    nice -n 19 python scripts/benchmark/regimes.py --cifar10 cifar10.npz --hours 3  # goes on where it stopped
    python scripts/benchmark/regimes.py --table                                     # of what is there
    python scripts/benchmark/regimes.py --collect ../pinned/results/benchmarks/regimes/models.csv

Every training is one row of results/benchmarks/regimes/models.csv, appended when it ends. A training that
has a row is done: the file alone is enough to go on, on any machine, and the checkpoints may be gone. To go
on, check the commit out into a folder of its own (so that edits do not reach workers that start later), make
the images with `scripts/pack_cifar10.py`, give the first command, and `--collect` that folder's rows here.
A kill at any time costs the trainings at work at most; one of several passes goes on after its last pass.
Linux may weigh sessions before nice values: `echo 19 > /proc/PID/autogroup` makes this one give way.

regime_candidates.py lists what is trained, in its order, and the core-hours after which no training begins.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from regime_candidates import MAX_CORE_HOURS, PARTS, SEED, Part, Regime  # beside this script
from regimes_table import plan, table

from designspace.data.settings import DataSettings
from designspace.files import replacing
from designspace.launch.local import ALLOCATOR, THREAD_VARIABLES, available_cores
from designspace.launch.pool import ProcessPool
from designspace.networks.architecture import Architectures
from designspace.networks.settings import NetworkSettings
from designspace.spaces.load import load_space
from designspace.spaces.sampling import BudgetSettings, sample
from designspace.store.paths import SpaceFolder
from designspace.store.records import Record
from designspace.training.messages import Job, Model, training_seed
from designspace.training.settings import TrainSettings

RESULTS = Path(__file__).parents[2] / "results" / "benchmarks"
MODELS, TABLE = RESULTS / "regimes" / "models.csv", RESULTS / "regimes.csv"
KEY = ["regime", "space", "model_id", "repeat"]
NUM_CLASSES = 10


@dataclass(frozen=True)
class Training:
    """One row of the table to be."""

    regime: Regime
    space: str
    model: Model
    repeat: int
    row: dict[str, Any] = field(compare=False)  # what is known before

    @property
    def key(self) -> tuple[str, str, str, int]:
        return self.regime.name, self.space, self.model.model_id, self.repeat


# ---- what is to be trained ---------------------------------------------------------------------------------


def trainings(work: Path) -> Iterator[Training]:
    """All of them; within a part, the spaces take turns, so that a change of the machine falls on all."""
    for part in PARTS:
        rows = [list(networks(part, space, work)) for space in part.spaces]
        for turn in zip(*rows, strict=True):
            for repeat in part.repeats:
                for space, (row, model) in zip(part.spaces, turn, strict=True):
                    seed = training_seed(SEED, model.model_id, repeat)
                    yield Training(part.regime, space, replace(model, seed=seed), repeat, row)


def networks(part: Part, space: str, work: Path) -> Iterator[tuple[dict[str, Any], Model]]:
    """The first networks of a space in the part's window, each with its columns of the table."""
    regime = part.regime
    declared = work / f"{space}.yaml"
    declared.write_text(f"base: {space}\nstages: {regime.stages}\n", encoding="utf-8")
    network = NetworkSettings(*regime.stem, zero_init_residual=True)
    budget = BudgetSettings(flops=list(regime.flops), resolution=32)
    loaded = load_space(str(declared))
    population = sample(
        loaded, part.models, seed=SEED, budget=budget, network=network, num_classes=NUM_CLASSES
    )
    frame = population.to_frame()
    found = Architectures.from_frame(frame)
    for i, row in enumerate(frame.to_dict("records")):
        model = Model(row["model_id"], found[i], 0, row["flops"], row["params"], row["acts"])
        described = ("depths", "widths", "bottleneck_ratios", "group_widths", "flops", "params", "acts")
        yield {name: row[name] for name in described}, model


# ---- in the worker -----------------------------------------------------------------------------------------


def open_worker(work: Path, cifar10: Path) -> Callable[[Training], dict[str, Any]]:
    """In the worker: what trains; the images are read once for each data set."""
    from designspace.data.loading import load_data
    from designspace.training.worker import Worker

    loaded: dict[str, Any] = {}

    def train(training: Training) -> dict[str, Any]:
        asked = job(training, work, cifar10)
        if asked.data.name not in loaded:
            loaded[asked.data.name] = load_data(asked.data, resolution=asked.resolution)
        model_id = training.model.model_id
        begun = [asked.folder.record(model_id), asked.folder.checkpoint(model_id)]
        whole = not any(path.exists() for path in begun)
        start = time.process_time()
        record = Worker(asked, data=loaded[asked.data.name]).train(training.model)
        return described(record, time.process_time() - start if whole else None)

    return train


def job(training: Training, work: Path, cifar10: Path) -> Job:
    """The settings of one training, with a folder of its own for record and checkpoint."""
    regime = training.regime
    folder = SpaceFolder(work / regime.name / str(training.repeat) / training.space)
    folder.records.mkdir(parents=True, exist_ok=True)
    data = (
        DataSettings(name="npz", root=str(cifar10), crop_padding=4)
        if regime.data == "cifar10"
        else DataSettings(name=regime.data)
    )
    return Job(
        folder=folder,
        data=data,
        network=NetworkSettings(*regime.stem, zero_init_residual=True),
        train=TrainSettings(
            epochs=regime.epochs, batch_size=regime.batch_size, lr=regime.lr, warmup_epochs=0.05
        ),
        resolution=32,
    )


def described(record: Record, cpu_seconds: float | None) -> dict[str, Any]:
    """The columns of the table that the training gives; no time where another process did a part of it."""
    return {
        "status": record.status.value,
        "error": record.error,
        "train_loss": record.history[-1].train_loss if record.history else None,
        "val_errors": [epoch.val_error for epoch in record.history],
        "cpu_seconds": None if cpu_seconds is None else round(cpu_seconds, 1),
        "processor": processor(),
    }


def processor() -> str:
    """Model of the processor, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    wide = any("avx512f" in line for line in lines if line.startswith("flags"))
    return f"{names[0] if names else 'unknown'}{', AVX-512' if wide else ''}"


# ---- the run -----------------------------------------------------------------------------------------------


def run(work: Path, cifar10: Path, hours: float, workers: int) -> None:
    """Train what is not in the table yet, for so many hours; every end is a row."""
    work.mkdir(parents=True, exist_ok=True)
    mend()
    models = read_models()
    queue = deque(left(trainings(work), models))
    print(f"{len(models)} trainings are done, {len(queue)} to go", flush=True)
    until, seconds = time.monotonic() + 3600 * hours, models["cpu_seconds"].sum()
    os.environ.setdefault("GLIBC_TUNABLES", ALLOCATOR)  # as in `open_pool`
    environments = [dict.fromkeys(THREAD_VARIABLES, "1")] * workers
    setup = partial(open_worker, work, cifar10)
    with ProcessPool(setup, environments=environments, preload=["designspace.training.worker"]) as pool:
        for outcome in pool.run(queue):
            training = outcome.item
            if outcome.failure is not None:
                print(f"{training.key}: {outcome.failure.reason}", flush=True)
            else:
                append(training, outcome.value)
                seconds += outcome.value["cpu_seconds"] or 0.0
                print(*training.key, outcome.value["error"], outcome.value["cpu_seconds"], flush=True)
            if time.monotonic() > until or seconds > 3600 * MAX_CORE_HOURS:
                queue.clear()


def left(asked: Iterator[Training], models: pd.DataFrame) -> Iterator[Training]:
    """The trainings that have no row yet, each once."""
    seen = set(models[KEY].itertuples(index=False, name=None))
    for training in asked:
        if training.key not in seen:
            seen.add(training.key)
            yield training


def mend() -> None:
    """Cut off a row that was torn while it was written."""
    content = MODELS.read_bytes() if MODELS.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with replacing(MODELS) as temporary:
            temporary.write_bytes(whole)


def append(training: Training, outcome: dict[str, Any]) -> None:
    """One more row."""
    described = {"epochs": training.regime.epochs, "batch_size": training.regime.batch_size}
    row = dict(zip(KEY, training.key, strict=True)) | described | training.row | outcome
    MODELS.parent.mkdir(parents=True, exist_ok=True)
    new = not MODELS.exists()
    with open(MODELS, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
        file.flush()
        os.fsync(file.fileno())


def read_models() -> pd.DataFrame:
    """The rows so far; a torn one is left out."""
    if not MODELS.exists():
        return pd.DataFrame(columns=[*KEY, "cpu_seconds"])
    return pd.read_csv(MODELS, dtype={"model_id": str}).dropna(subset=["processor"])


def collect(paths: list[Path]) -> None:
    """Add the rows of other files, as of a checkout that trains, for which there is none; as they are."""
    together: dict[tuple[str, ...], dict[str, str]] = {}
    for path in filter(Path.exists, [MODELS, *paths]):
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["processor"]:  # else torn
                    together.setdefault(tuple(row[name] for name in KEY), row)
    MODELS.parent.mkdir(parents=True, exist_ok=True)
    with replacing(MODELS) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(next(iter(together.values()))), lineterminator="\n")
        writer.writeheader()
        writer.writerows(together.values())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cifar10", type=Path, help="file that scripts/pack_cifar10.py made")
    parser.add_argument(
        "--work", type=Path, default=Path("results/.regimes"), help="checkpoints (%(default)s)"
    )
    parser.add_argument("--hours", type=float, default=2.0, help="no training begins later (%(default)s)")
    parser.add_argument(
        "--workers", type=int, default=available_cores(), help="one thread each (%(default)s)"
    )
    parser.add_argument("--table", action="store_true", help="write the table and train nothing")
    parser.add_argument("--collect", type=Path, nargs="+", metavar="FILE", help="add other files' rows first")
    parser.add_argument("--plan", action="store_true", help="print the core-hours of all parts")
    arguments = parser.parse_args()
    reads_only = arguments.table or arguments.plan or arguments.collect
    needed = arguments.collect or ([] if reads_only else [arguments.cifar10])
    for path in needed:
        if path is None or not path.is_file():
            option = "collect" if arguments.collect else "cifar10"
            print(f"error: --{option}={path}: must be a file", file=sys.stderr)
            return 2
    if arguments.collect:
        collect(arguments.collect)
    if not reads_only:
        run(arguments.work, arguments.cifar10.resolve(), arguments.hours, arguments.workers)
    models = read_models()
    if arguments.plan:
        print(plan(models).to_string(index=False))
        return 0
    found = table(models)
    found.to_csv(TABLE, index=False, float_format="%.4g", lineterminator="\n")
    print(found.T.to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
