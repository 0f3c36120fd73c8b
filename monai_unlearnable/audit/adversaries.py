"""Victims who take a countermeasure, as people write it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from types import MappingProxyType

from monai_unlearnable.audit.victims import VictimRecipe
from monai_unlearnable.countermeasures import (
    AdversarialSteps,
    BitDepth,
    Blurred,
    GammaChanged,
    Grey,
    Jpeg2000RoundTrip,
    JpegRoundTrip,
    LowResolutionRoundTrip,
    MedianFiltered,
    PictureTransform,
)

__all__ = ["COUNTERMEASURES", "adversary_of", "with_adversaries"]

COUNTERMEASURES: Mapping[str, str] = MappingProxyType(
    {
        "jpeg:QUALITY": "every picture goes through a JPEG file of this quality, 1 to 100",
        "jpeg2000:RATIO": "through a JPEG 2000 file so many times smaller than its pixels",
        "bits:BITS": "keeps so many bits of each pixel, 1 to 7",
        "grey": "colour pictures lose their colours",
        "blur:SIGMA": "a Gaussian of so many pixels",
        "median:RADIUS": "the median of so many pixels around",
        "gamma:GAMMA": "levels are raised to a power",
        "low-resolution:FACTOR": "images are made smaller by this factor and enlarged again",
        "adversarial:RADIUS": "adversarial training: 10 steps (7 of masks) in a ball of RADIUS of the window, as 4/255",
    }
)
"""How each countermeasure is written, and what it is."""

_STEPS, _DENSE_STEPS = 10, 7
_WINDOW_WIDTH = 2.0
_MOST_CHARACTERS = 20


def adversary_of(recipe: VictimRecipe, text: str, *, dense: bool = False) -> VictimRecipe:
    """Return a victim who takes a countermeasure before and while training.

    Args:
        recipe: the victim.
        text: one of :data:`COUNTERMEASURES`.
        dense: whether labels are masks.

    Raises:
        ValueError: the text is not understood, or its number is out of range.

    Example:
        >>> victim = adversary_of(VictimRecipe(), "adversarial:4/255")
        >>> victim.name, round(victim.adversarial.radius, 4)
        ('small_resnet, adversarial:4/255', 0.0314)
        >>> adversary_of(VictimRecipe(), "jpeg:50").pictures[0].quality
        50
    """
    kind, _, number = text.partition(":")
    name = f"{recipe.name}, {text}"
    builders: dict[str, Callable[[str], PictureTransform]] = {
        "jpeg": lambda one: JpegRoundTrip(int(one)),
        "jpeg2000": lambda one: Jpeg2000RoundTrip(float(one)),
        "bits": lambda one: BitDepth(int(one)),
        "blur": lambda one: Blurred(float(one)),
        "median": lambda one: MedianFiltered(int(one)),
        "gamma": lambda one: GammaChanged(float(one)),
        "low-resolution": lambda one: LowResolutionRoundTrip(float(one)),
    }
    known = ", ".join(COUNTERMEASURES)
    if len(number) > _MOST_CHARACTERS:
        raise ValueError(f"countermeasure {text[:80]!r}: its number is too long.")
    try:
        if kind == "grey" and not number:
            return replace(recipe, name=name, pictures=(*recipe.pictures, Grey()))
        if kind == "adversarial":
            return replace(recipe, name=name, adversarial=_steps(number, dense=dense))
        if kind in builders:
            return replace(recipe, name=name, pictures=(*recipe.pictures, builders[kind](number)))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise ValueError(f"countermeasure {text!r}: {error}") from error
    raise ValueError(f"countermeasure {text!r} is not understood. Write one of: {known}.")


def with_adversaries(
    recipes: Sequence[VictimRecipe], countermeasures: Sequence[str], *, dense: bool
) -> tuple[VictimRecipe, ...]:
    """Return victims, and each of them once more for every countermeasure.

    Args:
        recipes: the victims.
        countermeasures: each one of :data:`COUNTERMEASURES`; what is there twice counts once.
        dense: whether labels are masks.

    Raises:
        ValueError: one of them is not understood.

    Example:
        >>> [one.name for one in with_adversaries([VictimRecipe()], ["grey", "bits:2"], dense=False)]
        ['small_resnet', 'small_resnet, grey', 'small_resnet, bits:2']
    """
    kinds = dict.fromkeys(countermeasures)
    return (*recipes, *(adversary_of(one, kind, dense=dense) for kind in kinds for one in recipes))


def _steps(number: str, *, dense: bool) -> AdversarialSteps:
    radius = float(Fraction(number))
    if not 0 < radius <= 1:
        raise ValueError(f"the radius {number} is a share of the window, above 0 and at most 1.")
    # Victims see a window as -1 to 1.
    steps = _DENSE_STEPS if dense else _STEPS
    return AdversarialSteps(radius=_WINDOW_WIDTH * radius, steps=steps, low=-1.0, high=1.0)
