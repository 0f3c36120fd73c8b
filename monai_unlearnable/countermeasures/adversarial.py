"""Adversarial images: what a small change of an image does most to a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from monai_unlearnable.types import Images

__all__ = ["AdversarialSteps"]

_NORMS = ("linf", "l2")
_LEAST_LENGTH = 1e-12


@dataclass(frozen=True, kw_only=True)
class AdversarialSteps:
    """Projected gradient descent on the images (PGD; Madry et al., ICLR 2018, equation 2).

    ``x_{t+1} = Pi(x_t + step * direction(grad_x loss))``: ``direction`` is the sign of the gradient (``linf``), or the
    gradient of each image divided by its length (``l2``); ``Pi`` projects onto the ball around the clean image and then
    cuts to the range of values.

    Attributes:
        radius: of the ball, in the units of the images that the network sees.
        norm: ``linf`` or ``l2``.
        steps: number of steps.
        step_size: length of a step, in the same units; None for twice the radius divided by the steps.
        random_start: begin at a random place of the ball, not at the image.
        low: smallest value that an image may have; None for any.
        high: largest value; None for any.

    Raises:
        ValueError: a value is out of its range.
    """

    radius: float
    norm: str = "linf"
    steps: int = 10
    step_size: float | None = None
    random_start: bool = True
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.radius < float("inf"):
            raise ValueError(f"radius={self.radius}: must be positive and finite, in the units of the images.")
        if self.norm not in _NORMS:
            raise ValueError(f"norm={self.norm!r}: choose one of {', '.join(_NORMS)}.")
        if self.steps < 1:
            raise ValueError(f"steps={self.steps}: at least 1 is needed.")
        if self.step_size is not None and not 0 < self.step_size < float("inf"):
            raise ValueError(f"step_size={self.step_size}: must be positive and finite.")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low={self.low}, high={self.high}: there is no value between them.")

    def __call__(
        self,
        images: Images,
        loss: Callable[[Images], Tensor],
        *,
        share_of_radius: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Images:
        """Return adversarial images; the given ones stay as they are.

        Args:
            images: ``(batch, channel, *space)``, floating point.
            loss: maps images to a scalar; of a mean over the batch only the direction counts, which is that of the sum.
            share_of_radius: scales radius and steps, for a warm-up; 0 returns the images.
            generator: of the random start, on the CPU.

        Raises:
            ValueError: the images are no floating-point numbers.
        """
        if not images.is_floating_point():
            raise ValueError(f"images of type {images.dtype} have no gradient; scale them to floating point first.")
        clean = images.detach()
        radius = self.radius * share_of_radius
        if not radius:
            return clean.clone()
        step = (2 * self.radius / self.steps if self.step_size is None else self.step_size) * share_of_radius
        found = self._project(clean + self._start(clean, radius, generator), clean, radius)
        for _ in range(self.steps):
            found.requires_grad_()
            with torch.enable_grad():
                (gradient,) = torch.autograd.grad(loss(found), found)
            moved = found.detach() + step * self._direction(gradient.detach().nan_to_num())
            found = self._project(moved, clean, radius)
        return found

    def _start(self, clean: Images, radius: float, generator: torch.Generator | None) -> Tensor:
        if not self.random_start:
            return torch.zeros_like(clean)
        if self.norm == "linf":
            drawn = torch.rand(clean.shape, generator=generator).to(clean)
            return (2 * drawn - 1) * radius
        drawn = torch.randn(clean.shape, generator=generator)
        far = torch.rand(len(clean), generator=generator) ** (1 / max(1, clean[0].numel()))
        return _per_image(radius * far / _lengths(drawn), drawn).mul(drawn).to(clean)

    def _direction(self, gradient: Tensor) -> Tensor:
        return gradient.sign() if self.norm == "linf" else gradient * _per_image(1 / _lengths(gradient), gradient)

    def _project(self, images: Images, clean: Images, radius: float) -> Images:
        delta = images - clean
        if self.norm == "linf":
            delta = delta.clamp(-radius, radius)
        else:
            delta = delta * _per_image((radius / _lengths(delta)).clamp_max(1), delta)
        changed = clean + delta
        # An image that is outside its range already is not moved by that.
        low = changed if self.low is None else torch.minimum(clean, torch.full_like(clean, self.low))
        high = changed if self.high is None else torch.maximum(clean, torch.full_like(clean, self.high))
        return torch.minimum(torch.maximum(changed, low), high)

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def _lengths(values: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(values.flatten(1).double(), dim=1)
    return lengths.clamp_min(_LEAST_LENGTH)


def _per_image(factors: Tensor, like: Tensor) -> Tensor:
    return factors.reshape(-1, *[1] * (like.ndim - 1)).to(like)
