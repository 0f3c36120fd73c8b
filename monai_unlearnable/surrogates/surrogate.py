"""The owner's network together with the preprocessing that it sees images through."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from monai_unlearnable.surrogates.preprocessing import InOrder, ResampleTo, through_own_windows
from monai_unlearnable.surrogates.ways import ReaderWays
from monai_unlearnable.types import Images, Logits, Windows

__all__ = ["Surrogate"]


class Surrogate(nn.Module):
    """Maps images in levels, on their native grid, to logits; the gradient flows back to the native pixels.

    Args:
        network: maps preprocessed images to logits ``(batch, classes)``, or to those of several members (see
            :class:`~monai_unlearnable.surrogates.NetworkEnsemble`).
        preprocessing: differentiable; maps levels to what the network expects. :class:`InOrder` lets a
            :class:`ResampleTo` show patches of large images at the scale of these.
        channels_last: lay weights and images out channels-last, which 2D convolutions often run faster on; networks
            with 3D convolutions stay as they are.
        ways: the ways in which readers may load what the preprocessing shows; None for that alone.

    Example:
        >>> from monai_unlearnable.surrogates import IntensityWindow
        >>> surrogate = Surrogate(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), IntensityWindow())
        >>> surrogate(torch.zeros(3, 1, 2, 2)).shape
        torch.Size([3, 2])
    """

    def __init__(
        self,
        network: nn.Module,
        preprocessing: nn.Module,
        *,
        channels_last: bool = False,
        ways: ReaderWays | None = None,
    ) -> None:
        super().__init__()
        self.preprocessing = preprocessing
        self.ways = ways
        volumetric = any(isinstance(module, nn.Conv3d) for module in network.modules())
        self.channels_last = channels_last and not volumetric
        self.network = network.to(memory_format=torch.channels_last) if self.channels_last else network  # type: ignore[call-overload]

    def forward(
        self,
        image: Images,
        window_levels: Windows | None = None,
        whole_space: Sequence[int] | None = None,
        *,
        resampled: bool = False,
        preprocessed: bool = False,
    ) -> Logits:
        """Return the network's logits for images ``(batch, channel, *space)`` in levels.

        Args:
            image: the images.
            window_levels: the levels of each image that become -1 and 1 before the preprocessing; None for
                preprocessing that takes levels as they are.
            whole_space: size of the images that these are patches of; None for whole images.
            resampled: the images, in levels, have the size that the preprocessing would give them; only for
                :class:`InOrder`.
            preprocessed: the images come from :meth:`look` already.
        """
        seen = image if preprocessed else self.look(image, window_levels, whole_space, resampled=resampled)
        return self._answer(seen) if self.ways is None else self.ways(seen, self._answer)

    def _answer(self, seen: Tensor) -> Logits:
        if self.channels_last and seen.ndim == 4:
            seen = seen.contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.network(seen)
        return logits

    def look(
        self,
        image: Images,
        window_levels: Windows | None = None,
        whole_space: Sequence[int] | None = None,
        *,
        resampled: bool = False,
    ) -> Tensor:
        """Return what the network sees of images: the preprocessing alone; see :meth:`forward`."""
        windowed = image if window_levels is None else through_own_windows(image, window_levels)
        if resampled:
            if not isinstance(self.preprocessing, InOrder):
                raise TypeError("resampled=True needs preprocessing=InOrder(...), which knows what its resampling is.")
            return self.preprocessing(windowed, resampled=True)  # type: ignore[no-any-return]
        # Other preprocessing takes a patch for an image.
        knows_patches = whole_space is not None and isinstance(self.preprocessing, InOrder | ResampleTo)
        seen: Tensor = self.preprocessing(windowed, whole_space) if knows_patches else self.preprocessing(windowed)
        return seen

    def drawing_for(self, name: str) -> Surrogate:
        """Return a surrogate with the same weights whose ways are drawn by a name, whatever was drawn before.

        Threads that share weights draw from chains of their own.
        """
        if self.ways is None:
            return self
        own, ways = copy.copy(self), copy.deepcopy(self.ways)
        ways.draws.fill_(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big"))
        own._modules = {**self._modules, "ways": ways}
        return own

    @contextmanager
    def frozen(self) -> Iterator[Surrogate]:
        """Hold weights and normalisation statistics still; the gradient with respect to images still flows.

        Weights without gradients save about 15 % of the time of a delta step.
        """
        modes = [(module, module.training) for module in self.modules()]
        wanted = [parameter.requires_grad for parameter in self.parameters()]
        try:
            self.eval()
            self.requires_grad_(False)
            yield self
        finally:
            for parameter, flag in zip(self.parameters(), wanted, strict=True):
                parameter.requires_grad_(flag)
            # One by one: the owner may keep some layers in evaluation mode.
            for module, training in modes:
                module.training = training
