"""What the surrogate does to an image in levels before its network sees it; all of it differentiable."""

from __future__ import annotations

from collections.abc import Sequence

from monai.utils.misc import ensure_tuple_rep
from torch import Tensor, nn
from torch.nn import functional

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.types import Images, Windows

__all__ = ["CentreCrop", "InOrder", "IntensityWindow", "ResampleTo", "through_own_windows"]

_MODES = {1: "linear", 3: "trilinear"}


class IntensityWindow(nn.Module):
    """Map levels linearly so that ``low_level`` becomes -1 and ``high_level`` becomes 1.

    Nothing is clipped unless ``clip`` is set: a clipped voxel gets no gradient, so no delta.

    Args:
        low_level: level that becomes -1.
        high_level: level that becomes 1.
        clip: cut values outside the window, as a CT window does.

    Example:
        >>> import torch
        >>> IntensityWindow(low_level=0, high_level=255)(torch.tensor([[[0.0, 255.0]]])).tolist()
        [[[-1.0, 1.0]]]
    """

    def __init__(self, *, low_level: float = 0.0, high_level: float = 255.0, clip: bool = False) -> None:
        super().__init__()
        if not low_level < high_level:
            raise BudgetError(f"window [{low_level:g}, {high_level:g}] is empty: low must be below high.")
        self.low_level, self.high_level, self.clip = float(low_level), float(high_level), bool(clip)

    def forward(self, image: Images) -> Tensor:
        """Return the windowed image, the same shape, unit-free."""
        scaled = (image - self.low_level) * (2.0 / (self.high_level - self.low_level)) - 1.0
        return scaled.clamp(-1.0, 1.0) if self.clip else scaled


def through_own_windows(image: Images, window_levels: Windows) -> Tensor:
    """Map each image linearly so that its own window becomes -1 to 1; nothing is clipped.

    Args:
        image: ``(batch, channel, *space)``, levels.
        window_levels: ``(batch, 2)``, lower and upper end of each image's window.

    Example:
        >>> import torch
        >>> image = torch.tensor([[[0.0, 255.0]], [[1000.0, 1500.0]]])
        >>> through_own_windows(image, torch.tensor([[0.0, 255.0], [1000.0, 2000.0]])).tolist()
        [[[-1.0, 1.0]], [[-1.0, 0.0]]]
    """
    low, high = window_levels.to(image).reshape(len(image), 2, *[1] * (image.ndim - 1)).unbind(1)
    return (image - low) * (2.0 / (high - low)) - 1.0


class ResampleTo(nn.Module):
    """Resize to a fixed size: pictures by antialiased bilinear interpolation, volumes by the mean of what becomes one.

    Both let the gradient reach every voxel. A volume's axis that grows is interpolated linearly.

    Args:
        size_px: size of every axis, or one size for each.

    Example:
        >>> import torch
        >>> patch = torch.zeros(1, 1, 20, 30)
        >>> ResampleTo(size_px=16)(patch).shape, ResampleTo(size_px=16)(patch, whole_space=(40, 30)).shape
        (torch.Size([1, 1, 16, 16]), torch.Size([1, 1, 8, 16]))
    """

    def __init__(self, *, size_px: int | Sequence[int]) -> None:
        super().__init__()
        self.size_px = size_px

    def forward(self, image: Images, whole_space: Sequence[int] | None = None) -> Tensor:
        """Return ``(batch, channel, *size_px)``; of a patch that share of it, so that it looks as it does in its image.

        Args:
            image: ``(batch, channel, *space)``.
            whole_space: size of the image that this is a patch of; None for a whole one.
        """
        space, size = tuple(image.shape[2:]), self.seen_space(image.shape[2:], whole_space)
        if space == size:
            return image
        if len(space) == 2:
            return functional.interpolate(image, size=size, mode="bilinear", align_corners=False, antialias=True)
        shrunk = tuple(map(min, space, size))
        image = functional.interpolate(image, size=shrunk, mode="area") if shrunk != space else image
        return image if shrunk == size else functional.interpolate(image, size=size, mode=_MODES[len(space)])

    def seen_space(self, space: Sequence[int], whole_space: Sequence[int] | None = None) -> tuple[int, ...]:
        """Return the size of what is seen of an image of size ``space``; see :meth:`forward`."""
        size = ensure_tuple_rep(self.size_px, len(space))
        if whole_space is None:
            return size
        # By the number of patches along an axis: patches of 170 and of 171 voxels become equally large.
        counts = [max(1, round(whole / own)) for whole, own in zip(whole_space, space, strict=True)]
        return tuple(-(-one // count) for one, count in zip(size, counts, strict=True))


class InOrder(nn.Sequential):
    """:class:`torch.nn.Sequential` of preprocessing that also tells :class:`ResampleTo` what it sees a patch of."""

    def forward(self, image: Images, whole_space: Sequence[int] | None = None, *, resampled: bool = False) -> Tensor:
        """Return the preprocessed images.

        Args:
            image: ``(batch, channel, *space)``.
            whole_space: size of the image that these are patches of; None for whole images.
            resampled: the images have the size that is seen already.
        """
        for module in self:
            if not isinstance(module, ResampleTo):
                image = module(image)
            elif not resampled:
                image = module(image, whole_space)
        return image


class CentreCrop(nn.Module):
    """Keep the centre of every axis; axes that are smaller already stay as they are.

    Args:
        size_px: size of every axis, or one size for each.
    """

    def __init__(self, *, size_px: int | Sequence[int]) -> None:
        super().__init__()
        self.size_px = size_px

    def forward(self, image: Images) -> Tensor:
        """Return the central part, a view."""
        dimensions = image.ndim - 2
        sizes = ensure_tuple_rep(self.size_px, dimensions)
        for axis, size in enumerate(sizes, start=2):
            keep = min(size, image.shape[axis])
            image = image.narrow(axis, (image.shape[axis] - keep) // 2, keep)
        return image
