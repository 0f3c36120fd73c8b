"""What protecting a source did."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from monai_unlearnable.release import VerifyReport

__all__ = ["ProtectReport"]


@dataclass(frozen=True)
class ProtectReport:
    """What protecting a source did.

    Attributes:
        method: name of the perturbation.
        images: number of protected images.
        files: number of released files.
        converted: how many of them were converted to another format (JPEG and BMP to PNG, .mhd to .mha).
        radius_given: the radius as given.
        radius_levels: the radius in levels of the stored files.
        passes: passes of the engine.
        surrogate_error: the surrogate's error on the protected images at the end, 0 to 1; None without
            surrogate, and where a run was taken up after its last pass.
        resumed: whether an interrupted run was taken up again.
        seconds: time of this run.
        verification: what re-reading the release against the ledger found.
        notices: what the owner should know of the files before sharing them, in whole sentences.
    """

    method: str
    images: int
    files: int
    converted: int
    radius_given: str
    radius_levels: float
    passes: int
    surrogate_error: float | None
    resumed: bool
    seconds: float
    verification: VerifyReport
    notices: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether every image was protected and proved."""
        return self.verification.held

    def to_json(self) -> str:
        """Serialise to JSON."""
        content = asdict(self) | {"held": self.held, "verification": json.loads(self.verification.to_json())}
        return json.dumps(content, indent=1)
