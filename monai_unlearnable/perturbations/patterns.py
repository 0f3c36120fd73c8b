"""Patterns of +1 and -1 that tell classes apart: stripes for convolutional networks, blocks for linear ones."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.waves import (
    LEAST_DISTANCE_SHARE,
    PHASES,
    Frequency,
    apart,
    draw_waves,
    frequencies,
)
from monai_unlearnable.types import Region

__all__ = ["Blocks", "PatternFamily", "Stripes", "drawing_generator", "enlarged_positions", "require_distances"]

_MAX_DRAWS = 1000
_LEAST_VIEW_PX = 8
_APART = 3
"""Sixteenths of a cycle between two phases: of 4 adversarial training learns more, of 2 a projection leaves less."""
_LARGEST_CHECKED_PX = 64
"""Patterns repeat themselves long before, so that no more of them is looked at."""


class PatternFamily(ABC):
    """Draws patterns of which any two differ in 30 to 70 % of their pixels."""

    @abstractmethod
    def signs(
        self, count: int, space: Sequence[int], *, seed: int, part: Region | None = None, sample_id: str = ""
    ) -> Tensor:
        """Draw ``count`` patterns.

        Args:
            count: number of patterns.
            space: size of the images along each axis.
            seed: whoever knows it can draw the same patterns.
            part: return this part of the patterns only, one slice for each axis of space; None for all of them.
            sample_id: of the image, for families whose patterns differ from image to image; others leave it aside.

        Returns:
            ``(count, *space)`` or that part of it, float32, +1 and -1.

        Raises:
            BudgetError: there are not so many patterns, or images of this size cannot show them.
        """

    @abstractmethod
    def check(self, count: int) -> None:
        """Check early that so many patterns can be drawn for images.

        Raises:
            BudgetError: they cannot.
        """

    def seen_at(self, size_px: int | None) -> PatternFamily:
        """Return the family for images that readers will resize to ``size_px``; None where they will not."""
        return self

    @property
    def differs_by_image(self) -> bool:
        """Whether an image's patterns depend on its id."""
        return False

    @property
    def has_faint_class(self) -> bool:
        """Whether one class's pattern is to be fainter than the others, for clean images to be taken for it."""
        return True

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""


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

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        more: dict[str, Any] = {} if self.phases == 1 else {"phases": self.phases}
        if self.along_axes:
            more["along_axes"] = True
        return {"family": "stripes", "view_px": self.view_px, **more}


@dataclass(frozen=True, kw_only=True)
class Blocks(PatternFamily):
    """Random blocks (Yu et al., KDD 2022, section 4): the same blocks along every axis, whatever the image's size.

    Attributes:
        per_axis: blocks along each axis (7 gives 4-pixel blocks for 28 pixels).
    """

    per_axis: int = 7

    def __post_init__(self) -> None:
        if self.per_axis < 2:
            raise BudgetError(f"per_axis={self.per_axis}: at least 2 blocks make a pattern.")

    def signs(
        self, count: int, space: Sequence[int], *, seed: int, part: Region | None = None, sample_id: str = ""
    ) -> Tensor:
        """Draw blocks; see :meth:`PatternFamily.signs`."""
        patterns = self._draw(count, len(space), seed)
        drawn = patterns.shape[1:]
        seen = [min(one, _LARGEST_CHECKED_PX) for one in space]
        require_distances(_pick(patterns, enlarged_positions(drawn, seen)), space, f"Blocks(per_axis={self.per_axis})")
        return _pick(patterns, enlarged_positions(drawn, space, part))

    def check(self, count: int) -> None:
        """Check that so many patterns can be told apart; see :meth:`PatternFamily.check`."""
        self._draw(count, 2, 0)

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {"family": "blocks", "per_axis": self.per_axis}

    def _draw(self, count: int, dimensions: int, seed: int) -> Tensor:
        blocks = self.per_axis**dimensions
        generator = drawing_generator("blocks", dimensions, seed)
        patterns: list[Tensor] = []
        for _ in range(_MAX_DRAWS):
            drawn = torch.randint(0, 2, (blocks,), generator=generator) * 2.0 - 1
            if all(apart(drawn, other) for other in patterns):
                patterns.append(drawn)
            if len(patterns) == count:
                return torch.stack(patterns).reshape(-1, *[self.per_axis] * dimensions)
        raise BudgetError(
            f"{blocks} blocks cannot tell {count} patterns apart in {LEAST_DISTANCE_SHARE:.0%} of the blocks. "
            f"Raise per_axis above {self.per_axis}."
        )


def enlarged_positions(drawn: Sequence[int], space: Sequence[int], part: Region | None = None) -> list[Tensor]:
    """Return for each axis which element of a drawn pattern each pixel of an image, or of a part of it, shows."""
    parts = [slice(None)] * len(space) if part is None else part
    return [torch.arange(size)[one] * have // size for have, size, one in zip(drawn, space, parts, strict=True)]


def _first(drawn: Sequence[int]) -> list[Tensor]:
    return [torch.arange(min(one, _LARGEST_CHECKED_PX)) for one in drawn]


def _pick(patterns: Tensor, positions: Sequence[Tensor]) -> Tensor:
    for axis, one in enumerate(positions, start=1):
        patterns = patterns.index_select(axis, one)
    return patterns


def require_distances(patterns: Tensor, space: Sequence[int], family: str) -> None:
    """Check that an image of this size can show the patterns apart.

    Args:
        patterns: ``(count, *space)``, +1 and -1; as much of them as there is before they repeat themselves.
        space: size of the images.
        family: how the error names the patterns.

    Raises:
        BudgetError: two of them differ in fewer than half of the pixels that they are to differ in.
    """
    flat = patterns.flatten(1)
    for index in range(1, len(flat)):
        if float((flat[:index] != flat[index]).float().mean(1).min()) < LEAST_DISTANCE_SHARE / 2:
            raise BudgetError(
                f"images of size {tuple(space)} are too small for the patterns of {family}: classes cannot be told "
                "apart. Take fewer blocks (Blocks(per_axis=...)), or larger images."
            )


def drawing_generator(family: str, dimensions: int, seed: int) -> torch.Generator:
    """Spread a seed over 63 bits, differently for each family, and for images and volumes."""
    digest = hashlib.sha256(f"synthetic/{family}/{dimensions}/{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
