"""Bring images to a size that a victim can look at: by interpolation, or by a border."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from torch import Tensor
from torch.nn import functional

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Source

__all__ = ["INTERPOLATIONS", "largest_space", "require_patch", "resized_image", "with_border"]

_MODES = MappingProxyType(
    {
        "linear": {2: "bilinear", 3: "trilinear"},
        "area": {2: "area", 3: "area"},
        "cubic": {2: "bicubic"},
        "nearest": {2: "nearest-exact", 3: "nearest-exact"},
    }
)
_MULTIPLE_PX = 16
INTERPOLATIONS = tuple(_MODES)
"""How images may be interpolated."""


def resized_image(image: Tensor, *, size_px: int, interpolation: str = "linear") -> Tensor:
    """Interpolate an image ``(channel, *space)``, float32, to ``size_px`` along every axis.

    Args:
        image: the image.
        size_px: size of every axis.
        interpolation: one of :data:`INTERPOLATIONS`; linear and cubic ones are antialiased in 2D.

    Raises:
        ValueError: there is no such interpolation of volumes.

    Example:
        >>> import torch
        >>> resized_image(torch.tensor([[[0.0, 1.0], [2.0, 3.0]]]), size_px=1, interpolation="area").tolist()
        [[[1.5]]]
    """
    dims = image.ndim - 1
    mode = _MODES[interpolation].get(dims)
    if mode is None:
        raise ValueError(f"interpolation={interpolation!r}: there is none of {dims} dimensions; choose another.")
    antialias = mode in ("bilinear", "bicubic")
    return functional.interpolate(image[None], size=(size_px,) * dims, mode=mode, antialias=antialias)[0]


def largest_space(source: Source, chosen: Sequence[int], *, least_px: int) -> tuple[int, ...]:
    """Return the largest size along each axis among some images of a source, and ``least_px`` at least.

    Where images have several sizes it is rounded up to a multiple of 16, as for networks with up to four halvings
    (MONAI's ``DivisiblePad``).
    """
    different = {source.shape(index)[1:] for index in chosen}
    spaces = list(zip(*different, strict=True))
    if len(different) == 1 and min(one[0] for one in spaces) >= least_px:
        return next(iter(different))
    return tuple(-(-max(least_px, *sizes) // _MULTIPLE_PX) * _MULTIPLE_PX for sizes in spaces)


def require_patch(source: Source, chosen: Sequence[int], *, patch_px: int) -> None:
    """Check that a patch fits into some image, along every axis; those that are smaller get a border.

    Raises:
        SourceError: along an axis every image is smaller; names the one that comes nearest, and its size.
    """
    for axis in range(1, len(source.shape(chosen[0]))):
        largest = max(chosen, key=lambda index: source.shape(index)[axis])
        size = source.shape(largest)[axis]
        if size < patch_px:
            raise SourceError(
                f"{source.path}: patches of {patch_px} px a side are larger than every image along axis {axis - 1}: "
                f"the largest, {source.sample_ids[largest]!r}, has shape {source.shape(largest)[1:]}. Take patches of "
                f"{size} px at most."
            )


def with_border(values: Tensor, space: Sequence[int], *, value: float) -> Tensor:
    """Add a border of one value around ``(..., *space)``, the same on both sides, until it has a size.

    Example:
        >>> import torch
        >>> with_border(torch.ones(1, 2), (2, 3), value=0).tolist()
        [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    have = values.shape[values.ndim - len(space) :]
    missing = [wanted - own for wanted, own in zip(space, have, strict=True)]
    padding = [part for lack in reversed(missing) for part in (lack // 2, lack - lack // 2)]
    return functional.pad(values, padding, value=value) if any(padding) else values
