"""Whether training on the device is right: against the CPU, against itself, and short of memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from options import ROOT
from pieces import RESOLUTION, build, laptop_job, laptop_models, loss_curve, noise, recipe, set_precision
from session import Session, main

from designspace.data.images import ImageData
from designspace.data.loading import load_data
from designspace.data.settings import DataSettings
from designspace.launch.interrupt import Interrupted
from designspace.launch.pool import ProcessPool
from designspace.store.records import Record
from designspace.training import worker as worker_module
from designspace.training.checkpoint import Checkpointer
from designspace.training.loop import train_network
from designspace.training.messages import Job, Model
from designspace.training.settings import TrainSettings
from designspace.training.worker import Worker
from designspace.training.workers import WORKER_MODULE, start_worker

CPU = torch.device("cpu")
ANNOUNCED_BYTES = 12.5e6  # conf/data/fashion_mnist_small.yaml: 12 MB, and a label of 8 bytes an image
NEAR = 1e-3  # relative difference of a loss that two orders of summation may make in 20 steps
BF16_NEAR = 0.1  # the same for numbers of 8 bits


def marked_tests(session: Session) -> None:
    """The package's own tests that need a GPU; those of the same files that do not, on the CPU."""
    files = ["tests/training/test_graph.py"] if session.tiny else ["tests/training"]
    only = ["-m", "gpu"] if session.on_card else ["-k", "same_with_and_without and cpu"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *only, *files]
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    last = (done.stdout.strip().splitlines() or ["nothing"])[-1]
    session.check("tests marked gpu", last, "all pass", done.returncode == 0 and "skipped" not in last)


def loss_curves(session: Session) -> None:
    """Of the first steps: as near to the CPU's as two memory formats are there; bf16 roughly."""
    set_precision(tf32=False, deterministic=True)
    models, steps = laptop_models(1 if session.tiny else 8), 4 if session.tiny else 20
    on_cpu, on_device = load_images(CPU, session.tiny), load_images(session.device, session.tiny)
    settings = recipe(batch_size=16 if session.tiny else 128)

    def curves(data: ImageData, device: torch.device, **changes: Any) -> np.ndarray[Any, Any]:
        changed = replace(settings, **changes)
        return np.stack([loss_curve(model, data, changed, steps, device)[0].numpy() for model in models])

    reference = curves(on_cpu, CPU)
    formats = difference(curves(on_cpu, CPU, memory_format="contiguous"), reference)
    session.figure("relative difference of losses, two memory formats on the CPU", formats)
    limit = max(NEAR, 3 * formats)
    found = difference(curves(on_device, session.device), reference)
    session.check(
        "fp32 losses against the CPU, largest relative difference", found, f"<= {limit:.2g}", found <= limit
    )
    found = difference(curves(on_device, session.device, precision="bf16"), reference)
    what = "bf16 losses against fp32 on the CPU, largest relative difference"
    session.check(what, found, f"<= {BF16_NEAR:g}", found <= BF16_NEAR)


def load_images(device: torch.device, tiny: bool) -> ImageData:
    """The embedded clothes; noise where all has to be tiny."""
    return (
        noise(128, RESOLUTION, 10, device)
        if tiny
        else load_data(DataSettings(), resolution=32, device=device)
    )


def difference(some: np.ndarray[Any, Any], others: np.ndarray[Any, Any]) -> float:
    """The largest relative difference."""
    return float((np.abs(some - others) / np.abs(others)).max())


def graphs(session: Session) -> None:
    """A step as a CUDA graph and the same step without one, to the last bit."""
    set_precision(tf32=True, deterministic=True)
    data = load_images(session.device, session.tiny)
    settings, steps = recipe(batch_size=16 if session.tiny else 128), 6 if session.tiny else 40
    same = []
    for model in laptop_models(1 if session.tiny else 4):
        eager, graphed = (
            loss_curve(model, data, replace(settings, cuda_graphs=on), steps, session.device)
            for on in (False, True)
        )
        same.append(all(torch.equal(left, right) for left, right in zip(eager, graphed, strict=True)))
    session.check(
        "networks equal to the last bit with and without graphs", sum(same), f"{len(same)}", all(same)
    )


def resumed(session: Session) -> None:
    """Two trainings, and one that is interrupted and goes on, to the last bit; with and without graphs."""
    set_precision(tf32=True, deterministic=True)
    data, model = noise(96 if session.tiny else 2560, RESOLUTION, 10, session.device), laptop_models(1)[0]
    for on in (False, True):
        settings = recipe(
            epochs=2, batch_size=16 if session.tiny else 128, deterministic=True, cuda_graphs=on
        )
        train = partial(trained, model, data, settings, session.device)
        whole = train(None)
        again = same(whole, train(None))
        with tempfile.TemporaryDirectory() as folder:
            continued = after_interruption(train, Path(folder) / "checkpoint", steps=7)
        what = f"with graphs={str(on).lower()}"
        session.check(f"{what}: two trainings equal", again, "true", again)
        held = same(whole, continued)
        session.check(f"{what}: interrupted and resumed equal", held, "true", held)


def trained(
    model: Model,
    data: ImageData,
    settings: TrainSettings,
    device: torch.device,
    checkpointer: Checkpointer | None,
) -> tuple[list[float | None], torch.Tensor]:
    """Losses and errors of all epochs, and the weights."""
    network = build(model)
    result = train_network(network, data, settings, seed=model.seed, device=device, checkpointer=checkpointer)
    values = [value for epoch in result.history for value in (epoch.train_loss, epoch.val_error)]
    return values, torch.cat([value.detach().flatten().cpu() for value in network.state_dict().values()])


def same(
    one: tuple[list[float | None], torch.Tensor], other: tuple[list[float | None], torch.Tensor]
) -> bool:
    return one[0] == other[0] and torch.equal(one[1], other[1])


def after_interruption(train: Callable[[Checkpointer], Any], path: Path, *, steps: int) -> Any:
    """What training gives that is interrupted after so many steps and then goes on from the file."""
    asked = iter(range(steps))
    try:
        train(Checkpointer(path, interrupted=lambda: next(asked, None) is None))
    except Interrupted:
        return train(Checkpointer(path))
    raise AssertionError("the training was to be interrupted")


def memory(session: Session) -> None:
    """Short of memory: micro-batches where they help, the error of memory where nothing does."""
    data, model = noise(64 if session.tiny else 2048, RESOLUTION, 10, session.device), laptop_models(1)[0]
    with tempfile.TemporaryDirectory() as folder:
        job = laptop_job(Path(folder), recipe(epochs=1, warmup_epochs=0.0, batch_size=data.info.num_train))
        whole, least = peak_bytes(session, job, model, data)
        with capped(session, least + (whole - least) * 6 // 10):
            record = Worker(job, data)(model)
        assert isinstance(record, Record)
        found = f"{record.status.value}, {record.micro_batches} micro-batches"
        session.check("with six tenths of the memory", found, "done, 2 or more", record.micro_batches >= 2)
    with tempfile.TemporaryDirectory() as folder:
        job = replace(job, folder=laptop_job(Path(folder), job.train).folder)
        with capped(session, 0):
            try:
                raised = str(Worker(job, data)(model))
            except Exception as error:
                raised = type(error).__name__
        session.check("with no memory at all", raised, "OutOfMemoryError", raised == "OutOfMemoryError")


def peak_bytes(session: Session, job: Job, model: Model, data: ImageData) -> tuple[int, int]:
    """Of one training of that job, and what was in use before."""
    if not session.on_card:
        return 2, 1
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_reserved()
    train_network(build(model), data, job.train, seed=0, device=session.device)
    peak = torch.cuda.max_memory_allocated()
    torch.cuda.empty_cache()
    return peak, before


class capped:  # noqa: N801  # used like a function
    """Within: so many bytes on the card. On the CPU, which has no limit, whole batches raise the error."""

    def __init__(self, session: Session, size: int) -> None:
        self._on_card, self._size = session.on_card, size

    def __enter__(self) -> None:
        if self._on_card:
            torch.cuda.empty_cache()
            total = torch.cuda.get_device_properties(0).total_memory
            torch.cuda.set_per_process_memory_fraction(max(self._size, 1 << 20) / total)
        else:
            setattr(worker_module, "train_network", self._refusing)  # noqa: B010  # mypy takes no assignment

    def _refusing(self, *arguments: Any, micro_batches: int, **options: Any) -> Any:
        if self._size == 0 or micro_batches < 2:
            raise torch.OutOfMemoryError("out of memory")
        return train_network(*arguments, micro_batches=micro_batches, **options)

    def __exit__(self, *exception: object) -> None:
        if self._on_card:
            torch.cuda.set_per_process_memory_fraction(1.0)
            torch.cuda.empty_cache()
        setattr(worker_module, "train_network", train_network)  # noqa: B010  # mypy takes no assignment


def data_memory(session: Session) -> None:
    """The embedded data set on the device, against what its settings announce."""
    if session.on_card:
        before = torch.cuda.memory_allocated()
        data = load_data(DataSettings(), resolution=RESOLUTION, device=session.device)
        used = torch.cuda.memory_allocated() - before
        del data
    else:
        loaded: Any = load_data(DataSettings(), resolution=RESOLUTION)
        used = sum(tensor.nbytes for tensor in (*loaded._train, *loaded._val))
    limit = f"<= {ANNOUNCED_BYTES / 1e6} MB"
    session.check("data on the device, MB", used / 1e6, limit, used <= ANNOUNCED_BYTES)


def workers(session: Session) -> None:
    """Several workers at once give what one gives, to the last bit where that is asked for."""
    models = laptop_models(2 if session.tiny else 8)
    settings = recipe(deterministic=True, epochs=1)
    resolution = RESOLUTION
    if session.tiny:
        settings, resolution = replace(settings, batch_size=1000, warmup_epochs=0.0), 8
    several = errors_of(models, settings, resolution, count=2 if session.tiny else 4)
    with tempfile.TemporaryDirectory() as folder:
        one = Worker(laptop_job(Path(folder), settings, resolution))
        alone = {model.model_id: values_of(one.train(model)) for model in models}
    session.check("several workers give the records of one", several == alone, "true", several == alone)


def final_errors(session: Session) -> None:
    """After two epochs: as near to the CPU's as two memory formats are there."""
    if session.tiny:
        return
    models, settings = laptop_models(8), recipe(epochs=2)
    hidden = {"CUDA_VISIBLE_DEVICES": ""}
    on_cpu = errors_of(models, settings, count=8, environment=hidden)
    formats = errors_of(models, replace(settings, memory_format="contiguous"), count=8, environment=hidden)
    on_device = errors_of(models, settings, count=4)
    last = [
        np.array([each[model.model_id][-1] for model in models], dtype=float)
        for each in (on_cpu, formats, on_device)
    ]
    noise_rms, found_rms = (float(np.sqrt(np.mean((each - last[0]) ** 2))) for each in last[1:])
    session.figure(
        "final errors in percent: CPU, CPU in the other format, device", [each.tolist() for each in last]
    )
    limit = 2 * max(noise_rms, 0.5)
    session.check(
        "final errors against the CPU, rms points", found_rms, f"<= {limit:.2g}", found_rms <= limit
    )


def errors_of(
    models: list[Model],
    settings: TrainSettings,
    resolution: int = RESOLUTION,
    *,
    count: int,
    environment: dict[str, str] | None = None,
) -> dict[str, list[float | None]]:
    """Loss and error of each epoch by model, trained by so many workers at once."""
    threads = {"OMP_NUM_THREADS": "1", **(environment or {})}
    found: dict[str, list[float | None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        setup = partial(start_worker, laptop_job(Path(folder), settings, resolution))
        with ProcessPool(setup, environments=[threads] * count, preload=[WORKER_MODULE]) as pool:
            for outcome in pool.run(deque(models)):
                found[outcome.item.model_id] = values_of(outcome.result("training"))
    return found


def values_of(record: Record) -> list[float | None]:
    """Loss and error of each epoch."""
    return [value for epoch in record.history for value in (epoch.train_loss, epoch.val_error)]


STEPS = (marked_tests, loss_curves, graphs, resumed, memory, data_memory, workers, final_errors)

if __name__ == "__main__":
    main("right", STEPS)
