"""Make width, bottleneck ratio and group width fit each other."""

from __future__ import annotations

import numpy as np

from designspace.networks.architecture import FloatArray, IntArray

ONE_GROUP = 1 << 40  # channels, more than any network has: the group width of a dense convolution


def make_compatible(
    widths: IntArray, bottleneck_ratios: FloatArray, group_widths: IntArray
) -> tuple[IntArray, IntArray]:
    """Adjusted widths and group widths, elementwise over arrays of any one shape.

    The bottleneck width is v = w / b and g becomes min(g, v). Then v becomes the nearest multiple of g
    (halves to even, at least g) and w = v b. With an inverted bottleneck (b < 1) v must also stay a
    multiple of 1 / b, so the least common multiple of both takes the place of g.

    Halves to even matter: w = 392 with g = 16 is 24.5 groups and becomes 384, the published RegNetX-400MF.
    """
    v = np.maximum(1, np.floor(widths / bottleneck_ratios)).astype(np.int64)
    g = np.minimum(group_widths, v)
    expansion = np.maximum(1, np.rint(1 / bottleneck_ratios)).astype(np.int64)
    multiple = np.lcm(g, expansion)
    v = np.maximum(multiple, np.rint(v / multiple).astype(np.int64) * multiple)
    return np.rint(v * bottleneck_ratios).astype(np.int64), g
