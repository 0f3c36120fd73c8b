"""MONAI's networks with an answer for every voxel, by one signature; they take images of any size."""

from __future__ import annotations

from monai.networks.nets import AttentionUnet, SegResNet, UNet
from torch import Tensor, nn
from torch.nn.functional import pad

__all__ = ["CHANNELS", "STRIDES", "Padded", "check_dense", "small_attention_unet", "small_segresnet", "small_unet"]

CHANNELS = (16, 32, 64, 128)
STRIDES = (2, 2, 2)
_MULTIPLE_PX = 8
_SMALLEST_PX = 16


def small_unet(*, spatial_dims: int, in_channels: int, num_classes: int) -> nn.Module:
    """Build MONAI's ``UNet``: widths 16, 32, 64, 128, three halvings, one residual unit a level.

    Images get a border of zeros up to a multiple of 8 pixels, 16 at least, which is cut off the logits again. The
    weights come from torch's global generator: seed it before the call.

    Args:
        spatial_dims: 2 for pictures, 3 for volumes.
        in_channels: channels of an image.
        num_classes: classes of a voxel, the background among them.

    Returns:
        A network from ``(batch, in_channels, *space)`` float32 to logits ``(batch, num_classes, *space)``.

    Raises:
        ValueError: an argument is out of its range.

    Example:
        >>> import torch
        >>> network = small_unet(spatial_dims=2, in_channels=1, num_classes=3)
        >>> network(torch.zeros(4, 1, 28, 30)).shape
        torch.Size([4, 3, 28, 30])
    """
    check_dense(spatial_dims, in_channels, num_classes)
    return Padded(
        UNet(
            spatial_dims=spatial_dims,
            in_channels=in_channels,
            out_channels=num_classes,
            channels=CHANNELS,
            strides=STRIDES,
            num_res_units=1,
        )
    )


def small_segresnet(
    *,
    spatial_dims: int,
    in_channels: int,
    num_classes: int,
    init_filters: int = 8,
    blocks_down: tuple[int, ...] = (1, 2, 2, 4),
) -> nn.Module:
    """Build MONAI's ``SegResNet`` with 8 initial filters; images are padded as those of :func:`small_unet` are.

    Args:
        spatial_dims: 2 for pictures, 3 for volumes.
        in_channels: channels of an image.
        num_classes: classes of a voxel, the background among them.
        init_filters: width of the first level; each of the others has twice that of the one before.
        blocks_down: residual blocks of each of the four levels.

    Returns:
        A network from ``(batch, in_channels, *space)`` float32 to logits ``(batch, num_classes, *space)``.

    Raises:
        ValueError: an argument is out of its range.
    """
    check_dense(spatial_dims, in_channels, num_classes)
    network = SegResNet(
        spatial_dims=spatial_dims,
        in_channels=in_channels,
        out_channels=num_classes,
        init_filters=init_filters,
        blocks_down=blocks_down,
        norm=("GROUP", {"num_groups": min(8, init_filters)}),
    )
    return Padded(network)


def small_attention_unet(*, spatial_dims: int, in_channels: int, num_classes: int) -> nn.Module:
    """Build MONAI's ``AttentionUnet`` of the widths of :func:`small_unet`; images are padded as its are.

    Args:
        spatial_dims: 2 for pictures, 3 for volumes.
        in_channels: channels of an image.
        num_classes: classes of a voxel, the background among them.

    Returns:
        A network from ``(batch, in_channels, *space)`` float32 to logits ``(batch, num_classes, *space)``.

    Raises:
        ValueError: an argument is out of its range.
    """
    check_dense(spatial_dims, in_channels, num_classes)
    return Padded(
        AttentionUnet(
            spatial_dims=spatial_dims,
            in_channels=in_channels,
            out_channels=num_classes,
            channels=CHANNELS,
            strides=STRIDES,
        )
    )


class Padded(nn.Module):
    """Gives a network images of sides it can halve three times, and its logits the size of the image again.

    Args:
        network: from ``(batch, channel, *space)`` to ``(batch, any, *space)``.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Return what the network makes of images with a border of zeros on both sides, without the border."""
        sizes = image.shape[2:]
        missing = [max(_SMALLEST_PX, -(-size // _MULTIPLE_PX) * _MULTIPLE_PX) - size for size in sizes]
        padding = [part for one in reversed(missing) for part in (one // 2, one - one // 2)]
        logits: Tensor = self.network(pad(image, padding) if any(missing) else image)
        inside = (slice(lack // 2, lack // 2 + size) for lack, size in zip(missing, sizes, strict=True))
        return logits[(slice(None), slice(None), *inside)]


def check_dense(spatial_dims: int, in_channels: int, num_classes: int) -> None:
    """Check what a network of voxels is built from.

    Raises:
        ValueError: an argument is out of its range.
    """
    if spatial_dims not in (2, 3):
        raise ValueError(f"spatial_dims={spatial_dims}: networks are built for 2 (pictures) or 3 (volumes).")
    if in_channels < 1 or num_classes < 2:
        raise ValueError(
            f"in_channels={in_channels}, num_classes={num_classes}: at least 1 channel and 2 classes, the background "
            "and a structure, are needed."
        )
