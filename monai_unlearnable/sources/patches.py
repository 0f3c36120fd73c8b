"""Images that are too large to work on as a whole, cut into patches of like size that do not overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, product

from monai_unlearnable.errors import SourceError
from monai_unlearnable.types import Region

__all__ = ["LARGEST_PATCH_VALUES", "patch_regions"]

LARGEST_PATCH_VALUES = 1 << 23
"""Values in a patch; a step on one takes about ten arrays of so many floats, 320 MiB."""


def patch_regions(shape: Sequence[int], *, largest_values: int = LARGEST_PATCH_VALUES) -> tuple[Region, ...]:
    """Cut an image into patches, the longest axis first, until none is too large.

    Args:
        shape: ``(channel, *space)``. Channels stay together.
        largest_values: values that a patch may have.

    Returns:
        The patches in the order of the array; together they are the image, each voxel once, and along an axis their
        sizes differ by one at most. One patch where the image is small enough.

    Raises:
        SourceError: a single pixel has more channels than a patch may have values.

    Example:
        >>> patch_regions((1, 4, 5), largest_values=10)[1]
        (slice(0, 1, None), slice(0, 2, None), slice(2, 5, None))
    """
    channels, *space = shape
    if channels > largest_values:
        raise SourceError(f"{channels} channels a pixel, but a patch may have {largest_values} values.")
    counts = [1] * len(space)
    while channels * math.prod(_largest(space, counts)) > largest_values:
        sizes = _largest(space, counts)
        counts[sizes.index(max(sizes))] += 1
    axes = [_cut(size, count) for size, count in zip(space, counts, strict=True)]
    return tuple((slice(0, channels), *one) for one in product(*axes))


def _largest(space: Sequence[int], counts: Sequence[int]) -> list[int]:
    return [-(-size // count) for size, count in zip(space, counts, strict=True)]


def _cut(size: int, count: int) -> list[slice]:
    edges = [size * at // count for at in range(count + 1)]
    return [slice(start, end) for start, end in pairwise(edges)]
