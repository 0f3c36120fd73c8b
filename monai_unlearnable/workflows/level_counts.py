"""How often each level occurs in many images, whatever their integer type."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["LevelCounts"]

_LOW_PERCENTILE, _HIGH_PERCENTILE = 0.5, 99.5


class LevelCounts:
    """Counts the levels of one image after the other; memory grows with the number of levels that occur.

    Example:
        >>> counts = LevelCounts()
        >>> counts.add(np.array([[-5, 3, 3]], dtype=np.int32))
        >>> counts.levels.tolist(), counts.counts.tolist()
        ([-5, 3], [1, 2])
    """

    def __init__(self) -> None:
        self.levels: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.counts: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def add(self, levels: NDArray[np.integer]) -> None:
        """Count the levels of an array of any shape and integer type."""
        found, times = _unique(levels)
        merged, place = np.unique(np.concatenate([self.levels, found]), return_inverse=True)
        counts = np.zeros(len(merged), dtype=np.int64)
        np.add.at(counts, place, np.concatenate([self.counts, times]))
        self.levels, self.counts = merged, counts

    def robust_range(self, *, above: int) -> tuple[float, float]:
        """Return percentiles 0.5 and 99.5 of all values above a level; twice that level where there are none."""
        levels, counts = self.levels[self.levels > above], self.counts[self.levels > above]
        if not len(levels):
            return float(above), float(above)
        cumulative = np.cumsum(counts)
        places = [np.searchsorted(cumulative, cumulative[-1] * p / 100) for p in (_LOW_PERCENTILE, _HIGH_PERCENTILE)]
        low, high = (float(levels[place]) for place in places)
        return low, high


def _unique(levels: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if levels.dtype.itemsize > 2:
        found, times = np.unique(levels, return_counts=True)
        return found.astype(np.int64), times.astype(np.int64)
    lowest = int(np.iinfo(levels.dtype).min)  # counting is much faster than sorting
    counts = np.bincount(levels.ravel().astype(np.int64) - lowest)
    occurring = np.flatnonzero(counts)
    return occurring.astype(np.int64) + lowest, counts[occurring].astype(np.int64)
