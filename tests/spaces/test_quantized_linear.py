"""The quantized linear rule: published networks, and the fast path against the rule itself."""

import numpy as np
import pytest

from designspace.spaces.quantized_linear import quantized_linear_stages, quantized_linear_widths

# depth, w0, wa, wm -> stage widths and depths (before group compatibility), from the authors' model zoo
PUBLISHED = {
    "RegNetX-200MF": ((13, 24, 36.44, 2.49), (24, 56, 152, 368), (1, 1, 4, 7)),
    "RegNetX-400MF": ((22, 24, 24.48, 2.54), (24, 64, 152, 392), (1, 2, 7, 12)),
    "RegNetX-600MF": ((16, 48, 36.97, 2.24), (48, 104, 240, 536), (1, 3, 5, 7)),
    "RegNetX-3.2GF": ((25, 88, 26.31, 2.25), (88, 200, 448, 1000), (2, 6, 15, 2)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks(name):
    parameters, widths, depths = PUBLISHED[name]
    blocks = quantized_linear_widths(*parameters)
    assert blocks.tolist() == np.repeat(widths, depths).tolist()


def test_floor_gives_other_networks():
    parameters, widths, depths = PUBLISHED["RegNetX-400MF"]
    floor = quantized_linear_widths(*parameters, rounding="floor")
    assert floor.tolist() != np.repeat(widths, depths).tolist()
    assert (floor <= quantized_linear_widths(*parameters)).all()


def random_parameters(n, seed):
    rng = np.random.default_rng(seed)
    return (
        rng.integers(1, 64, n),
        8.0 * rng.integers(1, 32, n),
        np.round(rng.integers(80, 2560, n) * 0.1, 10),
        np.round(rng.integers(1500, 3001, n) * 0.001, 10),
    )


@pytest.mark.parametrize("rounding", ["nearest", "floor"])
@pytest.mark.parametrize("stages", [3, 4, 5])
def test_stages_equal_the_rule_applied_block_by_block(rounding, stages):
    depth, w0, wa, wm = random_parameters(20_000, stages)
    wm[:100], w0[:100], wa[:100] = 2.25, 8.0, 4.0  # u_1 / w0 = 1.5 = wm^(1/2): ties of the rounding
    found = quantized_linear_stages(depth, w0, wa, wm, stages=stages, rounding=rounding)
    expected = {}
    for i in range(len(depth)):
        blocks = quantized_linear_widths(int(depth[i]), w0[i], wa[i], wm[i], rounding=rounding)
        s = np.log((w0[i] + wa[i] * np.arange(depth[i])) / w0[i]) / np.log(wm[i])
        levels = np.unique(np.round(s) if rounding == "nearest" else np.floor(s))
        widths, depths = np.unique(blocks, return_counts=True)
        if len(widths) == stages == levels.max() + 1:
            expected[i] = (depths.tolist(), widths.tolist())
    assert found.rows.tolist() == list(expected)
    for row, depths, widths in zip(found.rows, found.depths, found.widths, strict=True):
        assert (depths.tolist(), widths.tolist()) == expected[row]


@pytest.mark.parametrize("bad", [(0, 24, 24, 2), (5, 0, 24, 2), (5, 24, -1, 2), (5, 24, 24, 1)])
def test_impossible_parameters(bad):
    with pytest.raises(ValueError, match="must hold, but got"):
        quantized_linear_widths(*bad)
