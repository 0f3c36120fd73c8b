"""The one image that goes into a file which holds one image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.sources.image_file import StoredValues
from monai_unlearnable.sources.stored_levels import is_floating

__all__ = ["only_image"]


def only_image(
    images: Iterator[StoredValues], *, template: Path, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> StoredValues:
    """Take the one image out of ``images`` and prove that it fits.

    Args:
        images: exactly one image.
        template: the file that it shall go into, for the message.
        shape: ``(channel, *space)`` of the template's image.
        dtype: the template's type, in native byte order.

    Raises:
        ReleaseError: there is none or more than one, it is of another shape or type, or not finite.
    """
    found: StoredValues | None = None
    for count, image in enumerate(images):
        if count or image.shape != shape or image.dtype != dtype:
            raise ReleaseError(
                f"{template}: holds one image, {dtype} {shape}; image {count} is {image.dtype} {image.shape}."
            )
        found = image
    if found is None:
        raise ReleaseError(f"{template}: holds one image, none was given.")
    if is_floating(found.dtype) and not np.isfinite(found).all():
        raise ReleaseError(f"{template}: the image to write holds NaN or infinity.")
    return found
