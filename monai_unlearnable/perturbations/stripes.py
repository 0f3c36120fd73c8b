"""Stripes: patterns that convolutional networks learn before they learn what images show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.checks import Checks
from monai_unlearnable.perturbations.pattern_family import (
    LARGEST_CHECKED_PX,
    PatternFamily,
    drawing_generator,
    enlarged_positions,
    require_distances,
)
from monai_unlearnable.perturbations.waves import PHASES, Frequency, draw_waves, frequencies
from monai_unlearnable.types import Region

__all__ = ["Stripes"]

_LEAST_VIEW_PX = 8
_APART = 3
"""Sixteenths of a cycle between two phases: of 4 adversarial training learns more, of 2 a projection leaves less."""


@dataclass(frozen=True, kw_only=True)
class Stripes(PatternFamily):
    """Square waves of short period, one direction and frequency for each pattern.

    Pattern ``k`` is ``sign(cos(2 pi (<f_k, i> + phase_k)))`` with ``f_k`` in sixteenths of a cycle per pixel. One
    convolution and a mean over the image read it, at any place, so a network learns it within a few dozen steps,
    before it learns what the images show; a block pattern of the same radius needs hundreds. The few best waves stay
    apart when images are flipped or turned. The seed decides which of the waves a class gets, and the phases.

    Stripes of one phase lie alike in all images of a class: a linear network reads them, too, and a reader who takes
    off the one direction that it reads has clean images again (orthogonal projection, Sandoval-Segura et al., NeurIPS
    2023). Of two phases, three sixteenths of a cycle apart, the same direction still tells the classes apart, so they
    are learnt as soon, but without it each image keeps a wave of one sign or the other, which no linear network reads.
    No period of theirs is a whole number of pixels, so that means of neighbouring pixels leave as much of both.

    Attributes:
        view_px: the size that stripes are drawn at, to be enlarged with the image, where readers will not look at the
            stored one. None: stripes are drawn on the stored pixels.
        phases: how many phases a class has, 1 or 2; of two an image's id says which is its.
        along_axes: of one phase, take waves of period 4 along each axis first, as of two. Adversarial training of masks
            learns them, soonest where networks look at the stored pixels and images are not shifted, and was not seen
            to learn those of period 8/3; but a reader who turns images by right angles takes one for another.

    Example:
        >>> Stripes().signs(2, (4, 4), seed=1)[0].tolist()[0]
        [1.0, 1.0, -1.0, -1.0]
    """

    view_px: int | None = None
    phases: int = 1
    along_axes: bool = False

    def __post_init__(self) -> None:
        if self.phases not in (1, 2):
            raise BudgetError(f"phases={self.phases}: a class has 1 or 2 phases.")
        if self.view_px is not None and self.view_px < _LEAST_VIEW_PX:
            raise BudgetError(
                f"view_px={self.view_px}: stripes need images of at least {_LEAST_VIEW_PX} pixels a side."
            )

    def signs(
        self, count: int, space: Sequence[int], *, seed: int, part: Region | None = None, sample_id: str = ""
    ) -> Tensor:
        """Draw stripes; see :meth:`PatternFamily.signs`."""
        generator = drawing_generator("stripes", len(space), seed)
        known = self._frequencies(count, len(space))
        order = torch.randperm(len(known), generator=generator)[:count].tolist()
        phases = torch.randint(0, len(PHASES), (count,), generator=generator)
        if self.phases > 1:
            own = drawing_generator(f"phases/{sample_id}", len(space), seed)
            phases = (phases + _APART * torch.randint(0, 2, (count,), generator=own)) % len(PHASES)
        waves = [(known[at], PHASES[phase]) for at, phase in zip(order, phases.tolist(), strict=True)]
        drawn = [min(one, self.view_px or one) for one in space]
        require_distances(draw_waves(waves, _first(drawn)), space, f"Stripes(view_px={self.view_px})")
        return draw_waves(waves, enlarged_positions(drawn, space, part))

    @property
    def differs_by_image(self) -> bool:
        """Whether phases do."""
        return self.phases > 1

    def check(self, count: int) -> None:
        """Check that there are so many waves; see :meth:`PatternFamily.check`."""
        self._frequencies(count, 2)

    def _frequencies(self, count: int, dimensions: int) -> tuple[Frequency, ...]:
        return frequencies(count, dimensions, detuned=self.phases > 1, along_axes=self.along_axes)

    def seen_at(self, size_px: int | None) -> Stripes:
        """Return stripes that are drawn at half the size that readers will look at.

        Readers resample in their own way, and what is as fine as the pixels that they look at is blurred away by that:
        of Kvasir-SEG pictures, stripes drawn at 96 pixels did nothing to networks that looked at 128.
        """
        if self.view_px is not None or size_px is None:
            return self
        return replace(self, view_px=max(_LEAST_VIEW_PX, size_px // 2))

    def seen_whole(self, *, spatial_dims: int) -> PatternFamily:
        """Return a checkerboard for volumes, unless other stripes than usual were chosen."""
        usual = self.view_px is None and not self.along_axes
        return Checks() if usual and spatial_dims == 3 else self

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        more: dict[str, Any] = {} if self.phases == 1 else {"phases": self.phases}
        if self.along_axes:
            more["along_axes"] = True
        return {"family": "stripes", "view_px": self.view_px, **more}


def _first(drawn: Sequence[int]) -> list[Tensor]:
    return [torch.arange(min(one, LARGEST_CHECKED_PX)) for one in drawn]
