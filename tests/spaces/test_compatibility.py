"""Width, bottleneck ratio and group width fit each other."""

import numpy as np
import pytest

from designspace.spaces.compatibility import make_compatible


def one(w, b, g):
    width, group = make_compatible(np.array([w]), np.array([float(b)]), np.array([g]))
    return int(width[0]), int(group[0])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((392, 1, 16), (384, 16)),  # 24.5 groups: half to even, the published RegNetX-400MF
        ((24, 1, 16), (32, 16)),  # 1.5 groups, also to even
        ((8, 1, 32), (8, 8)),  # no group is wider than the convolution
        ((8, 4, 16), (8, 2)),
        ((40, 1, 32), (32, 32)),
        ((8, 0.25, 16), (8, 16)),  # inverted bottleneck: v = 32
        ((24, 0.25, 64), (32, 64)),  # v = 96 is 1.5 groups of 64, to even: 128
        ((8, 0.5, 1), (8, 1)),
    ],
)
def test_examples(given, expected):
    assert one(*given) == expected


def test_every_result_is_valid_and_stays_as_it_is():
    rng = np.random.default_rng(0)
    w = 8 * rng.integers(1, 129, 10_000)
    b = rng.choice([0.25, 0.5, 1, 2, 4], 10_000)
    g = rng.choice([1, 2, 4, 8, 16, 24, 32, 64], 10_000)
    widths, groups = make_compatible(w, b, g)
    v = widths / b
    assert (v == np.rint(v)).all()
    assert (v % groups == 0).all()
    assert ((groups == g) | (groups < g) & (groups <= v)).all()
    assert (np.abs(v - w / b) <= np.maximum(groups, 4)).all()
    again, same = make_compatible(widths, b, groups)
    assert (again == widths).all()
    assert (same == groups).all()
