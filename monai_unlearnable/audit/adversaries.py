"""Victims who take a countermeasure, as people write it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from monai_unlearnable.audit.clean_parts import CleanPart
from monai_unlearnable.audit.pretraining import Pretraining
from monai_unlearnable.audit.self_supervision import SelfSupervision
from monai_unlearnable.audit.stopped_early import StoppedEarly
from monai_unlearnable.audit.victims import VictimRecipe
from monai_unlearnable.countermeasures import (
    AdversarialSteps,
    AffineMoved,
    BitDepth,
    Blurred,
    BoxHidden,
    BoxSwapped,
    DenoisedAs,
    FittedCountermeasure,
    GammaChanged,
    GaussianAdded,
    Grey,
    ImagesMixed,
    Jpeg2000RoundTrip,
    JpegRoundTrip,
    LowResolutionRoundTrip,
    MedianFiltered,
    Notched,
    PictureTransform,
    Projected,
    TrainingCountermeasure,
    WorstOf,
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
        "denoiser:SOURCE": "a network cleans every image that was trained on the images of another source",
        "projection": "training images lose what a linear network reads in them",
        "notch": "training images lose square waves that stand out of the spectrum of all of them",
        "noise:SIGMA": "Gaussian numbers of SIGMA of the window are added, others at every look, as 8/255",
        "affine": "images are turned, scaled and shifted at random at every look",
        "cutout": "a box of every image is hidden, another one at every look",
        "mixup": "images and their labels are mixed two by two",
        "cutmix": "a box of every image is taken from another one, and the labels are mixed",
        "ueraser:COUNT": "trains on the worst of COUNT strongly augmented versions of each image; 5 if not given",
        "adversarial:RADIUS": "adversarial training: 10 steps (7 of masks) in a ball of RADIUS of the window, as 4/255",
        "pretrained:all": "starts from a network that has learnt other images, and trains all of its layers",
        "pretrained:last": "the same, and trains its last layer alone",
        "self-supervised": "learns from the training images without labels, and trains its last layer alone with them",
        "clean-part:SHARE": "so much of the training images is not protected, as 0.2",
        "clean-part-alone:SHARE": "trains on the unprotected ones alone",
        "early-stopping:SHARE": "stops when it is best on so much of the images, clean and not trained on, as 0.1",
    }
)
"""How each countermeasure is written, and what it is."""

_Countermeasure: TypeAlias = PictureTransform | FittedCountermeasure | TrainingCountermeasure

_STEPS, _DENSE_STEPS = 10, 7
_WINDOW_WIDTH = 2.0
_MOST_CHARACTERS = 20

_PICTURES: Mapping[str, Callable[[str], PictureTransform]] = MappingProxyType(
    {
        "jpeg": lambda number: JpegRoundTrip(_whole(number)),
        "jpeg2000": lambda number: Jpeg2000RoundTrip(_real(number)),
        "bits": lambda number: BitDepth(_whole(number)),
        "blur": lambda number: Blurred(_real(number)),
        "median": lambda number: MedianFiltered(_whole(number)),
        "gamma": lambda number: GammaChanged(_real(number)),
        "low-resolution": lambda number: LowResolutionRoundTrip(_real(number)),
    }
)
_TRAINING: Mapping[str, Callable[[str], TrainingCountermeasure]] = MappingProxyType(
    {
        "noise": lambda number: GaussianAdded(sigma=_WINDOW_WIDTH * _share_of_window(number)),
        "ueraser": lambda number: WorstOf(count=_whole(number)),
    }
)
_WITHOUT_NUMBER: Mapping[str, _Countermeasure] = MappingProxyType(
    {
        "grey": Grey(),
        "projection": Projected(),
        "notch": Notched(),
        "affine": AffineMoved(),
        "cutout": BoxHidden(),
        "mixup": ImagesMixed(),
        "cutmix": BoxSwapped(),
        "ueraser": WorstOf(),
    }
)

_STARTS: Mapping[str, bool] = MappingProxyType({"pretrained:all": False, "pretrained:last": True})
_PARTS: Mapping[str, bool] = MappingProxyType({"clean-part": False, "clean-part-alone": True})


def adversary_of(
    recipe: VictimRecipe, text: str, *, dense: bool = False, other: Pretraining | None = None
) -> VictimRecipe:
    """Return a victim who takes a countermeasure before and while training.

    Args:
        recipe: the victim.
        text: one of :data:`COUNTERMEASURES`.
        dense: whether labels are masks.
        other: other images, for a pretrained victim; without any it cannot be trained, and an audit says so.

    Raises:
        ValueError: the text is not understood, or its number is out of range.
        SourceError: a denoiser's source cannot be opened.

    Example:
        >>> victim = adversary_of(VictimRecipe(), "adversarial:4/255")
        >>> victim.name, round(victim.adversarial.radius, 4)
        ('small_resnet, adversarial:4/255', 0.0314)
        >>> adversary_of(VictimRecipe(), "jpeg:50").pictures[0].quality
        50
    """
    kind, _, number = text.partition(":")
    forms = [one for one in COUNTERMEASURES if one.startswith(f"{kind}:")]
    if not number and forms and kind not in _WITHOUT_NUMBER:
        raise ValueError(f"countermeasure {text!r} is not understood. Write {' or '.join(forms)}.")
    if kind == "denoiser":
        named = replace(recipe, name=f"{recipe.name}, denoiser:{Path(number).name[:_MOST_CHARACTERS]}")
        return _taking(named, DenoisedAs(number))
    named = replace(recipe, name=f"{recipe.name}, {text}")
    if len(number) > _MOST_CHARACTERS:
        raise ValueError(f"countermeasure {text[:80]!r}: its number is too long.")
    if text in _STARTS:
        start = Pretraining() if other is None else other
        return replace(named, start=replace(start, only_last=_STARTS[text]))
    if text == "self-supervised":
        return replace(named, start=SelfSupervision())
    if text in _WITHOUT_NUMBER:
        return _taking(named, _WITHOUT_NUMBER[text])
    try:
        if kind == "adversarial":
            return replace(named, adversarial=_steps(number, dense=dense))
        if kind in _PICTURES:
            return _taking(named, _PICTURES[kind](number))
        if kind in _TRAINING:
            return _taking(named, _TRAINING[kind](number))
        if kind in _PARTS:
            part = CleanPart(share=_real(number), alone=_PARTS[kind])
            # Who has a fifth of the images looks five times as often at each, as others do at all of them together.
            epochs = round(recipe.epochs / part.share) if part.alone else recipe.epochs
            return replace(named, clean_part=part, baseline=recipe, epochs=epochs)
        if kind == "early-stopping":
            return replace(named, early_stopping=StoppedEarly(share=_real(number)))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"countermeasure {text!r}: {error} ({forms[0]}: {COUNTERMEASURES[forms[0]]}.)") from error
    raise ValueError(f"countermeasure {text[:80]!r} is not understood. Write one of: {', '.join(COUNTERMEASURES)}.")


def with_adversaries(
    recipes: Sequence[VictimRecipe],
    countermeasures: Sequence[str],
    *,
    dense: bool,
    other: Pretraining | None = None,
) -> tuple[VictimRecipe, ...]:
    """Return victims, and each of them once more for every countermeasure.

    Args:
        recipes: the victims.
        countermeasures: each one of :data:`COUNTERMEASURES`; what is there twice counts once, also in other words
            (``blur:1`` and ``blur:1.0``).
        dense: whether labels are masks.
        other: other images, for pretrained victims.

    Raises:
        ValueError: one of them is not understood.

    Example:
        >>> [one.name for one in with_adversaries([VictimRecipe()], ["grey", "bits:2"], dense=False)]
        ['small_resnet', 'small_resnet, grey', 'small_resnet, bits:2']
    """
    kinds: dict[tuple[str, Fraction | str], str] = {}
    for text in countermeasures:
        kinds.setdefault(_same(text), text)
    victims = [adversary_of(one, kind, dense=dense, other=other) for kind in kinds.values() for one in recipes]
    return (*recipes, *_numbered(victims))


def _same(text: str) -> tuple[str, Fraction | str]:
    """Return what is equal for countermeasures that are the same."""
    kind, _, number = text.partition(":")
    if kind == "ueraser" and not number:
        return kind, Fraction(WorstOf().count)
    try:
        return kind, number if kind == "denoiser" else Fraction(number)
    except (ValueError, ZeroDivisionError):
        return kind, number


def _numbered(victims: Sequence[VictimRecipe]) -> Iterator[VictimRecipe]:
    """Number those of one name: denoisers that learnt from files of one name in several folders."""
    found: Counter[str] = Counter()
    for one in victims:
        found[one.name] += 1
        yield one if found[one.name] == 1 else replace(one, name=f"{one.name} ({found[one.name]})")


def _taking(recipe: VictimRecipe, countermeasure: _Countermeasure) -> VictimRecipe:
    if isinstance(countermeasure, PictureTransform):
        return replace(recipe, pictures=(*recipe.pictures, countermeasure))
    if isinstance(countermeasure, FittedCountermeasure):
        return replace(recipe, fitted=(*recipe.fitted, countermeasure))
    return replace(recipe, training=(*recipe.training, countermeasure))


def _whole(number: str) -> int:
    try:
        return int(number)
    except ValueError as error:
        raise ValueError(f"{number!r} is no whole number.") from error


def _real(number: str) -> float:
    try:
        return float(number)
    except ValueError as error:
        raise ValueError(f"{number!r} is no number.") from error


def _share_of_window(number: str) -> float:
    try:
        share = float(Fraction(number))
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"{number!r} is no number or fraction.") from error
    if not 0 < share <= 1:
        raise ValueError(f"the number {number} is a share of the window, above 0 and at most 1.")
    return share


def _steps(number: str, *, dense: bool) -> AdversarialSteps:
    # Victims see a window as -1 to 1.
    steps = _DENSE_STEPS if dense else _STEPS
    return AdversarialSteps(radius=_WINDOW_WIDTH * _share_of_window(number), steps=steps, low=-1.0, high=1.0)
