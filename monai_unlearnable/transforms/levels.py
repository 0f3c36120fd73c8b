"""From whole levels to an image in its own unit, and back: the arithmetic of every transform here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from monai_unlearnable.errors import BudgetError, StoreError

__all__ = ["AppliedLevels", "ImageUnit"]

_INTEGERS = (torch.uint8, torch.int8, torch.uint16, torch.int16, torch.int32, torch.int64)
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_SMALL_INTEGERS = (torch.int8, torch.int16, torch.int32)
# Far enough from the end of int64 for any sum to fit.
_LARGEST = 2**62


@dataclass(frozen=True)
class AppliedLevels:
    """The delta that an image really got, as it is kept in the image's trace.

    Bytes rather than a tensor: a tensor in the trace of every image costs a loader with worker processes one file
    descriptor each, and large batches run out of them; NumPy arrays are refused by ``torch.load(weights_only=True)``.

    Attributes:
        shape: ``(channel, *space)``.
        dtype: ``int8``, ``int16`` or ``int32``, the smallest that fits.
        content: whole levels, C order.
    """

    shape: tuple[int, ...]
    dtype: str
    content: bytes

    @classmethod
    def pack(cls, levels: Tensor) -> AppliedLevels:
        """Pack whole levels of any integer type."""
        low, high = _extremes(levels)
        fits = (one for one in _SMALL_INTEGERS if torch.iinfo(one).min <= low and high <= torch.iinfo(one).max)
        dtype = next(fits)
        content = levels.to("cpu", dtype).contiguous().numpy().tobytes()
        return cls(tuple(levels.shape), str(dtype).removeprefix("torch."), content)

    def unpack(self) -> Tensor:
        """Return the whole levels ``(channel, *space)``, int8, int16 or int32."""
        dtype = next(one for one in _SMALL_INTEGERS if str(one) == f"torch.{self.dtype}")
        return torch.frombuffer(bytearray(self.content), dtype=dtype).reshape(self.shape)

    def to_trace(self) -> dict[str, Any]:
        """Return plain values that MONAI's collating, caching and pickling keep as they are."""
        return {"shape": self.shape, "dtype": self.dtype, "content": self.content}

    @classmethod
    def from_trace(cls, entry: dict[str, Any]) -> AppliedLevels:
        """Read what :meth:`to_trace` wrote."""
        return cls(tuple(int(size) for size in entry["shape"]), str(entry["dtype"]), bytes(entry["content"]))


@dataclass(frozen=True, kw_only=True)
class ImageUnit:
    """The unit of an image that a delta is added to.

    Attributes:
        level_size: size of one level in the image's unit: 1 for raw integers, 1/255 once scaled to [0, 1].
        valid_range: smallest and largest value of the image in its unit; a sum that leaves it is cut. None: nothing
            is cut, and an integer sum that does not fit its type is refused.

    Raises:
        BudgetError: at construction, when a value makes no sense.

    Example:
        >>> unit = ImageUnit(level_size=1.0, valid_range=(0, 255))
        >>> unit.add(torch.tensor([[250]], dtype=torch.uint8), torch.tensor([[8]]), name="a")
        (tensor([[255]], dtype=torch.uint8), tensor([[5]], dtype=torch.int32))
    """

    level_size: float = 1.0
    valid_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.level_size) and self.level_size > 0):
            raise BudgetError(f"level_size={self.level_size}: the size of a level is a finite number above 0.")
        if self.valid_range is None:
            return
        low, high = self.valid_range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise BudgetError(f"valid_range={self.valid_range}: give two finite numbers, the lower one first.")

    def add(self, image: Tensor, levels: Tensor, *, name: str) -> tuple[Tensor, Tensor]:
        """Add a delta to an image.

        Args:
            image: ``(channel, *space)``, integers or floats, in this unit.
            levels: the same shape, whole levels.
            name: the image's name, for messages.

        Returns:
            The protected image in the image's own dtype, and the whole levels (integers) that it really got.

        Raises:
            BudgetError: the image is not finite, outside the valid range, or of a type that deltas are not added to;
                or an integer sum does not fit the type.
            StoreError: the shapes differ.
        """
        require_same_shape(image, levels, name)
        levels = levels.to(image.device)
        if image.dtype in _INTEGERS:
            return self._add_integers(image, levels, name)
        if image.dtype in _FLOATS:
            return self._add_floats(image, levels, name)
        raise BudgetError(f"sample {name!r}: a delta cannot be added to {image.dtype}; convert to integers or floats.")

    def subtract(self, image: Tensor, levels: Tensor, *, name: str) -> Tensor:
        """Take off what :meth:`add` added: bit-exact for integers, to the last rounding for floats.

        Raises:
            StoreError: the shapes differ.
        """
        require_same_shape(image, levels, name)
        levels = levels.to(image.device)
        if image.dtype in _INTEGERS:
            return (image.to(torch.int64) - levels.to(torch.int64) * self._whole_level_size(name)).to(image.dtype)
        return (image.double() - levels.double() * self.level_size).to(image.dtype)

    def to_levels(self, image: Tensor, *, name: str) -> Tensor:
        """Return an image in whole levels, float32.

        Raises:
            BudgetError: the image is not finite.
        """
        values = image.double() / self.level_size
        _require_finite(values, name)
        return values.round().float()

    def _add_integers(self, image: Tensor, levels: Tensor, name: str) -> tuple[Tensor, Tensor]:
        size, limits = self._whole_level_size(name), torch.iinfo(image.dtype)
        low, high = max(limits.min, -_LARGEST), min(limits.max, _LARGEST)
        if self.valid_range is not None:
            low, high = max(low, math.ceil(self.valid_range[0])), min(high, math.floor(self.valid_range[1]))
        wide = image.to(_wide_type(image.dtype, size))
        if (low, high) != (limits.min, limits.max):
            self._require_inside(wide, low, high, name)
        levels = levels.to(wide.dtype)
        # What is left of the delta inside the range: cut towards zero, so that whole levels stay whole levels.
        applied = (wide + levels * size).clamp_(low, high).sub_(wide)
        if size != 1:
            applied = torch.div(applied, size, rounding_mode="trunc")
        if self.valid_range is None and not torch.equal(applied, levels):
            raise BudgetError(
                f"sample {name!r}: image + delta leaves the range {low} to {high} of {image.dtype}. "
                "Give valid_range=(low, high) to cut the delta there, as class-wise deltas need it."
            )
        return (wide + applied * size).to(image.dtype), applied

    def _add_floats(self, image: Tensor, levels: Tensor, name: str) -> tuple[Tensor, Tensor]:
        wide = image.double()
        if self.valid_range is None:
            protected = wide.add(levels, alpha=self.level_size).to(image.dtype)
            _require_finite(protected, name)
            return protected, levels
        low, high = self.valid_range
        # An image on the grid of levels is off it by its type's rounding, which must not cost a level.
        rounding = torch.finfo(image.dtype).eps * max(abs(low), abs(high))
        slack = min(self.level_size / 4, rounding)
        _require_finite(image, name)
        self._require_inside(wide, low - rounding, high + rounding, name)
        total = wide.add(levels, alpha=self.level_size)
        smallest, largest = _extremes(total)
        if smallest < low - slack or largest > high + slack:
            least = torch.ceil((low - slack - wide) / self.level_size).clamp_(max=0)
            most = torch.floor((high + slack - wide) / self.level_size).clamp_(min=0)
            levels = torch.minimum(torch.maximum(levels.double(), least), most).to(levels.dtype)
            total = wide.add(levels, alpha=self.level_size)
        return total.clamp_(low, high).to(image.dtype).clamp_(low, high), levels

    def _whole_level_size(self, name: str) -> int:
        if self.level_size != int(self.level_size):
            raise BudgetError(
                f"sample {name!r}: level_size={self.level_size:g} of an integer image must be a whole number. Use "
                "level_size=1 before the image is scaled, or put the transform after the scaling."
            )
        return int(self.level_size)

    def _require_inside(self, image: Tensor, low: float, high: float, name: str) -> None:
        smallest, largest = _extremes(image)
        if smallest < low or largest > high:
            raise BudgetError(
                f"sample {name!r}: values {smallest:g} to {largest:g} leave valid_range={self.valid_range}. "
                "Give level_size and valid_range in the unit that the image has at this place of the pipeline."
            )


def _extremes(values: Tensor) -> tuple[Any, Any]:
    if not values.numel():
        return 0, 0
    smallest, largest = torch.aminmax(values)
    return smallest.item(), largest.item()


def _wide_type(dtype: torch.dtype, size: int) -> torch.dtype:
    """Return a type that no sum of an image and a delta of int16 can leave."""
    return torch.int32 if dtype.itemsize <= 2 and size < 2**14 else torch.int64


def require_same_shape(image: Tensor, levels: Tensor, name: str) -> None:
    """Refuse a delta of another shape than its image.

    Raises:
        StoreError: names both shapes.
    """
    if tuple(image.shape) != tuple(levels.shape):
        raise StoreError(
            f"sample {name!r}: the image has shape {tuple(image.shape)}, its delta {tuple(levels.shape)}. A delta "
            "belongs to the image as it is stored: add it before cropping, resizing or flipping, channel first."
        )


def _require_finite(image: Tensor, name: str) -> None:
    # NaN and infinities survive into the extremes, which are found faster than a mask.
    if not all(math.isfinite(value) for value in _extremes(image)):
        raise BudgetError(f"sample {name!r}: holds NaN or infinite values; repair or leave out.")
