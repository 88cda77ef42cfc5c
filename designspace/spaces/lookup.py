"""Search in a sorted table that many numbers are looked up in."""

from __future__ import annotations

import numpy as np

from designspace.networks.architecture import FloatArray, IntArray


class GuidedSearch:
    """Index of the first entry above a number: what a binary search finds, several times faster.

    A guide table (Chen and Asau, 1974) holds, for each cell [c, c + 1) / cells, the first entry above
    c / cells; from there on entries are stepped over one by one. The number of cells to the unit is rounded
    up to a power of two, so that finding the cell of a number is exact.
    """

    def __init__(self, table: FloatArray, *, cells: int) -> None:
        """table: non-negative and in increasing order. Numbers looked up may be 0 up to its last entry."""
        self._cells = 1 << (cells - 1).bit_length()
        self._table = np.append(table, np.inf)  # the entry above the last one
        borders = np.arange(int(table[-1] * self._cells) + 1) / self._cells
        self._first = np.searchsorted(table, borders, side="right")

    def __call__(self, x: FloatArray) -> IntArray:
        """As `np.searchsorted(table, x, side="right")`, [n]."""
        found = self._first[(x * self._cells).astype(np.int64)]
        short = np.flatnonzero(self._table[found] <= x)
        while len(short):
            found[short] += 1
            short = short[self._table[found[short]] <= x[short]]
        return found
