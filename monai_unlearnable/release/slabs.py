"""Work through an image part by part, so that wide numbers of it never lie in memory all at once."""

from __future__ import annotations

import math
from collections.abc import Iterator

__all__ = ["slabs"]

_SLAB_VALUES = 1 << 17
"""Few enough that the wide numbers of a part stay in the processor's cache."""


def slabs(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield regions that make up an image, each of about a hundred thousand values at most (at least one slice).

    Args:
        shape: ``(channel, *space)``; the first axis of space is cut.

    Example:
        >>> list(slabs((1, 3, 4, 2**15)))
        [(slice(None, None, None), slice(0, 1, None)), (slice(None, None, None), slice(1, 2, None)),
         (slice(None, None, None), slice(2, 3, None))]
    """
    size = math.prod(shape)
    step = max(1, _SLAB_VALUES * shape[1] // max(1, size))
    for start in range(0, shape[1], step):
        yield slice(None), slice(start, min(shape[1], start + step))
