"""Initialisation, determinism and error messages of `build_network`."""

import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from designspace.errors import UserError
from designspace.networks.architecture import Architecture
from designspace.networks.blocks import BLOCKS
from designspace.networks.build import build_network
from designspace.networks.module import MODULES, BasicBlock, SingleResidualBlock, XBlock, YBlock


def small(block: str = "x", group_width: int = 8) -> Architecture:
    return Architecture(block, (1, 2), (16, 32), (1.0, 1.0), (group_width,) * 2, stem_width=8, stem_stride=1)


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("model", [*map(small, BLOCKS), "regnetx_002"], ids=str)
def test_weights_depend_on_the_seed_alone(model: Architecture | str) -> None:
    before = torch.get_rng_state()
    first = build_network(model, num_classes=10, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)  # another global state must not matter
    assert same_weights(first, build_network(model, num_classes=10, seed=1))
    assert not same_weights(first, build_network(model, num_classes=10, seed=2))
    unseeded = build_network(model, num_classes=10)
    assert not same_weights(unseeded, build_network(model, num_classes=10))


@pytest.mark.parametrize("group_width", [1, 96])
def test_initial_weights_have_the_published_spread(group_width: int) -> None:
    """Standard deviation sqrt(2 / (k k out_channels)) for every convolution, dense or depthwise."""
    network = Architecture("y", (2, 2), (96, 192), (1.0, 1.0), (group_width,) * 2, stem_width=48)
    for m in build_network(network, num_classes=1000, seed=0).modules():
        if isinstance(m, nn.Conv2d):
            expected = math.sqrt(2 / (m.kernel_size[0] * m.kernel_size[1] * m.out_channels))
        elif isinstance(m, nn.Linear):
            expected = 0.01
        else:
            continue
        tolerance = 4 / math.sqrt(2 * m.weight.numel())  # four standard errors of a standard deviation
        assert m.weight.std().item() == pytest.approx(expected, rel=tolerance)
        assert abs(m.weight.mean().item()) < 4 * expected / math.sqrt(m.weight.numel())
        assert m.bias is None or not m.bias.any()


@pytest.mark.parametrize("block", BLOCKS)
def test_batchnorm_starts_as_the_identity(block: str) -> None:
    network = build_network(small(block), num_classes=10, seed=0)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    for norm in norms:
        assert (norm.weight == 1).all()
        assert not norm.bias.any()
        assert not norm.running_mean.any()
        assert (norm.running_var == 1).all()


@pytest.mark.parametrize("block", BLOCKS)
def test_zero_init_residual_makes_each_block_its_shortcut(block: str) -> None:
    network = build_network(small(block), num_classes=10, zero_init_residual=True, seed=0).eval()
    x = torch.randn(2, 8, 6, 6)
    for module in network.modules():
        if isinstance(module, (XBlock, YBlock, BasicBlock, SingleResidualBlock)):
            expected = module.shortcut(x).relu()
            x = module(x)
            assert torch.equal(x, expected)
    zeroed = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d) and not m.weight.any()]
    assert len(zeroed) == (3 if BLOCKS[block].residual else 0)


@pytest.mark.parametrize(
    ("name", "residual_blocks"), [("resnet18", 8), ("regnetx_002", 13), ("regnetz_005", 21)]
)
def test_zero_init_residual_rules_reference_networks_too(name: str, residual_blocks: int) -> None:
    for zero_init in (False, True):
        network = build_network(name, num_classes=10, zero_init_residual=zero_init, seed=0)
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        assert sum(not norm.weight.any() for norm in norms) == zero_init * residual_blocks


@pytest.mark.parametrize("block", BLOCKS)
def test_gradients_reach_every_layer(block: str) -> None:
    architecture = Architecture(block, (1, 2), (64, 64), (1.0, 1.0), (8, 8))
    network = build_network(architecture, num_classes=10, in_channels=1, seed=0)
    logits = network(torch.randn(4, 1, 9, 9))
    assert logits.shape == (4, 10)
    nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize("name", ["resnext50_32x4d", "efficientnet_b0", "mobilenetv2_100"])
def test_reference_networks_take_classes_and_channels(name: str) -> None:
    network = build_network(name, num_classes=7, in_channels=1, seed=0).eval()
    with torch.no_grad():
        assert network(torch.randn(1, 1, 32, 32)).shape == (1, 7)


@pytest.mark.parametrize(("name", "hint"), [("resnet5O", "resnet50"), ("RegNetX_004", "regnetx_004")])
def test_unknown_name_suggests_the_right_one(name: str, hint: str) -> None:
    with pytest.raises(UserError, match=f"{name}.*did you mean .*{hint}") as error:
        build_network(name, num_classes=10)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["", "zzzzzzzz", "hf-hub:someone/something"])
def test_names_like_nothing_known(name: str) -> None:
    with pytest.raises(UserError, match=r"network=.*(list_models|NAME)") as error:
        build_network(name, num_classes=10)
    assert "\n" not in str(error.value)


def test_every_block_has_a_module() -> None:
    assert list(MODULES) == list(BLOCKS)


def test_unknown_block_names_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"block must be one of x, y, .*paper_v, paper_vr, but got 'q'"):
        build_network(small("q"), num_classes=10)


def test_without_timm_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    for name in ("mobilenetv2_100", "timm:resnet50"):
        with pytest.raises(UserError, match=r"pip install designspace\[models\]") as error:
            build_network(name, num_classes=10)
        assert "\n" not in str(error.value)
    build_network("squeezenet1_1", num_classes=10)  # torchvision's
    build_network(small(), num_classes=10)


def test_imports_are_light() -> None:
    """Complexity needs no torch, our own networks no timm."""
    for module, absent in (
        ("designspace.networks.complexity", "torch"),
        ("designspace.networks", "torch"),
        ("designspace.networks.build", "timm"),
    ):
        code = f"import sys, {module}; sys.exit({absent!r} in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0, module
