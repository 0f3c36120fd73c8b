"""What an audit may look at besides its victims' scores: on request, because it costs time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch

from monai_unlearnable.audit.authorised_use import AuthorisedUse
from monai_unlearnable.audit.detections import comparable_pairs, detect_in
from monai_unlearnable.audit.detector import Detection
from monai_unlearnable.audit.halves import HalfResult, half_of, load_halves, train_half
from monai_unlearnable.audit.membership import Membership
from monai_unlearnable.audit.pairing import AuditData
from monai_unlearnable.audit.runs import RunFolder
from monai_unlearnable.audit.victims import VictimRecipe

__all__ = ["Extra", "ExtraRuns", "Extras", "extra_epochs", "require_extras"]


class Extra(str, Enum):
    """What may be looked at."""

    DETECTOR = "detector"
    AUTHORISED_USE = "authorised-use"
    MEMBERSHIP = "membership"


@dataclass(frozen=True)
class Extras:
    """What was found; None where nobody asked.

    Attributes:
        detector: whether small networks tell released files from originals, and classes by deltas alone.
        authorised_use: of models of clean images on released ones, one for each victim without a countermeasure.
        membership: what such victims give away of the images that they were trained on.
    """

    detector: Detection | None = None
    authorised_use: tuple[AuthorisedUse, ...] | None = None
    membership: tuple[Membership, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values, one entry for each."""
        use, membership = self.authorised_use, self.membership
        return {
            "detector": None if self.detector is None else self.detector.to_json(),
            "authorised_use": None if use is None else [one.to_json() for one in use],
            "membership": None if membership is None else [one.to_json() for one in membership],
        }


def require_extras(
    wanted: Sequence[Extra], recipes: Sequence[VictimRecipe], data: AuditData, seeds: Sequence[int]
) -> None:
    """Check, before anything is trained, that what is asked for can be found.

    Raises:
        ValueError: every victim takes a countermeasure.
        SourceError: there are too few images.
    """
    if Extra.DETECTOR in wanted:
        comparable_pairs(data)
    if not _forms(wanted):
        return
    if not any(one.is_plain for one in recipes):
        raise ValueError(
            "authorised use and membership are asked of victims without a countermeasure, and there is none; add one."
        )
    for seed in seeds[:2]:
        half_of(data, seed=seed)


def extra_epochs(wanted: Sequence[Extra], recipes: Sequence[VictimRecipe], *, seeds: int) -> int:
    """Return how many epochs the extra trainings have."""
    return seeds * len(_forms(wanted)) * sum(one.epochs for one in recipes if one.is_plain)


@dataclass(frozen=True)
class ExtraRuns:
    """Find what is asked for.

    Attributes:
        wanted: what.
        runs: finished trainings.
        resume: use them again.
        device: where to compute.
        tell: called after every training with (what was trained, its epochs).
    """

    wanted: tuple[Extra, ...]
    runs: RunFolder
    resume: bool
    device: torch.device
    tell: Callable[[str, int], None]

    def find(self, data: AuditData, recipes: Sequence[VictimRecipe], seeds: Sequence[int]) -> Extras:
        """Look for what was added, and train on halves of the images, where that is not on disk yet.

        Raises:
            SourceError: images cannot be read or do not fit.
            DivergedError: a victim's loss is no longer finite.
        """
        use, membership = [], []
        if _forms(self.wanted):
            for recipe in (one for one in recipes if one.is_plain):
                found = self._of(data, recipe, seeds)
                scores = tuple(one.use for one in found["clean"])
                use.append(AuthorisedUse(recipe.name, data.clean.task, tuple(seeds), scores))
                told = tuple(one.membership for results in found.values() for one in results)
                membership.append(Membership(recipe.name, told))
        return Extras(
            detector=detect_in(data, runs=self.runs, resume=self.resume) if Extra.DETECTOR in self.wanted else None,
            authorised_use=tuple(use) if Extra.AUTHORISED_USE in self.wanted else None,
            membership=tuple(membership) if Extra.MEMBERSHIP in self.wanted else None,
        )

    def _of(self, data: AuditData, recipe: VictimRecipe, seeds: Sequence[int]) -> dict[str, list[HalfResult]]:
        found: dict[str, list[HalfResult]] = {form: [] for form in _forms(self.wanted)}
        for seed in seeds:
            sets = load_halves(data, recipe, half_of(data, seed=seed))
            for form, results in found.items():
                results.append(
                    train_half(
                        recipe,
                        sets,
                        trained_on=form,
                        seed=seed,
                        runs=self.runs,
                        resume=self.resume,
                        device=self.device,
                    )
                )
                self.tell(f"{recipe.name}, half of the {form} files, seed {seed}", recipe.epochs)
        return found


def _forms(wanted: Sequence[Extra]) -> tuple[str, ...]:
    """Return what victims of halves are trained on; authorised use needs no victim of the release."""
    if Extra.MEMBERSHIP in wanted:
        return ("clean", "released")
    return ("clean",) if Extra.AUTHORISED_USE in wanted else ()
