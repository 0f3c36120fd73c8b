"""Take off waves that stand out of the spectrum of all images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from itertools import product
from typing import Any, TypeAlias

import numpy as np
import torch
from scipy.ndimage import median_filter  # type: ignore[import-untyped]
from torch import Tensor

from monai_unlearnable.countermeasures.base import FittedCountermeasure, PictureTransform
from monai_unlearnable.countermeasures.projection import OrthogonalProjection
from monai_unlearnable.errors import NotApplicableError
from monai_unlearnable.types import Images, Labels

__all__ = ["Notched", "shared_waves"]

_SMALLEST_PX = 12
_LONGEST = 4
"""Waves of fewer cycles along the longest axis are what images show."""
_HARMONICS = (1, 3, 5)
"""Of square waves: what is left of the others has less than a seventh of the amplitude."""
_AROUND = 7
_FINE = 8
_BATCH = 64
_NOTHING = 1e-3
Frequency: TypeAlias = tuple[float, ...]
"""Cycles per pixel along each axis."""


@dataclass(frozen=True, kw_only=True)
class Notched(FittedCountermeasure):
    """Take off square waves that are stronger in all images than what is about their frequency: a notch filter.

    The mean power of natural images is smooth over the frequencies; a wave that many images share stands out of it, in
    whatever phase they show it, and goes with its third and fifth harmonic. No labels are needed. A reader who knows
    that stripes were added would do this.

    Attributes:
        waves: how many waves are taken off at most; each class has its own.
        tolerance: how many times stronger than the median of those around it a wave is, at least.

    Raises:
        ValueError: fewer than 1 wave, or a tolerance that is not above 1.
    """

    waves: int = 6
    tolerance: float = 5.0

    def __post_init__(self) -> None:
        if self.waves < 1 or not 1 < self.tolerance < math.inf:
            raise ValueError(f"waves={self.waves}, tolerance={self.tolerance}: at least 1 wave, and more than 1 time.")

    def fit(self, images: Images, labels: Labels) -> PictureTransform:
        """Return the projection that takes off the waves of these images; without any it changes nothing.

        Raises:
            NotApplicableError: images of fewer than 12 pixels along an axis.
        """
        shape = tuple(images.shape[1:])
        found = shared_waves(images, waves=self.waves, tolerance=self.tolerance)
        wave = _waves([order for one in found for order in _harmonics(one, shape[1:])], shape[1:]).float()
        pixels = math.prod(shape[1:])
        directions = torch.zeros(shape[0], pixels, shape[0], wave.shape[1])
        for channel in range(shape[0]):
            directions[channel, :, channel] = wave
        return OrthogonalProjection(directions.reshape(shape[0] * pixels, -1).numpy(), shape=shape)

    def describe(self) -> dict[str, Any]:
        """Return the kind and its settings as JSON values."""
        return {"countermeasure": type(self).__name__, **asdict(self)}


def shared_waves(images: Images, *, waves: int = 6, tolerance: float = 5.0) -> tuple[Frequency, ...]:
    """Return the frequencies of waves that stand out of the mean power of images, the strongest first.

    Args:
        images: ``(batch, channel, *space)``, levels, all of one shape.
        waves: how many at most.
        tolerance: see :class:`Notched`.

    Raises:
        NotApplicableError: images of fewer than 12 pixels along an axis.

    Example:
        >>> import torch
        >>> noise = torch.randn(9, 1, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> wave = 2 * torch.sin(torch.arange(32) * 2 * torch.pi * 0.21)
        >>> [[round(step, 2) for step in one] for one in shared_waves(noise + wave)]
        [[0.0, 0.21]]
    """
    space = tuple(images.shape[2:])
    if min(space) < _SMALLEST_PX:
        raise NotApplicableError(f"Notched: images of {space} pixels; at least {_SMALLEST_PX} along every axis.")
    rest = images.detach().double().flatten(0, 1)
    rest = rest - rest.flatten(1).mean(1).reshape(-1, *[1] * len(space))
    found: list[Frequency] = []
    known: set[Frequency] = set()
    while len(found) < waves:
        rough = _strongest(rest, tolerance)
        if rough is None or rough in known:  # what is left beside a wave that is gone stands out, too
            break
        known.add(rough)
        found.append(_refined(rest, rough))
        wave = _waves(_harmonics(found[-1], space), space)
        flat = rest.flatten(1)
        rest = (flat - (flat @ wave) @ wave.T).reshape(rest.shape)
    return tuple(found)


def _strongest(images: Tensor, tolerance: float) -> Frequency | None:
    """Return the frequency that stands out most, as near as the images' own frequencies are."""
    space = tuple(images.shape[1:])
    power = torch.zeros(space, dtype=torch.float64)
    window = _window(space)
    for some in images.split(_BATCH):
        power += torch.fft.fftn(some * window, dim=tuple(range(1, some.ndim))).abs().square().sum(0)
    logarithm = power.clamp_min(1e-12).log().numpy()
    excess = logarithm - median_filter(logarithm, size=_AROUND, mode="wrap")
    steps = np.meshgrid(*(np.fft.fftfreq(size) for size in space), indexing="ij")
    excess[np.hypot.reduce(steps) * max(space) < _LONGEST] = 0
    at = np.unravel_index(int(excess.argmax()), space)
    return tuple(float(one[at]) for one in steps) if excess[at] > math.log(tolerance) else None


def _refined(images: Tensor, rough: Frequency) -> Frequency:
    """Return the frequency near a rough one of which images have most, axis by axis, then as much nearer again."""
    space = tuple(images.shape[1:])
    flat, best = (images * _window(space)).flatten(1), rough
    for finer, axis in product((_FINE, _FINE**2), range(len(space))):
        near = [step / finer / space[axis] for step in range(-_FINE, _FINE + 1)]
        tried = [(*best[:axis], best[axis] + step, *best[axis + 1 :]) for step in near]
        best = max(tried, key=lambda one: float((flat @ _cosine_and_sine(one, space)).square().sum()))
    return best


def _harmonics(frequency: Frequency, space: tuple[int, ...]) -> list[Frequency]:
    """Return a frequency and those of a square wave's harmonics, as pixels show them, without what images show."""
    seen = [tuple((order * step + 0.5) % 1 - 0.5 for step in frequency) for order in _HARMONICS]
    return [one for one in seen if math.hypot(*one) * max(space) >= _LONGEST]


def _waves(frequencies: Sequence[Frequency], space: tuple[int, ...]) -> Tensor:
    """Return orthonormal columns ``(pixels, at most 2 * count)`` that span cosine and sine of every frequency."""
    nothing = torch.zeros(math.prod(space), 1, dtype=torch.float64)
    columns = torch.cat([nothing, *(_cosine_and_sine(one, space) for one in frequencies)], 1)
    spanned: Tensor
    spanned, size, _ = torch.linalg.svd(columns, full_matrices=False)
    return spanned[:, size > _NOTHING * len(spanned) ** 0.5]  # of some waves a harmonic is the wave itself


def _cosine_and_sine(frequency: Frequency, space: tuple[int, ...]) -> Tensor:
    """Return both as columns ``(pixels, 2)``."""
    along = [step * np.arange(size) for step, size in zip(frequency, space, strict=True)]
    angles = torch.from_numpy(2 * math.pi * reduce(np.add.outer, along).ravel())
    return torch.stack([angles.cos(), angles.sin()], 1)


def _window(space: tuple[int, ...]) -> Tensor:
    """Return a Hann window: without it the edges of images stand out along every axis."""
    return torch.from_numpy(reduce(np.multiply.outer, [np.hanning(size) for size in space]))
