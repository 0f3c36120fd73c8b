"""Shapes and dtypes, written once.

``batch`` counts images, ``channel`` their channels, ``*space`` is ``height width`` or
``depth height width``. Images and deltas are in *levels* (integer steps of the stored file)
unless a docstring says otherwise.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import NDArray
from torch import Tensor

__all__ = [
    "ClassLabels",
    "ClassMaps",
    "Deltas",
    "Images",
    "Labels",
    "Logits",
    "MemberLogits",
    "MultiLabels",
    "PerSample",
    "PerSampleFlag",
    "Region",
    "StoredArray",
    "StoredLevels",
    "StoredValues",
    "Windows",
]

Images: TypeAlias = Float[Tensor, "batch channel *space"]
"""Images in levels, float32 (every integer up to 2**24 is exact)."""

Deltas: TypeAlias = Float[Tensor, "batch channel *space"]
"""Deltas in levels, float32 while they are optimised."""

StoredLevels: TypeAlias = Int[Tensor, "batch channel *space"]
"""Deltas in whole levels, as a store keeps them (int8, int16 or int32)."""

Windows: TypeAlias = Float[Tensor, "batch 2"]
"""Lower and upper end of each image's window, in levels."""

ClassLabels: TypeAlias = Int[Tensor, " batch"]
"""One class index for each image, int64."""

MultiLabels: TypeAlias = Float[Tensor, "batch classes"]
"""One 0/1 float for each image and label."""

ClassMaps: TypeAlias = Int[Tensor, "batch *space"]
"""The class of every pixel of each image; 0 is the background."""

Labels: TypeAlias = Shaped[Tensor, "batch ..."]
"""Either :data:`ClassLabels`, :data:`MultiLabels` or :data:`ClassMaps`."""

Logits: TypeAlias = Float[Tensor, "batch classes"]

MemberLogits: TypeAlias = Float[Tensor, "batch classes members"]
"""Logits of several networks, side by side."""

PerSample: TypeAlias = Float[Tensor, " batch"]
PerSampleFlag: TypeAlias = Bool[Tensor, " batch"]

Region: TypeAlias = tuple[slice, ...]
"""Part of an image or a delta: one slice for each axis, channel first, step 1."""

StoredArray: TypeAlias = NDArray[np.integer]
"""Stored integers of one image, channel first: (channel, *space)."""

StoredValues: TypeAlias = NDArray[np.integer | np.floating]
"""Stored numbers of one image, (channel, *space): integers, or the floats of a floating-point file."""
