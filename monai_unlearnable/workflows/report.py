"""What protecting a source did."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import Enum

from monai_unlearnable.release import VerifyReport
from monai_unlearnable.workflows.radii import RadiusSpan

__all__ = ["FileOutcome", "Outcome", "ProtectReport"]


class Outcome(str, Enum):
    """What became of a file."""

    PROTECTED = "protected"
    CONVERTED = "protected in another format"
    COPIED = "released unchanged"
    SKIPPED = "skipped"
    IGNORED = "not part of the source"


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file of a source.

    Attributes:
        file: path relative to the source.
        outcome: what became of it.
        released: path relative to the release; '' where it is not there.
        reason: why it is not.
    """

    file: str
    outcome: Outcome
    released: str = ""
    reason: str = ""


@dataclass(frozen=True)
class ProtectReport:
    """What protecting a source did.

    Attributes:
        method: name of the perturbation.
        images: number of protected images.
        files: number of released files.
        converted: how many of them were converted to another format (JPEG and BMP to PNG, .mhd to .mha).
        radius_given: the radius as given.
        radii: smallest and largest radius of an image, in levels and in the unit of the files.
        norm: ``linf`` or ``l2``.
        passes: passes of the engine.
        surrogate_error: the surrogate's error on the protected images at the end, 0 to 1; None without
            surrogate, and where a run was taken up after its last pass.
        resumed: whether an interrupted run was taken up again.
        seconds: time of this run.
        verification: what re-reading the release against the ledger found.
        notices: what the owner should know of the files before sharing them, in whole sentences.
        outcomes: every file of the source, and what became of it.
        class_counts: how many images each class, or label column, has; where folders were taken for classes by
            mistake, this shows it.
    """

    method: str
    images: int
    files: int
    converted: int
    radius_given: str
    radii: RadiusSpan
    norm: str
    passes: int
    surrogate_error: float | None
    resumed: bool
    seconds: float
    verification: VerifyReport
    notices: tuple[str, ...] = ()
    outcomes: tuple[FileOutcome, ...] = ()
    class_counts: dict[str, int] = field(default_factory=dict)

    @property
    def skipped(self) -> tuple[FileOutcome, ...]:
        """Files that were to be protected and were not."""
        return tuple(one for one in self.outcomes if one.outcome is Outcome.SKIPPED)

    @property
    def held(self) -> bool:
        """Whether every image was protected and proved: none was skipped."""
        return self.verification.held and not self.skipped

    def to_json(self) -> str:
        """Serialise to JSON."""
        content = asdict(self) | {"held": self.held, "verification": json.loads(self.verification.to_json())}
        return json.dumps(content, indent=1)
