"""Regions of images as people write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import AtMost, Background, Body, ContourBand, Region, Salient, Structures

__all__ = ["REGIONS", "parse_region"]

REGIONS: Mapping[str, str] = MappingProxyType(
    {
        "structures[:PX[:SHARE]]": "what the masks show, and PX voxels around it; at most that share of an image",
        "contour[:PX[:SHARE]]": "PX voxels (8) inside and outside of each structure's contour; at most that share",
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
        >>> parse_region("structures:4:0.25")
        AtMost(region=Structures(margin_px=4), share=0.25)
    """
    if not text:
        return None
    name, *numbers = text.split(":")
    builders: dict[str, Callable[..., Region]] = {
        "structures": _structures,
        "contour": _contour,
        "background": Background,
        "body": Body,
        "salient": lambda share="0.1": Salient(share=float(share)),
    }
    most = {"structures": 2, "contour": 2, "salient": 1}.get(name, 0)
    if name not in builders or len(numbers) > most:
        raise BudgetError(f"region {text!r} is not understood. Write one of: {', '.join(REGIONS)}.")
    try:
        return builders[name](*numbers)
    except ValueError as error:
        raise BudgetError(
            f"region {text!r}: {':'.join(numbers)!r} is no number that fits {name!r}. Write one of: "
            f"{', '.join(REGIONS)}."
        ) from error


def _structures(margin_px: str = "0", share: str = "1") -> Region:
    return _at_most(Structures(margin_px=int(margin_px)), share)


def _contour(width_px: str = "8", share: str = "1") -> Region:
    return _at_most(ContourBand(inside_px=int(width_px), outside_px=int(width_px)), share)


def _at_most(region: Region, share: str) -> Region:
    return region if share == "1" else AtMost(region=region, share=float(share))
