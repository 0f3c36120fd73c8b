"""What the text headers of MetaImage and NRRD have in common."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from monai_unlearnable.sources.file_errors import Refused

__all__ = ["LARGEST_HEADER_BYTES", "HeaderField", "parse_float", "parse_numbers", "parse_sizes"]

LARGEST_HEADER_BYTES = 1 << 20
"""A text header that has not ended by here is taken for damage."""

LARGEST_AXES = 7


@dataclass(frozen=True)
class HeaderField:
    """One field of a header.

    Attributes:
        value: its text.
        start: where the value's bytes begin in the header.
        stop: where they end.
    """

    value: str
    start: int
    stop: int


def parse_sizes(text: str, *, name: str, count: int | None = None) -> tuple[int, ...]:
    """Parse whole numbers that are separated by blanks.

    Raises:
        Refused: they are not whole numbers from 0 to 10**15, or not ``count`` of them, or more than seven.

    Example:
        >>> parse_sizes("4 3 2", name="DimSize", count=3)
        (4, 3, 2)
    """
    words = text.split()
    if not words or len(words) > LARGEST_AXES or not all(re.fullmatch(r"[0-9]{1,15}", one) for one in words):
        raise Refused(f"its header says {name} {text[:80]!r}, which is not a list of sizes.")
    if count is not None and len(words) != count:
        raise Refused(f"its header says {name} {text[:80]!r}; there must be {count}.")
    return tuple(int(one) for one in words)


def parse_float(text: str, *, name: str) -> float:
    """Parse one number.

    Raises:
        Refused: it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise Refused(f"its header says {name} {text[:80]!r}, which is not a number.") from None


def parse_numbers(text: str) -> tuple[float, ...]:
    """Parse finite numbers that are separated by blanks, commas or brackets; none where one of them is no number.

    For what a header says about how its image is shown: nothing is refused for it.

    Example:
        >>> parse_numbers("(0.5, 0,-2)"), parse_numbers("1 nan")
        ((0.5, 0.0, -2.0), ())
    """
    try:
        numbers = tuple(float(one) for one in re.split(r"[\s,()]+", text) if one)
    except ValueError:
        return ()
    return numbers if all(map(math.isfinite, numbers)) else ()
