"""Closed forms against published integers and hand-worked networks (`models/test_counts.py` runs them)."""

import tracemalloc

import numpy as np
import pytest

import designspace.networks.complexity as complexity_module
from designspace.networks.architecture import Architecture, Architectures
from designspace.networks.complexity import Complexity, complexity

REGNETX_400MF = Architecture("x", (1, 2, 7, 12), (32, 64, 160, 384), (1.0,) * 4, (16,) * 4)


def cost_of(network: Architecture, **image: int) -> tuple[int, int, int]:
    cost = complexity(Architectures.of(network), **image)
    return cost.flops.item(), cost.params.item(), cost.acts.item()


def population(n: int, block: str = "x") -> Architectures:
    rng = np.random.default_rng(0)
    return Architectures(
        block,
        depths=rng.integers(1, 17, (n, 4)),
        widths=8 * rng.integers(1, 129, (n, 4)),
        bottleneck_ratios=2.0 ** rng.integers(-1, 3, (n, 4)),
        group_widths=2 ** rng.integers(0, 2, (n, 4)),
    )


def assert_equal(a: Complexity, b: Complexity) -> None:
    for name in ("flops", "params", "acts"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def test_regnetx_400mf_to_the_last_digit() -> None:
    assert cost_of(REGNETX_400MF, resolution=224, num_classes=1000) == (397_678_568, 5_157_512, 3_143_272)


def test_one_block_by_hand() -> None:
    """5x5 grey image; stem 8 channels stride 1; one Y block of width 12, v = 6, 2 groups; 3 classes."""
    network = Architecture("y", (1,), (12,), (2.0,), (3,), stem_width=8, stem_stride=1)
    in_area, area, squeezed = 5 * 5, 3 * 3, 2
    weights = np.array([9 * 8, 8 * 6, 9 * 3 * 6, 6 * squeezed, squeezed * 6, 6 * 12, 8 * 12, 12 * 3])
    areas = np.array([in_area, in_area, area, 1, 1, area, area, 1])
    widths = np.array([8, 6, 6, squeezed, 6, 12, 12, 3])
    biases = squeezed + 6 + 3
    norms = 2 * (8 + 6 + 6 + 12 + 12)
    expected = (weights @ areas + biases, weights.sum() + biases + norms, widths @ areas)
    assert cost_of(network, resolution=5, num_classes=3, in_channels=1) == expected


@pytest.mark.parametrize("block", ["x", "y", "v", "r"])
def test_a_network_costs_the_same_alone_and_in_a_population(
    block: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = population(25, block)
    together = complexity(networks, resolution=33, num_classes=7)
    alone = [cost_of(network, resolution=33, num_classes=7) for network in networks]
    np.testing.assert_array_equal(np.stack([together.flops, together.params, together.acts], 1), alone)
    monkeypatch.setattr(complexity_module, "ROWS_AT_ONCE", 4)
    assert_equal(complexity(networks, resolution=33, num_classes=7), together)


def test_counts_are_exact_integers_beyond_float_precision() -> None:
    w, classes = 2**14 + 2, 1001  # the only odd term is (w + 1) * classes
    wide = Architecture("v", (16,) * 4, (w,) * 4, (1.0,) * 4, (w,) * 4)
    flops, params, acts = cost_of(wide, resolution=2047, num_classes=classes)
    areas = [512**2, 256**2, 128**2, 64**2]
    expected = 9 * 3 * 32 * 1024**2 + 9 * 32 * w * areas[0] + 31 * 9 * w * w * areas[0]
    expected += 32 * 9 * w * w * sum(areas[1:]) + (w + 1) * classes
    assert flops == expected
    assert expected > 2**53
    assert int(float(expected)) != expected
    assert flops > params > acts > 0


def test_empty_population() -> None:
    cost = complexity(population(0), resolution=224, num_classes=1000)
    assert cost.flops.shape == cost.params.shape == cost.acts.shape == (0,)
    assert cost.flops.dtype == np.int64


def test_temporary_memory_does_not_grow_with_the_population() -> None:
    networks = population(200_000)
    tracemalloc.start()
    cost = complexity(networks, resolution=224, num_classes=1000)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    result_bytes = 3 * cost.flops.nbytes
    assert peak_bytes - result_bytes < 10e6
