"""The network of a generator: a pattern of each class, and what a U-Net makes of image and label beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import UNet
from torch import Tensor, nn

from monai_unlearnable.dense_networks import CHANNELS, STRIDES, Padded, check_dense
from monai_unlearnable.perturbations.pattern_family import PatternFamily
from monai_unlearnable.perturbations.stripes import Stripes

__all__ = ["PatternedGenerator", "small_generator"]


def small_generator(*, spatial_dims: int, in_channels: int, num_classes: int) -> PatternedGenerator:
    """Build a generator of deltas: MONAI's ``UNet`` of the widths of ``small_unet``, beside patterns, and ``tanh``.

    It sees an image and its label as ``num_classes`` more planes. The owner always has the labels, and deltas that
    follow from them can be told apart by class whatever the images show. Group normalisation keeps what is constant
    over an image, such as the planes of one label for all of it, which instance normalisation would take away; and an
    image gets the same values in every batch. The last convolution sees the planes again, so that a value for each
    class is there from the first step on.

    Args:
        spatial_dims: 2 for pictures, 3 for volumes.
        in_channels: channels of an image.
        num_classes: classes of a voxel or of an image, or label columns.

    Returns:
        A network from ``(batch, in_channels + num_classes, *space)`` float32 to shares of the radius
        ``(batch, in_channels, *space)``, -1 to 1.

    Raises:
        ValueError: an argument is out of its range.
        BudgetError: there are not so many patterns.

    Example:
        >>> network = small_generator(spatial_dims=2, in_channels=1, num_classes=3)
        >>> shares = network(torch.rand(2, 4, 28, 30))
        >>> shares.shape, bool(shares.abs().max() <= 1)
        (torch.Size([2, 1, 28, 30]), True)
    """
    check_dense(spatial_dims, in_channels, max(2, num_classes))
    return PatternedGenerator(spatial_dims=spatial_dims, channels=in_channels, num_classes=num_classes)


_KEPT_SHARE = 0.7


class PatternedGenerator(nn.Module):
    """Shares of the radius ``kept * pattern + (1 - kept) * tanh(f(image, label, pattern))``.

    The pattern is that of each voxel's class. Without it a generator finds the constant shifts of colour that
    surrogates take up in their first steps, and a victim goes on to learn what the images show; one that only starts
    from patterns is led away from them (Kvasir-SEG, one victim each: an IoU of 0.28 and 0.23, clean 0.48). So they keep
    a share of the radius, and the network has the rest.

    Which seed the patterns have, what share they keep, and how strong each is in each channel, are part of the weights.

    Attributes:
        patterns: what the patterns look like: :class:`Stripes`, unless they are chosen after the construction.

    Args:
        spatial_dims: 2 for pictures, 3 for volumes.
        channels: of an image.
        num_classes: classes, or label columns.

    Raises:
        BudgetError: there are not so many patterns.
    """

    seed: Tensor
    kept: Tensor
    strengths: Tensor

    def __init__(self, *, spatial_dims: int, channels: int, num_classes: int) -> None:
        super().__init__()
        self.channels = channels
        self.patterns: PatternFamily = Stripes()
        self.patterns.check(num_classes)
        self.register_buffer("seed", torch.randint(2**31, ()))
        self.register_buffer("kept", torch.tensor(_KEPT_SHARE))
        self.register_buffer("strengths", torch.ones(num_classes, channels))
        planes = 2 * channels + num_classes
        unet = UNet(
            spatial_dims=spatial_dims,
            in_channels=planes,
            out_channels=CHANNELS[0],
            channels=CHANNELS,
            strides=STRIDES,
            num_res_units=1,
            norm=("group", {"num_groups": 4}),
        )
        self.features = Padded(unet)
        convolution = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
        self.last = convolution(CHANNELS[0] + planes, channels, 3, padding=1)

    def keep(self, share: float, *, strengths: Sequence[float], opposed_channels: bool) -> None:
        """Say how strong the pattern of each class is.

        Args:
            share: of the radius that patterns keep, from 0 to 1.
            strengths: one for each class, as the shares of :class:`Synthetic`.
            opposed_channels: every other channel carries the opposite of the pattern.

        Raises:
            ValueError: the share is out of its range, or there are more or fewer strengths than classes.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"share={share}: patterns keep from 0 to 1 of the radius.")
        if len(strengths) != len(self.strengths):
            raise ValueError(f"{len(strengths)} strengths, but there are {len(self.strengths)} classes.")
        signs = torch.ones(self.channels)
        if opposed_channels:
            signs[1::2] = -1
        self.kept.fill_(share)
        self.strengths.copy_(torch.tensor(strengths)[:, None] * signs)

    def pattern(self, label_planes: Tensor) -> Tensor:
        """Return the patterns ``(batch, channel, *space)`` of labels ``(batch, num_classes, *space)``, 0 to 1."""
        space = tuple(label_planes.shape[2:])
        signs = self.patterns.signs(len(self.strengths), space, seed=int(self.seed)).to(label_planes)
        shown = label_planes * signs
        return torch.einsum("bk...,kc->bc...", shown, self.strengths.to(shown))

    def forward(self, planes: Tensor) -> Tensor:
        """Return shares of the radius; see :func:`small_generator`."""
        pattern = self.pattern(planes[:, self.channels :])
        seen = torch.cat([planes, pattern], dim=1)
        own = torch.tanh(self.last(torch.cat([self.features(seen), seen], dim=1)))
        # Of several labels the patterns add up.
        return self.kept * pattern.clamp(-1, 1) + (1 - self.kept) * own
