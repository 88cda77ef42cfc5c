"""The guided search against NumPy's binary search."""

import numpy as np
import pytest

from designspace.spaces.lookup import GuidedSearch


@pytest.mark.parametrize("cells", [1, 3, 64, 5000])
@pytest.mark.parametrize("n", [1, 2, 50, 1000])
def test_finds_what_a_binary_search_finds(n, cells):
    rng = np.random.default_rng(n)
    steps = rng.random(n) ** 8 * (rng.random(n) < 0.8)  # very unequal, some entries twice
    table = np.cumsum(steps) / max(steps.sum(), 1e-9) * 7.5
    between = rng.random(20_000) * table[-1]
    around = np.concatenate([table, np.nextafter(table, 0), np.nextafter(table, 9)])
    x = np.concatenate([between, around[around <= table[-1]], [0.0]])
    assert np.array_equal(GuidedSearch(table, cells=cells)(x), np.searchsorted(table, x, side="right"))


@pytest.mark.parametrize("cells", [3, 7, 10])
def test_is_exact_where_entries_are_borders_of_cells(cells):
    """A number just below an entry must not be rounded into the cell that begins there."""
    table = np.arange(1, 8 * cells) / cells
    x = np.nextafter(table, 0)
    assert np.array_equal(GuidedSearch(table, cells=cells)(x), np.searchsorted(table, x, side="right"))
