"""The training loop: schedule, divergence, determinism, and that it learns."""

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from designspace.data.augmentation import Augmentation
from designspace.data.images import InMemoryImages
from designspace.data.settings import DataInfo
from designspace.errors import UserError, refuse
from designspace.training import loop
from designspace.training.loop import (
    balanced_weights,
    estimate_seconds,
    learning_rate,
    train_network,
    validate,
)
from designspace.training.settings import TrainSettings

CPU = torch.device("cpu")
SETTINGS = TrainSettings(epochs=2, batch_size=16, lr=0.1, val_batch_size=7)


def images(n, generator):
    """Two classes: bright above or bright below."""
    labels = torch.arange(n) % 2
    pixels = torch.randint(0, 100, (n, 1, 8, 8), generator=generator, dtype=torch.uint8)
    for i, label in enumerate(labels):
        pixels[i, :, 4 * int(label) : 4 * int(label) + 4] += 100
    return pixels, labels


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    info = DataInfo("stripes", num_classes=2, num_train=70, num_val=20)
    return InMemoryImages(info, images(70, generator), images(20, generator), mean=(0.4,), std=(0.2,))


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))


def test_it_learns(data):
    result = train_network(network(), data, replace(SETTINGS, epochs=3), seed=1, device=CPU)
    assert [epoch.epoch for epoch in result.history] == [1, 2, 3]
    assert result.history[-1].train_loss < result.history[0].train_loss
    assert result.error == result.history[-1].val_error < 10


def test_the_loss_is_the_mean_over_all_images(data):
    """Without random flips, and with weights that stay as they are."""
    data = InMemoryImages(
        data.info, data._train, data._val, mean=(0.4,), std=(0.2,), augmentation=Augmentation(flip=False)
    )
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    ((whole, labels),) = data.train_batches(batch_size=70, seed=1, epoch=0)
    expected = nn.functional.cross_entropy(net(whole), labels).item()
    settings = replace(SETTINGS, epochs=1, lr=1e-12, last_batch="train")
    result = train_network(net, data, settings, seed=1, device=CPU, micro_batches=4)
    assert result.history[0].train_loss == pytest.approx(expected, rel=1e-5)


def test_the_balanced_error_is_the_mean_of_the_classes_errors():
    """A network that names class 0 every time, and three validation images of four that are of it."""
    pixels, labels = torch.zeros((20, 1, 8, 8), dtype=torch.uint8), torch.tensor([0, 0, 0, 1] * 5)
    data = InMemoryImages(
        DataInfo("same", 3, 20, 20), (pixels, labels), (pixels, labels), mean=(0.4,), std=(0.2,)
    )
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    nn.init.constant_(net[1].bias, 0).data[0] = 100
    result = train_network(net, data, replace(SETTINGS, epochs=1, lr=1e-9), seed=1, device=CPU)
    assert (result.error, result.balanced_error) == (25.0, 50.0)  # the third class has no images
    assert data.chance_error == 25.0


@pytest.mark.parametrize(("graphs", "micro_batches"), [(False, 1), (False, 4), (True, 1)])
def test_balanced_weights_make_the_loss_the_mean_of_the_classes_losses(graphs, micro_batches):
    """Three of four images are of class 0; weights that stay as they are, and smoothed labels."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (80, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.tensor([0, 0, 0, 1] * 20)
    data = InMemoryImages(
        DataInfo("unequal", 2, 80, 80), (pixels, labels), (pixels, labels), mean=(0.4,), std=(0.2,),
        augmentation=Augmentation(flip=False),
    )  # fmt: skip
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    images = torch.cat([batch for batch, _ in data.val_batches(80)])
    losses = nn.functional.cross_entropy(net(images), labels, label_smoothing=0.1, reduction="none")
    expected = (losses[labels == 0].mean() + losses[labels == 1].mean()).item() / 2
    settings = replace(
        SETTINGS, epochs=1, lr=1e-12, class_weights="balanced", label_smoothing=0.1, cuda_graphs=graphs
    )
    result = train_network(net, data, settings, seed=1, device=CPU, micro_batches=micro_batches)
    assert result.history[0].train_loss == pytest.approx(expected, rel=1e-5)
    assert result.history[0].train_loss != pytest.approx(losses.mean().item(), rel=1e-3)


def test_balanced_weights_are_scikit_learns():
    """`compute_class_weight("balanced", ...)` of labels 0, 0, 0, 1, 2, 2."""
    assert balanced_weights([3, 1, 2]).tolist() == pytest.approx([2 / 3, 2, 1])
    assert balanced_weights([5, 5]).tolist() == [1, 1]


def test_no_part_of_a_batch_is_a_single_image(data):
    """BatchNorm of 1x1 pixels cannot train on one."""
    seen = []
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 2), nn.BatchNorm1d(2))
    net.register_forward_hook(
        lambda module, inputs, output: seen.append(len(inputs[0])) if module.training else None
    )
    settings = replace(SETTINGS, epochs=1, batch_size=13, last_batch="train")
    result = train_network(net, data, settings, seed=1, device=CPU, micro_batches=4)
    assert result.diverged is None
    assert seen == [4, 3, 3, 3] * 5 + [3, 2]


def test_micro_batches_do_not_change_validation(data):
    net = network()
    assert validate(net, data, SETTINGS, CPU) == validate(net, data, SETTINGS, CPU, micro_batches=3)


def test_same_seed_same_bits_other_seed_other_bits(data):
    def weights(seed):
        net = network()
        train_network(net, data, SETTINGS, seed=seed, device=CPU)
        return torch.cat([p.flatten() for p in net.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_it_equals_a_plain_loop(data):
    """The loop against one written out with torch's own scheduler."""
    settings = replace(SETTINGS, warmup_epochs=0.0, label_smoothing=0.1, nesterov=True)
    ours, plain = network(), network()
    train_network(ours, data, settings, seed=3, device=CPU)
    optimizer = torch.optim.SGD(plain.parameters(), 0.1, 0.9, weight_decay=5e-5, nesterov=True)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2 * 4)
    for epoch in range(2):
        for x, y in data.train_batches(batch_size=16, seed=3, epoch=epoch):
            optimizer.zero_grad()
            nn.CrossEntropyLoss(label_smoothing=0.1)(plain(x), y).backward()
            optimizer.step()
            scheduler.step()
    for p, q in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)


def test_divergence_is_a_result_with_its_place(data):
    result = train_network(network(), data, replace(SETTINGS, lr=1e30), seed=1, device=CPU)
    assert result.diverged is not None
    assert result.diverged.startswith("loss is ")
    assert "epoch 1, step" in result.diverged
    assert result.history == ()


def test_validate_counts_all_images(data):
    net = network()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()  # always class 0
    assert validate(net, data, SETTINGS, CPU) == 50.0


def test_learning_rate():
    settings = TrainSettings(epochs=10, lr=0.2, warmup_epochs=1.0)
    rates = [learning_rate(settings, step, 8) for step in range(80)]
    assert rates[0] == pytest.approx(0.2 / 8)
    assert max(rates) == pytest.approx(rates[7])
    assert rates[40] == pytest.approx(0.1)
    assert 0 < rates[79] < 0.2 * 0.001
    assert rates[60] == pytest.approx(0.1 * (1 + math.cos(0.75 * math.pi)))


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_networks_compute_in_the_precision_asked_for(data, precision, dtype):
    net, seen = network(), set()
    net[0].register_forward_hook(lambda module, inputs, output: seen.add((module.training, output.dtype)))
    result = train_network(net, data, replace(SETTINGS, precision=precision), seed=1, device=CPU)
    assert result.diverged is None
    assert seen == {(True, dtype), (False, dtype)}
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}


@pytest.mark.parametrize("epochs", [1, 4])
def test_the_estimate_counts_steps_validation_batches_and_epochs(data, monkeypatch, epochs):
    readings = itertools.count()  # so that whatever is timed takes one second
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: float(next(readings))))
    estimate = estimate_seconds(network(), data, replace(SETTINGS, epochs=epochs), CPU)
    assert estimate == pytest.approx(epochs * (70 // 16 + 20 / 7))


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0}, {"batch_size": 1}, {"lr": 0.0}, {"momentum": 1.0}, {"weight_decay": -1.0},
        {"warmup_epochs": 2.0}, {"label_smoothing": 1.0}, {"precision": "fp8"}, {"memory_format": "rows"},
        {"momentum": 0.0, "nesterov": True}, {"val_batch_size": 0},
    ],
)  # fmt: skip
def test_impossible_recipes(change):
    with pytest.raises(UserError, match="train"):
        refuse(replace(SETTINGS, **change).problems())


@pytest.mark.parametrize(
    ("name", "value"), [("channels_last", torch.channels_last), ("contiguous", torch.contiguous_format)]
)
def test_the_network_gets_its_images_in_the_memory_format(data, name, value):
    class Watched(nn.Sequential):
        def forward(self, x):
            seen.append(x.is_contiguous(memory_format=value))
            return super().forward(x)

    seen = []
    settings = replace(SETTINGS, epochs=1, memory_format=name)
    train_network(Watched(*network()), data, settings, seed=1, device=CPU)
    assert len(seen) == 4 + 3  # 70 images in batches of 16, 20 in batches of 7
    assert all(seen)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_it_learns_on_a_gpu():
    generator = torch.Generator().manual_seed(0)
    info = DataInfo("stripes", num_classes=2, num_train=70, num_val=20)
    data = InMemoryImages(
        info, images(70, generator), images(20, generator), mean=(0.4,), std=(0.2,), device="cuda"
    )
    result = train_network(network(), data, replace(SETTINGS, epochs=3), seed=1, device=torch.device("cuda"))
    assert result.error < 10
