"""What the numbers of a mask mean in a segmentation set: one rule for every kind of file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.file_errors import Refused
from monai_unlearnable.sources.image_file import StoredValues

__all__ = ["BRIGHT_ABOVE", "MAXIMUM_MASK_CLASSES", "MaskClasses", "MaskNumbers", "classes_of", "present_classes"]

MAXIMUM_MASK_CLASSES = 256
"""Larger numbers in a mask are taken for something else than classes."""

BRIGHT_ABOVE = 127
"""In a mask that was compressed with loss, brighter pixels are class 1."""

_LOSSY_COLOUR_LEVELS = 16
"""So far apart may compression with loss bring the three channels of one grey pixel."""

_COUNTED_VOXELS = 1 << 20
"""So many voxels are counted at once: counting takes eight bytes for each."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MaskNumbers:
    """The numbers of a mask's file.

    Attributes:
        values: ``(channel, *space)``, whole or floating-point numbers, in the unit that the file's header gives them.
        is_picture: the file is a picture (PNG, JPEG, BMP or TIFF), not a volume.
        is_lossy: it was compressed with loss (JPEG).
    """

    values: StoredValues
    is_picture: bool
    is_lossy: bool = False


@dataclass(frozen=True, eq=False)
class MaskClasses:
    """The class of every voxel of a mask.

    Attributes:
        indices: ``(*space)`` uint8, class indices; 0 is the background.
        is_dark_and_bright: the file holds no class indices but two levels, dark for class 0 and bright for class 1.
    """

    indices: NDArray[np.uint8]
    is_dark_and_bright: bool


def classes_of(numbers: MaskNumbers, *, class_count: int | None = None) -> MaskClasses:
    """Tell which class each number of a mask means.

    Masks hold class indices, whole numbers from 0 (the background). Pictures have two exceptions, in sets of two
    classes (or of a number that is not known yet): a picture that was compressed with loss is class 1 where it is
    brighter than 127; and so is an 8-bit picture that holds 255 and, but for 0, nothing else. A picture of three
    channels counts as grey where they agree: exactly, or within 16 levels if it was compressed with loss.

    Args:
        numbers: what the file holds.
        class_count: how many classes the set has; None where that is not known yet.

    Raises:
        Refused: it holds colours or several channels, or numbers that are no classes of the set.

    Example:
        >>> bright = np.array([[[0, 255]]], dtype=np.uint8)
        >>> classes_of(MaskNumbers(values=bright, is_picture=True)).indices
        array([[0, 1]], dtype=uint8)
        >>> classes_of(MaskNumbers(values=bright, is_picture=False)).indices
        array([[  0, 255]], dtype=uint8)
        >>> classes_of(MaskNumbers(values=bright, is_picture=False), class_count=3)
        Traceback (most recent call last):
        monai_unlearnable.sources.file_errors.Refused: holds 255, but the classes of the set are 0 to 2. ...
    """
    grey = _grey(numbers)
    may_be_bright = class_count is None or class_count <= 2
    if numbers.is_lossy:
        if not may_be_bright:
            raise Refused(
                f"was compressed with loss, so that it can tell two classes apart, but the set has {class_count}. Save "
                "it without loss from the original mask."
            )
        return MaskClasses((grey > BRIGHT_ABOVE).astype(np.uint8), is_dark_and_bright=True)
    indices = _whole_numbers(grey)
    present = present_classes(indices)
    is_bright = present[-1] == 255 and set(present) <= {0, 255}
    if is_bright and numbers.is_picture and grey.dtype == np.uint8 and may_be_bright:
        return MaskClasses((indices == 255).astype(np.uint8), is_dark_and_bright=True)
    surplus = [] if class_count is None else [one for one in present if one >= class_count]
    if class_count is not None and surplus:
        raise Refused(
            f"holds {_shown(surplus)}, but the classes of the set are 0 to {class_count - 1}. Correct the mask, or the "
            "list of classes."
        )
    return MaskClasses(indices, is_dark_and_bright=False)


def present_classes(indices: NDArray[np.uint8]) -> tuple[int, ...]:
    """Return which class indices ``(*space)`` uint8 holds, ascending.

    Example:
        >>> present_classes(np.array([[2, 0], [2, 2]], dtype=np.uint8))
        (0, 2)
    """
    flat = indices.reshape(-1)
    counts = np.zeros(MAXIMUM_MASK_CLASSES, dtype=np.int64)
    for start in range(0, flat.size, _COUNTED_VOXELS):
        counts += np.bincount(flat[start : start + _COUNTED_VOXELS], minlength=MAXIMUM_MASK_CLASSES)
    return tuple(np.flatnonzero(counts).tolist())


def _grey(numbers: MaskNumbers) -> NDArray[Any]:
    """Return the one number of every voxel, ``(*space)``."""
    values, channels = numbers.values, len(numbers.values)
    if channels == 1:
        only: NDArray[Any] = values[0]
        return only
    if channels != 3 or not numbers.is_picture:
        raise Refused(f"holds {channels} channels; a mask holds one number for each voxel. Save it with one channel.")
    first, second, third = values
    most, least = (extreme(extreme(first, second), third) for extreme in (np.maximum, np.minimum))
    apart = float(np.subtract(most, least, dtype=np.float64).max())
    if apart > (_LOSSY_COLOUR_LEVELS if numbers.is_lossy else 0):
        raise Refused(
            f"holds colours (its channels are up to {apart:g} levels apart), which name no classes. Save it as class "
            "indices 0, 1, 2, ... in one channel."
        )
    if apart == 0:
        grey: NDArray[Any] = first
        return grey
    mean: NDArray[Any] = (first.astype(np.int64) + second + third + 1) // 3
    return mean


def _whole_numbers(grey: NDArray[Any]) -> NDArray[np.uint8]:
    # NaN is caught too: it is not within the limits.
    is_class = (grey >= 0) & (grey < MAXIMUM_MASK_CLASSES)
    if grey.dtype.kind == "f":
        is_class &= grey == np.rint(grey)
    if not is_class.all():
        raise Refused(
            f"holds {_shown(np.unique(grey[~is_class])[:5].tolist())}; the numbers of a mask are class indices, whole "
            f"numbers of 0 to {MAXIMUM_MASK_CLASSES - 1}. Renumber the mask."
        )
    indices: NDArray[np.uint8] = grey.astype(np.uint8)
    return indices


def _shown(values: list[Any]) -> str:
    return ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in values[:5])
