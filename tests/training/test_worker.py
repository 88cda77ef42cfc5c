"""A worker's answer to memory that does not suffice, and how a cluster's tasks are cut."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from designspace.data.settings import DataSettings
from designspace.errors import RunError
from designspace.launch.interrupt import Interrupted
from designspace.launch.settings import LauncherSettings
from designspace.networks.architecture import Architecture
from designspace.networks.settings import NetworkSettings
from designspace.store.paths import SpaceFolder
from designspace.store.records import Kind, Status, read_record
from designspace.training import worker as module
from designspace.training.cluster import models_per_task
from designspace.training.messages import Job, Model
from designspace.training.settings import TrainSettings
from designspace.training.worker import Worker

MODEL = Model(
    "0123456789abcdef", Architecture("v", (1,), (8,), (1.0,), (8,), 8), seed=3, flops=1, params=2, acts=3
)


@pytest.fixture
def folder(tmp_path):
    folder = SpaceFolder(tmp_path)
    folder.records.mkdir()
    return folder


@pytest.fixture
def worker(folder):
    settings = TrainSettings(epochs=1, batch_size=1000, val_batch_size=2000)
    return Worker(Job(folder, DataSettings(), NetworkSettings(stem_width=8), settings, resolution=8))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError("no more")])
def test_out_of_memory_is_tried_again_with_smaller_micro_batches(worker, folder, monkeypatch, error):
    original, asked = module.train_network, []

    def train(*arguments, micro_batches, **options):
        asked.append(micro_batches)
        if micro_batches < 4:
            raise error
        return original(*arguments, micro_batches=micro_batches, **options)

    monkeypatch.setattr(module, "train_network", train)
    record = worker(MODEL)
    assert asked == [1, 2, 4]
    assert record == read_record(folder.record(MODEL.model_id))
    assert (record.status, record.micro_batches) == (Status.DONE, 4)
    assert [a.kind for a in record.attempts] == [Kind.OUT_OF_MEMORY, Kind.OUT_OF_MEMORY, None]
    assert sorted(path.suffix for path in folder.records.iterdir()) == [".json"]


def test_out_of_memory_is_seen_behind_the_error_of_a_capture():
    """torch.cuda.graph ends the capture that the error left, which raises another one."""
    hidden = RuntimeError("operation failed due to a previous error during capture")
    hidden.__context__ = torch.OutOfMemoryError("no more")
    assert module._is_out_of_memory(hidden)
    assert not module._is_out_of_memory(RuntimeError("operation failed"))


def test_what_was_learnt_about_memory_outlives_an_interruption(worker, folder, monkeypatch):
    """Also on a device that has more of it: the parts of the batches are part of the training."""
    original, asked = module.train_network, []

    def train(*arguments, micro_batches, **options):
        asked.append(micro_batches)
        if micro_batches < 2 and short_of_memory:
            raise MemoryError("no more")
        return original(*arguments, micro_batches=micro_batches, **options)

    monkeypatch.setattr(module, "train_network", train)
    short_of_memory = True
    undisturbed = worker(MODEL)
    folder.record(MODEL.model_id).unlink()
    steps = iter([False, False, True])
    monkeypatch.setattr(module.interrupt, "requested", lambda: next(steps, False))
    with pytest.raises(Interrupted):
        worker(MODEL)
    short_of_memory = False
    record = worker(MODEL)
    assert asked == [1, 2, 1, 2, 2]
    assert (record.error, record.micro_batches) == (undisturbed.error, 2)
    assert [a.kind for a in record.attempts] == [Kind.OUT_OF_MEMORY, None]


@pytest.mark.parametrize("words", ["CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED when calling"])
def test_libraries_say_in_their_own_words_that_memory_does_not_suffice(words):
    assert module._is_out_of_memory(RuntimeError(words))


def test_validation_needs_less_memory_with_micro_batches(worker, monkeypatch):
    sizes = []
    forward = nn.Module.__call__

    def seen(self, *inputs, **options):
        if not self.training and type(self).__name__ == "AnyNet":
            sizes.append(len(inputs[0]))
        return forward(self, *inputs, **options)

    def train(*arguments, micro_batches, **options):
        return original(*arguments, micro_batches=4, **options)

    original = module.train_network
    whole = worker(MODEL).error
    monkeypatch.setattr(nn.Module, "__call__", seen)
    monkeypatch.setattr(module, "train_network", train)
    worker(replace(MODEL, model_id="fedcba9876543210"))
    assert set(sizes) == {500}
    assert whole is not None


def test_out_of_memory_for_ever_is_raised(worker, monkeypatch):
    def train(*arguments, **options):
        raise MemoryError("no more")

    monkeypatch.setattr(module, "train_network", train)
    with pytest.raises(MemoryError):
        worker(MODEL)


def test_another_error_is_not_taken_for_it(worker, folder, monkeypatch):
    def train(*arguments, **options):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(module, "train_network", train)
    with pytest.raises(RuntimeError, match="shapes"):
        worker(MODEL)
    assert list(folder.records.iterdir()) == []


@pytest.mark.parametrize(
    ("model_seconds", "models", "expected"), [(10, 500, 180), (10, 64, 64), (10_000, 500, 1), (1, 0, 1)]
)
def test_a_task_lasts_half_an_hour_or_has_all_models(model_seconds, models, expected):
    assert models_per_task(LauncherSettings(name="slurm", gpus=1), model_seconds, models) == expected


def test_several_models_on_a_gpu_make_longer_tasks():
    settings = LauncherSettings(name="slurm", gpus=2, workers_per_gpu=3)
    assert models_per_task(settings, 600, 500) == 18
    assert models_per_task(LauncherSettings(name="slurm", models_per_task=7), 600, 500) == 7


def test_images_that_a_gpu_does_not_hold_are_named_with_what_helps(
    folder: SpaceFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*arguments: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("designspace.training.worker.load_data", load)
    with pytest.raises(RunError, match=r"data\.name=fashion_mnist_small: .* fewer workers per GPU"):
        Worker(Job(folder, DataSettings(), NetworkSettings(), TrainSettings(), resolution=8))
