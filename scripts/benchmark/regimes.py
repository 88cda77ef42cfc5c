"""On what, and for how long, must networks be trained for their errors to rank them? Candidates side by side.

    nice -n 19 python scripts/benchmark/regimes.py --cifar10 cifar10.npz --hours 3  # goes on where it stopped
    python scripts/benchmark/regimes.py --table                                     # of what is there

Every training is one row of results/benchmarks/regimes/models.csv, appended when it ends; a row that is there
is not trained again, wherever the script is started. `scripts/pack_cifar10.py` makes the file of images.

The candidates differ from the first one in one factor at a time. The networks of one space and window are the
same in all candidates that have this window, stages and stem, so that rankings can be compared network by
network; the reference of each is the training of the same networks for eight passes in batches of 32.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from designspace.data.settings import DataSettings
from designspace.launch.local import THREAD_VARIABLES, available_cores
from designspace.launch.pool import ProcessPool
from designspace.networks.architecture import Architectures
from designspace.spaces.load import load_space
from designspace.spaces.sampling import BudgetSettings, NetworkSettings, sample
from designspace.store.paths import SpaceFolder
from designspace.store.records import Record
from designspace.training.messages import Job, Model, training_seed
from designspace.training.settings import TrainSettings

RESULTS = Path(__file__).parents[2] / "results" / "benchmarks"
MODELS, TABLE = RESULTS / "regimes" / "models.csv", RESULTS / "regimes.csv"
SEED = 1001  # not that of a study, so that the choice does not colour its result
SPACES = ("anynetx_c", "anynetx_d", "anynetx_e", "regnetx")
STEPS = (("anynetx_c", "anynetx_d"), ("anynetx_d", "anynetx_e"), ("anynetx_e", "regnetx"))
RANKED = SPACES[1:]  # whose networks are trained eight times as long, too
NUM_CLASSES = 10
POWER, LEVEL, RESAMPLES = 0.8, 0.05, 9_999


@dataclass(frozen=True)
class Regime:
    """What is trained, on what, for how long."""

    name: str
    data: str = "cifar10"  # or fashion_mnist
    stages: int = 3
    stem: tuple[int, int] = (8, 1)  # width and stride
    flops: tuple[float, float] = (3.6e6, 4.0e6)
    batch_size: int = 32
    lr: float = 0.05
    epochs: int = 1

    @property
    def networks(self) -> tuple[Any, ...]:
        """Regimes with the same value train the same networks."""
        return self.data, self.stages, self.stem, self.flops

    @property
    def maps(self) -> list[int]:
        """Pixels, along one side, of the output of each stage."""
        return [32 // self.stem[1] // 2 ** (i + 1) for i in range(self.stages)]


BASE = Regime("base")
LONG_EPOCHS = 8


def long(regime: Regime) -> Regime:
    """The reference of all regimes with these networks."""
    return replace(regime, name=f"{regime.name}_long", batch_size=32, lr=0.05, epochs=LONG_EPOCHS)


BATCH_128 = replace(BASE, name="batch_128", batch_size=128, lr=0.1)
SMALLER = replace(BASE, name="2mf", flops=(1.8e6, 2.0e6))
STRIDE_2 = replace(BASE, name="stem_stride_2", stem=(16, 2), flops=(1.8e6, 2.0e6))
FASHION = Regime("fashion_mnist", "fashion_mnist", 4, (16, 2), (0.9e6, 1.0e6), 128, 0.1)


@dataclass(frozen=True)
class Part:
    """Networks of each of some spaces that are trained in a regime; parts are worked off in their order."""

    regime: Regime
    spaces: tuple[str, ...] = SPACES
    models: int = 12
    repeats: tuple[int, ...] = (0,)  # 0: with the seed of the study; above: with others, for the noise


PARTS = (
    Part(BASE),
    Part(BATCH_128),
    Part(long(BASE), RANKED),
    Part(SMALLER),
    Part(long(SMALLER), RANKED),
    Part(replace(BASE, name="batch_64", batch_size=64, lr=0.07)),
    Part(replace(BASE, name="2_passes", epochs=2)),
    Part(STRIDE_2),
    Part(long(STRIDE_2), RANKED),
    Part(FASHION),
    Part(replace(FASHION, name="fashion_mnist_batch_32", batch_size=32, lr=0.05)),
    Part(long(FASHION), RANKED),
    Part(replace(BASE, name="batch_128_4_passes", batch_size=128, lr=0.1, epochs=4)),
    Part(replace(BASE, name="four_stages", stages=4)),
    Part(replace(BASE, name="1mf", flops=(0.9e6, 1.0e6))),
    Part(BASE, ("anynetx_e", "regnetx"), 10, (1, 2)),
    Part(BASE, models=40),
)


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
        start = time.process_time()
        record = Worker(asked, data=loaded[asked.data.name]).train(training.model)
        return described(record, time.process_time() - start)

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


def described(record: Record, cpu_seconds: float) -> dict[str, Any]:
    """The columns of the table that the training gives."""
    return {
        "status": record.status.value,
        "error": record.error,
        "train_loss": record.history[-1].train_loss if record.history else None,
        "val_errors": [epoch.val_error for epoch in record.history],
        "cpu_seconds": round(cpu_seconds, 1),
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
    done = {tuple(key) for key in read_models()[["regime", "space", "model_id", "repeat"]].to_numpy()}
    seen: set[Any] = set(done)
    queue: deque[Training] = deque()
    for training in trainings(work):
        if training.key not in seen:
            seen.add(training.key)
            queue.append(training)
    print(f"{len(done)} trainings are done, {len(queue)} to go", flush=True)
    until = time.monotonic() + 3600 * hours
    environments = [dict.fromkeys(THREAD_VARIABLES, "1")] * workers
    setup = partial(open_worker, work, cifar10)
    with ProcessPool(setup, environments=environments, preload=["designspace.training.worker"]) as pool:
        for outcome in pool.run(queue):
            training = outcome.item
            if outcome.failure is not None:
                print(f"{training.key}: {outcome.failure.reason}", flush=True)
            else:
                append(training, outcome.value)
                print(*training.key, outcome.value["error"], outcome.value["cpu_seconds"], flush=True)
            if time.monotonic() > until:
                queue.clear()


def append(training: Training, outcome: dict[str, Any]) -> None:
    """One more row; torn lines are left out when the table is read."""
    regime, space, model_id, repeat = training.key
    row = {
        "regime": regime,
        "space": space,
        "model_id": model_id,
        "repeat": repeat,
        "epochs": training.regime.epochs,
        "batch_size": training.regime.batch_size,
        **training.row,
        **outcome,
    }
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
    """The rows so far."""
    if not MODELS.exists():
        return pd.DataFrame(columns=["regime", "space", "model_id", "repeat"])
    return pd.read_csv(MODELS).dropna(subset=["processor"])


# ---- the table ---------------------------------------------------------------------------------------------


def table(models: pd.DataFrame) -> pd.DataFrame:
    """One row per regime; a cell is empty where the trainings do not give it yet."""
    regimes = {part.regime.name: part.regime for part in PARTS}
    rows = [row(regime, models) for name, regime in regimes.items() if (models["regime"] == name).any()]
    return pd.DataFrame(rows)


def row(regime: Regime, models: pd.DataFrame) -> dict[str, Any]:
    """What is known of one regime."""
    own = models[(models["regime"] == regime.name) & (models["repeat"] == 0)]
    errors = {space: group["error"].dropna().to_numpy() for space, group in own.groupby("space")}
    steps = (45_000 if regime.data == "cifar10" else 50_000) // regime.batch_size * regime.epochs
    found: dict[str, Any] = {
        "regime": regime.name,
        "data": regime.data,
        "maps": " ".join(map(str, regime.maps)),
        "mf": f"{regime.flops[0] / 1e6:g} to {regime.flops[1] / 1e6:g}",
        "batch_size": regime.batch_size,
        "lr": regime.lr,
        "epochs": regime.epochs,
        "steps": steps,
        "n": len(own),
        "cpu_seconds": own["cpu_seconds"].median(),
        **rank_correlation(regime, models),
        **noise(regime, models),
    }
    for space in SPACES:
        if space in errors:
            found |= {f"{space}_mean": errors[space].mean(), f"{space}_sd": errors[space].std(ddof=1)}
    for first, second in STEPS:
        if min(len(errors.get(first, ())), len(errors.get(second, ()))) > 2:
            found |= difference(first, second, errors, own)
    return found


def rank_correlation(regime: Regime, models: pd.DataFrame) -> dict[str, Any]:
    """Spearman's correlation with the reference, pooled within spaces; bootstrap over the networks."""
    references = {part.regime.networks: part.regime.name for part in PARTS if "_long" in part.regime.name}
    reference = references.get(regime.networks)
    if reference is None or reference == regime.name:
        return {}
    keys = ["space", "model_id"]
    sides = [
        models[(models["regime"] == name) & (models["repeat"] == 0)] for name in (regime.name, reference)
    ]
    both = sides[0].merge(sides[1], on=keys, suffixes=("", "_long")).dropna(subset=["error", "error_long"])
    found: dict[str, Any] = {}
    for name, group in [*both.groupby("space"), ("pooled", both)]:
        if len(group) < 6:
            continue
        pairs = group[["error", "error_long"]].to_numpy()
        if name == "pooled":  # the order within spaces; the difference between them is another question
            pairs = pairs - both.groupby("space")[["error", "error_long"]].transform("mean").to_numpy()
        low, high = spearman_interval(pairs)
        found |= {f"rho_{name}": stats.spearmanr(*pairs.T).statistic, f"rho_{name}_n": len(pairs)}
        found |= {f"rho_{name}_low": low, f"rho_{name}_high": high}
    return found


def spearman_interval(pairs: Any) -> tuple[float, float]:
    """95 percent, percentile bootstrap over the networks."""
    rng = np.random.default_rng(0)
    drawn = pairs[rng.integers(len(pairs), size=(RESAMPLES, len(pairs)))]
    ranks = stats.rankdata(drawn, axis=1)
    ranks = ranks - ranks.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        rho = (ranks[..., 0] * ranks[..., 1]).sum(axis=1) / np.sqrt((ranks**2).sum(axis=1).prod(axis=1))
    low, high = np.nanquantile(rho, [0.025, 0.975])
    return float(low), float(high)


def noise(regime: Regime, models: pd.DataFrame) -> dict[str, Any]:
    """Standard deviation between seeds of the same network, and its share of the variance of the errors."""
    runs = models[models["regime"] == regime.name].dropna(subset=["error"])
    several = runs.groupby(["space", "model_id"])["error"].filter(lambda errors: len(errors) > 1)
    if several.empty:
        return {}
    groups = runs.loc[several.index].groupby(["space", "model_id"])["error"]
    variance = float((groups.var(ddof=1) * (groups.size() - 1)).sum() / (groups.size() - 1).sum())
    spread = runs[runs["repeat"] == 0].groupby("space")["error"].var(ddof=1).mean()
    return {"seed_sd": math.sqrt(variance), "seed_n": len(groups), "seed_share": variance / spread}


def difference(first: str, second: str, errors: Any, own: pd.DataFrame) -> dict[str, Any]:
    """First minus second, Welch's interval and p, and what deciding it would take at 80 % power."""
    test = stats.ttest_ind(errors[first], errors[second], equal_var=False)
    interval = test.confidence_interval(1 - LEVEL)
    gap = errors[first].mean() - errors[second].mean()
    variance = errors[first].var(ddof=1) + errors[second].var(ddof=1)
    z = stats.norm.isf(LEVEL / 2) + stats.norm.ppf(POWER)
    needed = math.ceil(z**2 * variance / gap**2)
    seconds = own[own["space"].isin([first, second])].groupby("space")["cpu_seconds"].mean().sum()
    name = f"{first.rpartition('_')[2]}_{second.rpartition('_')[2]}"
    return {
        name: gap,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
        f"{name}_p": test.pvalue,
        f"{name}_models": needed,
        f"{name}_core_hours": needed * seconds / 3600,
    }


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
    arguments = parser.parse_args()
    if not arguments.table:
        if arguments.cifar10 is None or not arguments.cifar10.is_file():
            print(f"error: --cifar10={arguments.cifar10}: must be a file", file=sys.stderr)
            return 2
        run(arguments.work, arguments.cifar10.resolve(), arguments.hours, arguments.workers)
    found = table(read_models())
    found.to_csv(TABLE, index=False, float_format="%.4g", lineterminator="\n")
    print(found.T.to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
