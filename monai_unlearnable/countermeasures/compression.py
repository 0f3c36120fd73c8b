"""Pictures that went through a lossy file."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monai_unlearnable.countermeasures.base import PictureTransform, require_bytes

__all__ = ["Jpeg2000RoundTrip", "JpegRoundTrip"]


class JpegRoundTrip(PictureTransform):
    """Encode one picture as JPEG and decode it again.

    Each picture is a file of its own, so that no block holds pixels of two. Colours are subsampled as Pillow and most
    programs do below quality 90 or so (4:2:0), unless ``subsampling`` says otherwise.

    Args:
        quality: 1 to 100, libjpeg's scale.
        subsampling: of the colours: 0 for none (4:4:4), 1 for 4:2:2, 2 for 4:2:0; None for Pillow's choice.

    Raises:
        ValueError: a value is out of its range.

    Example:
        >>> picture = np.zeros((1, 8, 8), dtype=np.uint8)
        >>> picture[0, 0, 0] = 255
        >>> changed = JpegRoundTrip(quality=10)(picture)
        >>> changed.dtype, changed.shape, bool((changed != picture).any())
        (dtype('uint8'), (1, 8, 8), True)
    """

    def __init__(self, quality: int, *, subsampling: int | None = None) -> None:
        if not 1 <= quality <= 100:
            raise ValueError(f"quality={quality}: from 1 to 100.")
        if subsampling not in (None, 0, 1, 2):
            raise ValueError(f"subsampling={subsampling}: choose 0, 1, 2 or None.")
        self.quality, self.subsampling = quality, subsampling

    def change(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Return the decoded picture; see :meth:`PictureTransform.change`."""
        options = {} if self.subsampling is None else {"subsampling": self.subsampling}
        picture = require_bytes(levels, name=type(self).__name__)
        return _through_file(picture, format="JPEG", quality=self.quality, **options)


class Jpeg2000RoundTrip(PictureTransform):
    """Encode one picture as JPEG 2000 with loss and decode it again.

    Args:
        ratio: how many times smaller than the raw pixels the file is, at least 1.

    Raises:
        ValueError: the ratio is less than 1.
    """

    def __init__(self, ratio: float) -> None:
        if not 1 <= ratio < float("inf"):
            raise ValueError(f"ratio={ratio}: at least 1, and finite.")
        self.ratio = ratio

    def change(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Return the decoded picture; see :meth:`PictureTransform.change`."""
        picture = require_bytes(levels, name=type(self).__name__)
        options = {"quality_mode": "rates", "quality_layers": [self.ratio], "irreversible": True}
        return _through_file(picture, format="JPEG2000", **options)


def _through_file(picture: NDArray[np.uint8], **options: Any) -> NDArray[np.uint8]:
    grey = len(picture) == 1
    file = BytesIO()
    Image.fromarray(picture[0] if grey else picture.transpose(1, 2, 0)).save(file, **options)
    file.seek(0)
    with Image.open(file) as opened:
        decoded = np.asarray(opened)
    return decoded[None] if grey else decoded.transpose(2, 0, 1)
