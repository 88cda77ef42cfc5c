"""Closed-form complexity == what torch counts while random networks run."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from counting import count

from designspace.networks.architecture import Architecture, Architectures
from designspace.networks.blocks import BLOCKS
from designspace.networks.complexity import complexity
from designspace.networks.counting import Cost, module_complexity
from designspace.networks.module import AnyNet

NUM_RANDOM = 50  # networks for each block, number of stages and stem stride


def random_networks(block: str, stages: int, stem_stride: int, n: int, seed: int) -> Architectures:
    """Valid networks: g divides v, w = v b is whole; widths are odd and even, also tiny ones."""
    rng = np.random.default_rng(seed)
    shape = (n, stages)
    ratios = rng.choice([0.5, 1.0, 2.0, 4.0], shape)
    groups = rng.choice([1, 2, 3, 4, 8], shape)
    bottlenecks = groups * 2 * rng.integers(1, 5, shape)
    widths = np.rint(bottlenecks * ratios).astype(np.int64)
    if not BLOCKS[block].bottleneck:
        widths = rng.integers(1, 30, shape)
        ratios, groups = np.ones(shape), widths
    return Architectures(
        block, rng.integers(1, 4, shape), widths, ratios, groups, int(rng.integers(1, 33)), stem_stride
    )


@pytest.mark.parametrize("stem_stride", [1, 2])
@pytest.mark.parametrize("stages", [3, 5])
@pytest.mark.parametrize("block", BLOCKS)
def test_closed_form_is_what_torch_counts(block: str, stages: int, stem_stride: int) -> None:
    networks = random_networks(block, stages, stem_stride, NUM_RANDOM, seed=10 * stages + stem_stride)
    resolutions = [32, 33, 47, 1]
    costs = {
        r: complexity(networks, resolution=r, num_classes=10 + stages, in_channels=stem_stride)
        for r in resolutions
    }
    for i, network in enumerate(networks):
        resolution = resolutions[i % len(resolutions)]
        module = AnyNet(network, num_classes=10 + stages, in_channels=stem_stride)
        closed = {name: values[i].item() for name, values in asdict(costs[resolution]).items()}
        assert Cost(**closed) == count(module, resolution, stem_stride), (network, resolution)
        if i < len(resolutions):
            counted = module_complexity(module, resolution=resolution, in_channels=stem_stride)
            assert Cost(**closed) == counted, (network, resolution)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("width", [1, 2])
def test_smallest_networks(block: str, width: int) -> None:
    """One block of 1 or 2 channels on a 1x1 image; the squeeze keeps at least one channel."""
    network = Architecture(block, (1,), (width,), (1.0,), (width,), stem_width=width, stem_stride=1)
    cost = complexity(Architectures.of(network), resolution=1, num_classes=1)
    counted = count(AnyNet(network, num_classes=1).to("meta"), 1)
    assert Cost(cost.flops.item(), cost.params.item(), cost.acts.item()) == counted


def test_the_papers_r_block_is_an_x_block_with_one_group() -> None:
    drawn = random_networks("paper_r", 4, 2, NUM_RANDOM, seed=0)
    one_group = replace(drawn, block="x", group_widths=drawn.bottleneck_widths)
    image = {"resolution": 33, "num_classes": 7}
    ours, theirs = (asdict(complexity(networks, **image)) for networks in (drawn, one_group))
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name], err_msg=name)
    assert str(AnyNet(drawn[0], num_classes=7)) == str(AnyNet(one_group[0], num_classes=7))


def test_the_papers_residual_block_adds_the_projections_to_its_plain_one() -> None:
    """VR costs what V does, and a 1x1 convolution with BatchNorm where a stage begins."""
    plain = Architecture("paper_v", (2, 3), (5, 7), (1.0, 1.0), (5, 7), stem_width=3, stem_stride=1)
    image = {"resolution": 8, "num_classes": 2}
    a, b = (complexity(Architectures.of(n), **image) for n in (plain, replace(plain, block="paper_vr")))
    assert b.flops.item() - a.flops.item() == 3 * 5 * 4**2 + 5 * 7 * 2**2
    assert b.params.item() - a.params.item() == 3 * 5 + 2 * 5 + 5 * 7 + 2 * 7
    convolutions = 9 * (3 * 3 * 8**2 + (3 * 5 + 5 * 5) * 4**2 + (5 * 7 + 2 * 7 * 7) * 2**2)
    assert a.flops.item() == convolutions + (7 + 1) * 2
