"""Numbers as people write them on the command line; a wrong one is a usage error that says why."""

from __future__ import annotations

import argparse

__all__ = ["block_size", "level_size", "natural", "positive", "share", "signs", "size"]


def positive(text: str) -> int:
    """Return a whole number from 1 below 2**31."""
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:20]) < 2**31 or len(text) > 20:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number of at least 1")
    return int(text)


def size(text: str) -> int:
    """Return a size that networks can look at, in pixels."""
    pixels = positive(text)
    if not 8 <= pixels <= 4096:
        raise argparse.ArgumentTypeError(f"{pixels} pixels: a network looks at 8 to 4096")
    return pixels


def block_size(text: str) -> int:
    """Return the side of a block, in pixels."""
    pixels = positive(text)
    if not 2 <= pixels <= 1024:
        raise argparse.ArgumentTypeError(f"{pixels} pixels: a block has 2 to 1024 a side")
    return pixels


def share(text: str) -> float:
    """Return a share above 0 and below 1."""
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number") from error
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a share above 0 and below 1")
    return value


def signs(text: str) -> tuple[int, ...]:
    """Return the signs of channels, 1 and -1."""
    if not text or len(text) > 64 or not set(text) <= {"+", "-"}:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a + or - for each channel, such as ++-")
    return tuple(1 if one == "+" else -1 for one in text)


def level_size(text: str) -> float:
    """Return the size of a level."""
    try:
        size = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number") from error
    if not 1e-30 <= size <= 1e30:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not usable: a level size is from 1e-30 to 1e30")
    return size


def natural(text: str) -> int:
    """Return a whole number from 0 below 2**62."""
    if not text.isascii() or not text.isdecimal() or len(text) > 20 or int(text) >= 2**62:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number of at least 0 and below 2**62")
    return int(text)
