"""MONAI's networks by one signature, so that a surrogate or a victim can be any of them."""

from __future__ import annotations

from monai.networks.nets import DenseNet, DenseNet121, ResNet, resnet18
from torch import Tensor, nn
from torch.nn.functional import pad

__all__ = ["small_densenet", "small_linear", "small_resnet", "standard_densenet121", "standard_resnet18"]

_LINEAR_GRID = {2: 28, 3: 12}
_LINEAR_HIDDEN = 64


def small_resnet(*, spatial_dims: int, in_channels: int, num_classes: int) -> ResNet:
    """Build a small residual network for small images: widths 16, 32, 64, 128, one block each.

    The first convolution is 3x3 with stride 1 and there is no max pooling, so that images of 28 pixels keep
    enough grid for three halvings. The weights come from torch's global generator: seed it before the call.

    Args:
        spatial_dims: 2 for pictures, 3 for volumes.
        in_channels: channels of an image.
        num_classes: classes (single-label) or label columns (multi-label).

    Returns:
        A network from ``(batch, in_channels, *space)`` float32 to logits ``(batch, num_classes)``.

    Raises:
        ValueError: an argument is out of its range.

    Example:
        >>> import torch
        >>> network = small_resnet(spatial_dims=2, in_channels=1, num_classes=3)
        >>> network(torch.zeros(4, 1, 28, 28)).shape
        torch.Size([4, 3])
    """
    _check(spatial_dims, in_channels, num_classes)
    return ResNet(
        block="basic",
        layers=[1, 1, 1, 1],
        block_inplanes=[16, 32, 64, 128],
        spatial_dims=spatial_dims,
        n_input_channels=in_channels,
        conv1_t_size=3,
        conv1_t_stride=1,
        no_max_pool=True,
        num_classes=num_classes,
    )


def small_densenet(*, spatial_dims: int, in_channels: int, num_classes: int) -> nn.Sequential:
    """Build a small densely connected network: three blocks of three layers, growth 16.

    MONAI's DenseNet looks at images through a 7x7 convolution with stride 2 and max pooling, so it sees a quarter of
    the grid that :func:`small_resnet` sees. Its four halvings need 16 pixels a side: images with fewer get a border
    of zeros up to 32.

    Args:
        spatial_dims: 2 for pictures, 3 for volumes.
        in_channels: channels of an image.
        num_classes: classes (single-label) or label columns (multi-label).

    Raises:
        ValueError: an argument is out of its range.

    Example:
        >>> import torch
        >>> network = small_densenet(spatial_dims=2, in_channels=1, num_classes=3)
        >>> network(torch.zeros(4, 1, 28, 28)).shape
        torch.Size([4, 3])
    """
    _check(spatial_dims, in_channels, num_classes)
    network = DenseNet(
        spatial_dims=spatial_dims,
        in_channels=in_channels,
        out_channels=num_classes,
        init_features=32,
        growth_rate=16,
        block_config=(3, 3, 3),
    )
    return nn.Sequential(_Bordered(smallest_px=16, size_px=32), network)


def small_linear(*, spatial_dims: int, in_channels: int, num_classes: int) -> nn.Sequential:
    """Build two linear layers without bias, nothing between them, on a grid of 28 pixels (12 of volumes) a side.

    Images of any size are averaged to the grid, so that views of several sizes have one number of weights; the gradient
    reaches every pixel. A smaller image shows each pixel in several places of the grid.

    Args:
        spatial_dims: 2 for pictures, 3 for volumes.
        in_channels: channels of an image.
        num_classes: classes (single-label) or label columns (multi-label).

    Raises:
        ValueError: an argument is out of its range.

    Example:
        >>> import torch
        >>> network = small_linear(spatial_dims=2, in_channels=1, num_classes=3)
        >>> network(torch.zeros(4, 1, 40, 33)).shape
        torch.Size([4, 3])
    """
    _check(spatial_dims, in_channels, num_classes)
    side = _LINEAR_GRID[spatial_dims]
    pool = nn.AdaptiveAvgPool2d(side) if spatial_dims == 2 else nn.AdaptiveAvgPool3d(side)
    layers = (
        nn.Linear(in_channels * side**spatial_dims, _LINEAR_HIDDEN, bias=False),
        nn.Linear(_LINEAR_HIDDEN, num_classes, bias=False),
    )
    return nn.Sequential(pool, nn.Flatten(), *layers)


def standard_resnet18(*, spatial_dims: int, in_channels: int, num_classes: int) -> ResNet:
    """Build MONAI's ``resnet18``, not pretrained (first convolution 7x7 with stride 1, then max pooling).

    Args:
        spatial_dims: 2 for pictures, 3 for volumes.
        in_channels: channels of an image.
        num_classes: classes (single-label) or label columns (multi-label).

    Raises:
        ValueError: an argument is out of its range.
    """
    _check(spatial_dims, in_channels, num_classes)
    return resnet18(spatial_dims=spatial_dims, n_input_channels=in_channels, num_classes=num_classes)


def standard_densenet121(*, spatial_dims: int, in_channels: int, num_classes: int) -> DenseNet121:
    """Build MONAI's ``DenseNet121``, not pretrained; it needs images of at least 32 pixels a side.

    Args:
        spatial_dims: 2 for pictures, 3 for volumes.
        in_channels: channels of an image.
        num_classes: classes (single-label) or label columns (multi-label).

    Raises:
        ValueError: an argument is out of its range.
    """
    _check(spatial_dims, in_channels, num_classes)
    return DenseNet121(spatial_dims=spatial_dims, in_channels=in_channels, out_channels=num_classes)


class _Bordered(nn.Module):
    """Adds a border of zeros, half of it on each side, to images that are smaller than a network can take."""

    def __init__(self, *, smallest_px: int, size_px: int) -> None:
        super().__init__()
        self.smallest_px = smallest_px
        self.size_px = size_px

    def forward(self, image: Tensor) -> Tensor:
        if min(image.shape[2:]) >= self.smallest_px:
            return image
        missing = [max(0, self.size_px - size) for size in reversed(image.shape[2:])]
        return pad(image, [part for size in missing for part in (size // 2, size - size // 2)])


def _check(spatial_dims: int, in_channels: int, num_classes: int) -> None:
    if spatial_dims not in (2, 3):
        raise ValueError(f"spatial_dims={spatial_dims}: networks are built for 2 (pictures) or 3 (volumes).")
    if in_channels < 1 or num_classes < 1:
        raise ValueError(f"in_channels={in_channels}, num_classes={num_classes}: both must be at least 1.")
