"""What verifying and restoring found."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

__all__ = ["Failure", "RestoreReport", "VerifyReport"]


@dataclass(frozen=True)
class Failure:
    """Something that does not hold.

    Attributes:
        file: the released file, relative to the release.
        reason: what is wrong with it.
        sample_id: the image, where one is meant; else ''.
    """

    file: str
    reason: str
    sample_id: str = ""

    def __str__(self) -> str:
        return f"{self.file}{f' ({self.sample_id})' if self.sample_id else ''}: {self.reason}"


@dataclass(frozen=True)
class VerifyReport:
    """What verifying a release found.

    Attributes:
        mode: ``public`` (files against manifest) or ``owner`` (also every pixel against the ledger).
        files: released files that were looked at, the manifest aside.
        images: images that were decoded.
        pixels: stored values that were compared with the ledger (0 in public mode).
        pixels_held: those of them in images that keep to budget, range and stored delta.
        largest_delta_levels: largest change of any pixel (0 in public mode).
        failures: everything that does not hold.
    """

    mode: str
    files: int
    images: int
    pixels: int
    pixels_held: int
    largest_delta_levels: int
    failures: tuple[Failure, ...]

    @property
    def held(self) -> bool:
        """Whether everything holds."""
        return not self.failures

    def to_json(self) -> str:
        """Serialise to JSON."""
        return json.dumps({"held": self.held, **asdict(self)}, indent=1)


@dataclass(frozen=True)
class RestoreReport:
    """What restoring a release did.

    Attributes:
        files: files that were written, each proved to hold the original pixels.
        images: images that are whole in them.
        converted: those of the files whose source was of another format (the pixels are the decoded ones).
        failures: files that could not be restored; they were not written.
        identical: files that are the source's byte for byte, not only in every pixel.
    """

    files: tuple[str, ...]
    images: int
    converted: tuple[str, ...]
    failures: tuple[Failure, ...]
    identical: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether every file was restored."""
        return not self.failures

    def to_json(self) -> str:
        """Serialise to JSON."""
        return json.dumps({"held": self.held, **asdict(self)}, indent=1)
