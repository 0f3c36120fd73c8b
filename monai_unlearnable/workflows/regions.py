"""Regions of images as people write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import Background, Body, ContourBand, Region, Salient, Structures

__all__ = ["REGIONS", "parse_region"]

REGIONS: Mapping[str, str] = MappingProxyType(
    {
        "structures[:PX]": "what the masks show, and PX voxels around it",
        "contour[:PX]": "a band of PX voxels (8) inside and outside of each structure's contour",
        "background": "everything but the structures, which stay as they are",
        "body": "what is brighter than the darkest level of an image",
        "salient[:SHARE]": "the share (0.1) of the voxels that the surrogate's loss depends on most",
    }
)
"""How each region is written, and what it is."""


def parse_region(text: str | None) -> Region | None:
    """Read a region such as ``contour:8``; None, or nothing written, is the whole image.

    Raises:
        BudgetError: the text is not understood, or its number is out of range.

    Example:
        >>> parse_region("contour:4")
        ContourBand(inside_px=4, outside_px=4)
        >>> parse_region("salient:0.2"), parse_region(None)
        (Salient(share=0.2), None)
    """
    if not text:
        return None
    name, _, number = text.partition(":")
    plain: dict[str, Callable[[], Region]] = {"background": Background, "body": Body}
    try:
        if name in plain and not number:
            return plain[name]()
        if name == "structures":
            return Structures(margin_px=int(number or 0))
        if name == "contour":
            width = int(number or 8)
            return ContourBand(inside_px=width, outside_px=width)
        if name == "salient":
            return Salient(share=float(number or 0.1))
    except ValueError as error:
        raise BudgetError(f"region {text!r}: {number!r} is no number that fits {name!r}.") from error
    raise BudgetError(f"region {text!r} is not understood. Write one of: {', '.join(REGIONS)}.")
