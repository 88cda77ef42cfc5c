"""Images a second at the paper's scale on a CPU: 400 MF networks at 224 px, against a plain fp32 loop.

    python scripts/benchmark/paper_scale.py --networks 4

Ours: a worker process a core, each with one thread and a network of its own, bf16 and channels_last. Plain:
torchvision's network of the same widths, fp32 and contiguous, all cores for one network. Both repeat training
steps on one batch of random images. The peak is that of a matrix product of 2,048 on all workers at once; a
training step counts as three forward passes of two operations a multiply-add.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from plain_training import torchvision_network

from designspace.launch.local import ALLOCATOR, available_cores
from designspace.networks.architecture import Architecture
from designspace.networks.build import build_network
from designspace.networks.settings import NetworkSettings
from designspace.spaces.load import load_space
from designspace.spaces.sampling import BudgetSettings, sample
from designspace.training.loop import new_optimizer, train_step
from designspace.training.settings import TrainSettings

RESOLUTION, CLASSES, SIDE = 224, 1000, 2048
OPERATIONS = 2 * 3  # of a training step, by multiply-add


@dataclass(frozen=True)
class Task:
    """What one process does at the same time as its siblings."""

    model: Mapping[Any, Any]
    ours: bool
    batch_size: int
    steps: int
    threads: int


def ours_step(task: Task) -> Callable[[], object]:
    """A training step as the workers make it."""
    settings = TrainSettings(precision="bf16", memory_format="channels_last")
    network = build_network(architecture(task.model), num_classes=CLASSES, seed=0)
    network.to(memory_format=torch.channels_last).train()
    optimizer = new_optimizer(network, settings)
    images, labels = batch(task.batch_size)
    return lambda: train_step(network, optimizer, settings, 1, images, labels)


def plain_step(task: Task) -> Callable[[], object]:
    """A training step as a plain script makes it."""
    network = torchvision_network(task.model, stem_width=32, num_classes=CLASSES, zero_init_residual=False)
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-5)
    images, labels = batch(task.batch_size)

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(torch.nn.functional.cross_entropy(network(images), labels))
        optimizer.step()

    return step


def architecture(model: Mapping[Any, Any]) -> Architecture:
    """The network of a row of models.parquet."""
    names = ("depths", "widths", "bottleneck_ratios", "group_widths")
    depths, widths, ratios, groups = (tuple(model[name]) for name in names)
    return Architecture("x", depths, widths, ratios, groups, stem_width=32, stem_stride=2)


def batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(size, 3, RESOLUTION, RESOLUTION)
    return images, torch.randint(CLASSES, (size,))


def seconds_a_step(task: Task, barrier: Any) -> float:
    """Median over the steps, all processes starting together."""
    torch.set_num_threads(task.threads)
    torch.set_flush_denormal(True)
    step = ours_step(task) if task.ours else plain_step(task)
    step()
    barrier.wait()
    return statistics.median(timed(step) for _ in range(task.steps))


def matrix_product_rate(threads: int, barrier: Any) -> float:
    """bf16 operations a second of a matrix product."""
    torch.set_num_threads(threads)
    left, right = (torch.randn(SIDE, SIDE, dtype=torch.bfloat16) for _ in range(2))
    left @ right
    barrier.wait()
    return 2 * SIDE**3 / min(timed(lambda: left @ right) for _ in range(10))


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure(model: Mapping[Any, Any], size: int, steps: int, cores: int, peak: float) -> dict[str, Any]:
    """One line of the table."""
    os.environ["GLIBC_TUNABLES"] = ALLOCATOR  # as for the workers
    ours = at_once(seconds_a_step, [(Task(model, True, size, steps, 1),)] * cores)
    del os.environ["GLIBC_TUNABLES"]
    (plain,) = at_once(seconds_a_step, [(Task(model, False, size, steps, cores),)])
    rate, plain_rate = sum(size / seconds for seconds in ours), size / plain
    return {
        "batch_size": size,
        "model_id": model["model_id"],
        "images_per_second": round(rate, 1),
        "plain_images_per_second": round(plain_rate, 1),
        "ratio": round(rate / plain_rate, 3),
        "percent_of_peak": round(100 * OPERATIONS * model["flops"] * rate / peak, 1),
    }


def at_once(function: Callable[..., float], arguments: list[tuple[Any, ...]]) -> list[float]:
    """The function in one fresh process for each of the arguments, at the same time."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        barrier = manager.Barrier(len(arguments))
        with context.Pool(len(arguments)) as pool:
            return pool.starmap(function, [(*each, barrier) for each in arguments], chunksize=1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--space", default="regnetx")
    parser.add_argument("--networks", type=int, default=4)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--output", type=Path, help="CSV to write, one row a batch size and network")
    arguments = parser.parse_args()
    cores = available_cores()
    budget = BudgetSettings(flops=[360e6, 400e6], resolution=RESOLUTION)
    population = sample(
        load_space(arguments.space), arguments.networks, seed=0, budget=budget, network=NetworkSettings(),
        num_classes=CLASSES,
    )  # fmt: skip
    peak = sum(at_once(matrix_product_rate, [(1,)] * cores))
    print(f"bf16 matrix product on {cores} cores: {peak / 1e9:.0f} GFLOP/s")
    rows = []
    for size, model in itertools.product(arguments.batch_sizes, population.to_frame().to_dict("records")):
        row = measure(model, size, arguments.steps, cores, peak)
        rows.append(row)
        print(
            f"{row['model_id']}, batches of {size:2}: {row['images_per_second']:5} images a second against "
            f"{row['plain_images_per_second']:4}, {row['ratio']:.2f} times",
            flush=True,
        )
    table = pd.DataFrame(rows)
    for size in arguments.batch_sizes:
        part = table[table["batch_size"] == size]
        print(
            f"batches of {size}: {part['ratio'].median():.2f} times ({part['ratio'].min():.2f} to "
            f"{part['ratio'].max():.2f}), {part['percent_of_peak'].median():.0f} % of the peak"
        )
    if arguments.output is not None:
        table.to_csv(arguments.output, index=False)


if __name__ == "__main__":
    main()
