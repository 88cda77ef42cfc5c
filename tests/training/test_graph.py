"""Iterations as a CUDA graph: what the CPU can tell, by running the same code on the same static memory."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from designspace.data.images import InMemoryImages
from designspace.data.settings import DataInfo
from designspace.training.graph import EAGER_STEPS, GraphedStep, has_room
from designspace.training.loop import train_network
from designspace.training.settings import TrainSettings

SETTINGS = TrainSettings(epochs=2, batch_size=8, lr=0.1, warmup_epochs=0.5, val_batch_size=16)


def data(device="cpu"):
    generator = torch.Generator().manual_seed(0)

    def images(n):
        return (
            torch.randint(0, 256, (n, 1, 8, 8), generator=generator, dtype=torch.uint8),
            torch.arange(n) % 2,
        )

    info = DataInfo("noise", num_classes=2, num_train=80, num_val=32)
    return InMemoryImages(info, images(80), images(32), mean=(0.5,), std=(0.3,), device=device)


def trained(graphs, device="cpu", **changes):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    settings = replace(SETTINGS, cuda_graphs=graphs, **changes)
    result = train_network(network, data(device), settings, seed=1, device=torch.device(device))
    losses = [epoch.train_loss for epoch in result.history]
    return losses, torch.cat([p.detach().flatten().cpu() for p in network.parameters()])


@pytest.mark.parametrize("changes", [{}, {"batch_size": 12, "last_batch": "train"}])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_training_is_the_same_with_and_without(device, changes):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    (plain, plain_weights), (graphed, weights) = (
        trained(graphs, device, **changes) for graphs in (False, True)
    )
    # The learning rate is a float32 on the device, a Python number without graphs.
    assert graphed == pytest.approx(plain, rel=1e-5)
    torch.testing.assert_close(weights, plain_weights, rtol=1e-4, atol=1e-6)


def test_each_call_is_one_iteration_with_its_own_batch_and_learning_rate():
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    seen = []

    def step(images, labels):
        seen.append((float(images), int(labels), float(optimizer.param_groups[0]["lr"])))
        return images.sum()

    graphed = GraphedStep(step, optimizer, torch.device("cpu"), batch_size=1)
    losses = []
    for i in range(EAGER_STEPS + 3):
        optimizer.param_groups[0]["lr"].fill_(i / 2)
        losses.append(float(graphed(torch.tensor([float(i)]), torch.tensor([i]))))
    assert seen == [(float(i), i, i / 2) for i in range(EAGER_STEPS + 3)]
    assert losses == list(range(EAGER_STEPS + 3))


def test_the_replayed_batch_always_lies_at_the_same_place():
    pointers = []

    def step(images, labels):
        pointers.append((images.data_ptr(), labels.data_ptr()))
        return images.sum()

    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    graphed = GraphedStep(step, optimizer, torch.device("cpu"), batch_size=4)
    batches = [(torch.ones(4), torch.ones(4, dtype=torch.int64)) for _ in range(EAGER_STEPS + 3)]
    for batch in batches:
        graphed(*batch)
    assert len(set(pointers[EAGER_STEPS:])) == 1


def test_without_room_for_its_memory_there_is_no_graph_and_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected, expected_weights = trained(graphs=True)
    monkeypatch.setattr(GraphedStep, "_fits", lambda step: False)
    monkeypatch.setattr(GraphedStep, "_capture", lambda step: pytest.fail("captured"))
    losses, weights = trained(graphs=True)
    assert losses == expected
    assert torch.equal(weights, expected_weights)


@pytest.mark.parametrize(("free", "room"), [(54, False), (56, True)])
def test_a_graph_needs_once_more_what_a_step_takes_beside_what_is_kept(free: int, room: bool) -> None:
    assert has_room(free, kept=50, peak=100) is room
