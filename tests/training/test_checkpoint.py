"""Interrupted anywhere, a training ends with the same bits; a damaged checkpoint counts as none."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

from designspace.data.images import InMemoryImages
from designspace.data.settings import DataInfo
from designspace.launch.interrupt import Interrupted
from designspace.training.checkpoint import Checkpointer
from designspace.training.loop import train_network
from designspace.training.settings import TrainSettings

CPU = torch.device("cpu")
SETTINGS = TrainSettings(epochs=3, batch_size=16, lr=0.1, val_batch_size=7)
STEPS = 4  # an epoch


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 255, (90, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 2, (90,), generator=generator)
    info = DataInfo("noise", num_classes=2, num_train=70, num_val=20)
    return InMemoryImages(
        info, (pixels[:70], labels[:70]), (pixels[70:], labels[70:]), mean=(0.4,), std=(0.2,)
    )


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))


def run(data, checkpointer=None, **options):
    net = network()
    result = train_network(net, data, SETTINGS, seed=5, device=CPU, checkpointer=checkpointer, **options)
    return [(e.train_loss, e.val_error) for e in result.history], torch.cat(
        [p.flatten() for p in net.parameters()]
    )


@pytest.fixture(scope="module")
def undisturbed(data):
    return run(data)


def interrupted_after(path, steps, minutes=0.0):
    """A checkpointer that is asked to stop after so many steps."""
    count = 0

    def asked():
        nonlocal count
        count += 1
        return count == steps

    return Checkpointer(path, interrupted=asked, minutes=minutes)


@pytest.mark.parametrize("step", range(1, SETTINGS.epochs * (STEPS - 1) + 1))
def test_an_interruption_anywhere_changes_no_bit(data, undisturbed, tmp_path, step):
    path = tmp_path / "checkpoint"
    with pytest.raises(Interrupted):
        run(data, interrupted_after(path, step))
    history, weights = run(data, Checkpointer(path))
    assert history == undisturbed[0]
    assert torch.equal(weights, undisturbed[1])


def test_dropout_and_stochastic_depth_draw_the_same_after_an_interruption(data, tmp_path):
    def train(checkpointer=None):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), StochasticDepth(0.2, "row"), nn.Linear(3 * 64, 2))
        torch.rand(7 if checkpointer else 0)  # another global state must not matter
        result = train_network(net, data, SETTINGS, seed=5, device=CPU, checkpointer=checkpointer)
        return [epoch.train_loss for epoch in result.history]

    path = tmp_path / "checkpoint"
    with pytest.raises(Interrupted):
        train(interrupted_after(path, 5))
    assert train(Checkpointer(path)) == train()
    assert len(set(train())) == SETTINGS.epochs


def test_interrupted_again_and_again(data, undisturbed, tmp_path):
    path, times = tmp_path / "checkpoint", 0
    while True:
        try:
            history, weights = run(data, interrupted_after(path, 2, minutes=60))
            break
        except Interrupted:
            times += 1
    assert times > 3
    assert history == undisturbed[0]
    assert torch.equal(weights, undisturbed[1])


def test_without_an_interruption_there_is_a_checkpoint_an_epoch(data, undisturbed, tmp_path):
    path = tmp_path / "checkpoint"
    assert run(data, Checkpointer(path))[0] == undisturbed[0]
    assert Checkpointer(path).load()["epoch"] == SETTINGS.epochs - 1
    again, _ = run(data, Checkpointer(path))
    assert again == undisturbed[0]


def test_minutes_hold_checkpoints_back(data, tmp_path):
    path = tmp_path / "checkpoint"
    run(data, Checkpointer(path, minutes=60))
    assert not path.exists()
    run(data, Checkpointer(path, minutes=1e-9))
    state = Checkpointer(path).load()
    assert (state["epoch"], state["step"]) == (SETTINGS.epochs - 1, STEPS - 1)


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "foreign"])
def test_a_damaged_checkpoint_counts_as_none(data, undisturbed, tmp_path, damage):
    path = tmp_path / "checkpoint"
    with pytest.raises(Interrupted):
        run(data, interrupted_after(path, 5))
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    path.write_bytes(
        {"truncated": content[:-9], "empty": b"", "flipped": content, "foreign": b"x" * 99}[damage]
    )
    history, weights = run(data, Checkpointer(path))
    assert history == undisturbed[0]
    assert torch.equal(weights, undisturbed[1])


def test_one_micro_batch_is_the_plain_step_and_several_are_close(data, undisturbed):
    assert run(data, micro_batches=1)[0] == undisturbed[0]
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))  # without BatchNorm the parts add up to the whole
    with torch.no_grad():
        net[1].weight.zero_()
    other = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))
    other.load_state_dict(net.state_dict())
    one = replace(SETTINGS, epochs=1)
    train_network(net, data, one, seed=5, device=CPU)
    train_network(other, data, one, seed=5, device=CPU, micro_batches=4)
    torch.testing.assert_close(net[1].weight, other[1].weight, rtol=1e-4, atol=1e-6)
