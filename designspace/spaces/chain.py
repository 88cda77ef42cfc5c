"""Exact draws of one state a stage, given pairwise conditions between neighbouring stages.

A stage is in one of k states. Given the condition that every neighbouring pair is allowed, the sequence is
a Markov chain whose transition tables follow from a backward recursion (a dynamic programme): nothing is
rejected, and every allowed sequence has exactly its conditional probability.

A chain is a mixture of components, one for each value of the parameters that all stages share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from designspace.networks.architecture import FloatArray, IntArray
from designspace.spaces.lookup import GuidedSearch


@dataclass(frozen=True, eq=False)
class Component:
    """States of a stage under one value of the shared parameters.

    weight: probability of that value, before conditioning. probabilities: [k] of the states.
    allowed: [k, k], whether state i may be followed by state j; None where any may.
    """

    weight: float
    probabilities: FloatArray
    allowed: npt.NDArray[np.bool_] | None


class StageChain:
    """Sampler of stage sequences. States are numbered through all components, in order."""

    def __init__(self, components: Sequence[Component], stages: int) -> None:
        self._stages = stages
        messages = [_backward(component, stages) for component in components]
        totals = np.array(
            [c.weight * (c.probabilities @ m[0]) for c, m in zip(components, messages, strict=True)]
        )
        self.probability = float(totals.sum())  # of the condition, under independent stages
        if not self.probability > 0:
            return
        firsts = np.cumsum([0] + [len(c.probabilities) for c in components])  # first state of a component
        self._component = _Rows([(totals, 0)])
        self._first = _Rows(
            [
                (c.probabilities * m[0], first)
                for c, m, first in zip(components, messages, firsts, strict=False)
            ]
        )
        self._free = all(c.allowed is None for c in components)
        self._next: list[_Rows] = []
        if not self._free:
            for t in range(1, stages):
                rows: list[tuple[FloatArray, int]] = []
                for c, m, first in zip(components, messages, firsts, strict=False):
                    reached = c.probabilities * m[t]
                    allowed = c.allowed if c.allowed is not None else np.ones((len(reached),) * 2, bool)
                    rows.extend((row, int(first)) for row in allowed * reached)
                self._next.append(_Rows(rows))

    def sample(self, rng: np.random.Generator, n: int) -> IntArray:
        """n independent sequences, [n, stages] states."""
        u = rng.random((self._stages + 1, n))
        component = self._component.draw(np.zeros(n, dtype=np.int64), u[0])
        states = np.empty((self._stages, n), dtype=np.int64).T  # a stage after the other, also in memory
        states[:, 0] = self._first.draw(component, u[1])
        for t in range(1, self._stages):
            if self._free:
                states[:, t] = self._first.draw(component, u[t + 1])
            else:
                states[:, t] = self._next[t - 1].draw(states[:, t - 1], u[t + 1])
        return states


def _backward(component: Component, stages: int) -> list[FloatArray]:
    """messages[t][i]: probability that the stages after t are allowed, given that stage t is in state i."""
    p, allowed = component.probabilities, component.allowed
    messages = [np.ones(len(p))]
    for _ in range(stages - 1):
        ahead = p * messages[0]
        messages.insert(0, np.full(len(p), ahead.sum()) if allowed is None else allowed @ ahead)
    return messages


class _Rows:
    """Many discrete distributions in one table, drawn from by inversion with a single search.

    Row r is stored as its cumulative probabilities plus r, so that all rows together are one sorted array
    and the draw of row r at u is the first entry above r + u.
    """

    def __init__(self, rows: Sequence[tuple[FloatArray, int]]) -> None:
        """rows: unnormalised weights and the number of the row's first state. Empty rows are never asked."""
        cumulative, begin, last = [], [], []
        position = 0
        for r, (weights, _) in enumerate(rows):
            total = np.cumsum(weights)
            cumulative.append(r + (total / total[-1] if total[-1] > 0 else np.ones_like(total)))
            begin.append(position)
            last.append(position + int(np.searchsorted(total, total[-1])))
            position += len(weights)
        self._search = GuidedSearch(np.concatenate(cumulative), cells=4 * max(len(w) for w, _ in rows))
        self._shift = np.array([state for _, state in rows]) - np.array(begin)
        self._last = np.array(last)

    def draw(self, row: IntArray, u: FloatArray) -> IntArray:
        """One state a row, [n]; u uniform in [0, 1), [n]."""
        found = self._search(row + u)
        return np.asarray(np.minimum(found, self._last[row]) + self._shift[row])
