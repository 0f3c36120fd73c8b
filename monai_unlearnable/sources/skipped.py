"""What happens to files that cannot be protected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["OnError", "SkippedFile"]


class OnError(str, Enum):
    """What a file that cannot be read, or is of a kind that is not handled, does to a run."""

    STOP = "stop"
    SKIP = "skip"


@dataclass(frozen=True)
class SkippedFile:
    """One file, or folder of a series, that is left out.

    Attributes:
        name: path relative to the source, with ``/``.
        reason: why, in words; it names no place outside the source.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"
