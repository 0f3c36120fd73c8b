"""Which countermeasures a victim takes, read from its recipe, and which of its settings can be drawn along an axis."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from monai_unlearnable.audit.victims import VictimRecipe

__all__ = ["Axis", "Step", "base_of", "steps_of", "steps_text"]

_ADVERSARIAL = "adversarial"
_PART, _ALONE = "clean_part", "clean_part_alone"
_STOPPING = "early_stopping"
_PLACES = (_PART, _STOPPING, "start", "pictures", "fitted", "training", _ADVERSARIAL)
"""Where a recipe's description has what a reader has or does; all else is the victim itself."""

_WINDOW_WIDTH = 2.0


@dataclass(frozen=True)
class Axis:
    """The one number of a countermeasure that says how strong it is.

    Attributes:
        setting: what the description calls it.
        title: what people call it, with its unit.
        at_nothing: the value at which the countermeasure changes nothing; None where no value does.
    """

    setting: str
    title: str
    at_nothing: float | None = None


@dataclass(frozen=True)
class _Kind:
    """How a kind of countermeasure is told: its title, what of it can be drawn, and which settings are said."""

    title: str
    axis: Axis | None = None
    told: tuple[str, ...] = ()


_KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "JpegRoundTrip": _Kind("JPEG", Axis("quality", "JPEG quality"), ("quality", "subsampling")),
        "Jpeg2000RoundTrip": _Kind("JPEG 2000", Axis("ratio", "JPEG 2000: times smaller", 1.0), ("ratio",)),
        "BitDepth": _Kind("fewer bits", Axis("bits", "bits of a pixel"), ("bits",)),
        "Grey": _Kind("no colours"),
        "Blurred": _Kind("blur", Axis("sigma_px", "blur: sigma (px)", 0.0), ("sigma_px",)),
        "MedianFiltered": _Kind("median", Axis("radius_px", "median: radius (px)", 0.0), ("radius_px",)),
        "GammaChanged": _Kind("other contrast", Axis("gamma", "gamma", 1.0), ("gamma",)),
        "LowResolutionRoundTrip": _Kind(
            "low resolution", Axis("factor", "low resolution: share of each side", 1.0), ("factor",)
        ),
        "Projected": _Kind("projection"),
        "Notched": _Kind("notch filter"),
        "GaussianAdded": _Kind(
            "random numbers added", Axis("sigma_in_255", "sigma of what is added (255ths of the window)", 0.0)
        ),
        "AffineMoved": _Kind("affine moves"),
        "BoxHidden": _Kind("boxes hidden"),
        "ImagesMixed": _Kind("images mixed"),
        "BoxSwapped": _Kind("boxes swapped"),
        "WorstOf": _Kind("worst of several augmentations", told=("count",)),
        _PART: _Kind("a clean part", Axis("share", "share of images that is clean", 0.0), ("share",)),
        _ALONE: _Kind("a clean part alone", Axis("share", "share of images, clean, without the others"), ("share",)),
        _STOPPING: _Kind("stopped early", Axis("share", "share of images, clean, to stop by"), ("share",)),
        "start": _Kind("pretrained", told=("without_labels", "only_last", "rate_share")),
        _ADVERSARIAL: _Kind(
            "adversarial training", Axis("radius_in_255", "adversarial radius (255ths of the window)", 0.0)
        ),
    }
)


@dataclass(frozen=True)
class Step:
    """One thing that a reader has or does.

    Attributes:
        kind: class of the countermeasure, or where the recipe has it, such as ``adversarial``.
        settings: its settings by name, as JSON text, so that equal ones are equal.
    """

    kind: str
    settings: tuple[tuple[str, str], ...]

    @property
    def axis(self) -> Axis | None:
        """The setting that says how strong it is; None where there is none, or it is no number here."""
        axis = _KINDS[self.kind].axis if self.kind in _KINDS else None
        return axis if axis is not None and self._number(axis.setting) is not None else None

    @property
    def value(self) -> float | None:
        """How strong it is, along :attr:`axis`."""
        return None if self.axis is None else self._number(self.axis.setting)

    @property
    def others(self) -> tuple[tuple[str, str], ...]:
        """All settings but that of :attr:`axis`."""
        return tuple(one for one in self.settings if self.axis is None or one[0] != self.axis.setting)

    @property
    def text(self) -> str:
        """What it is, in words; of a kind that is not known here with all of its settings."""
        known = _KINDS.get(self.kind)
        said = [known.title if known else _words(self.kind)]
        for name, text in self.settings:
            if name.endswith("_in_255"):
                said.append(f"{name.removesuffix('_in_255')} {float(text):.3g}/255")
            elif (known is None or name in known.told) and text not in ("null", "false"):
                title = name.removesuffix("_px").replace("_", " ")
                said.append(title if text == "true" else f"{title} {text}")
        return ", ".join(said)

    def _number(self, name: str) -> float | None:
        value = json.loads(dict(self.settings).get(name, "null"))
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def steps_of(recipe: VictimRecipe) -> tuple[Step, ...]:
    """Return everything that a victim does to images, in order; nothing for a plain one.

    Example:
        >>> from monai_unlearnable.countermeasures import JpegRoundTrip
        >>> [one.text for one in steps_of(VictimRecipe(pictures=(JpegRoundTrip(75),)))]
        ['JPEG, quality 75']
    """
    found = []
    for place, content in recipe.describe().items():
        if place in _PLACES:
            for one in content if isinstance(content, list) else [content]:
                settings = _in_255({name: value for name, value in one.items() if name != "countermeasure"})
                kind = _ALONE if place == _PART and one["alone"] else one.get("countermeasure", place)
                found.append(Step(kind, tuple((name, json.dumps(value)) for name, value in sorted(settings.items()))))
    return tuple(found)


def steps_text(steps: tuple[Step, ...]) -> str:
    """Say in words what a victim does to images.

    Example:
        >>> steps_text(())
        'none'
    """
    return "; then ".join(one.text for one in steps) if steps else "none"


def base_of(recipe: VictimRecipe) -> str:
    """Return what a victim is without its countermeasures and its name, as text: equal for equal victims.

    Example:
        >>> from monai_unlearnable.countermeasures import JpegRoundTrip
        >>> base_of(VictimRecipe()) == base_of(VictimRecipe(name="other", pictures=(JpegRoundTrip(75),)))
        True
    """
    victim = recipe if recipe.baseline is None else recipe.baseline  # who has a part alone has other epochs
    own = {name: value for name, value in victim.describe().items() if name not in ("name", *_PLACES)}
    return json.dumps(own, sort_keys=True)


def _in_255(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is a share of the window, which victims see as -1 to 1, as 255ths of it."""
    # A countermeasure on files has its own unit, which its setting names.
    names = [one for one in ("radius", "sigma") if one in settings]
    rest = {name: value for name, value in settings.items() if name not in names}
    # What was a fraction of 255 becomes one again.
    return {**rest, **{f"{one}_in_255": round(255 * settings[one] / _WINDOW_WIDTH, 6) for one in names}}


def _words(kind: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", kind).lower()
