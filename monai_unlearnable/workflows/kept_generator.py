"""The generator that an earlier run left in its ledger, and which images it is for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from monai_unlearnable.errors import LedgerError
from monai_unlearnable.perturbations import Region
from monai_unlearnable.release import LedgerContent
from monai_unlearnable.release.hashing import file_sha256
from monai_unlearnable.surrogates import Surrogate
from monai_unlearnable.workflows.context import ImageFacts
from monai_unlearnable.workflows.kept import GENERATOR_NAME, first_line, load_frozen, read_weights
from monai_unlearnable.workflows.later import read_finished

__all__ = ["KeptGenerator"]

_LEAST_RADIUS, _MOST_RADIUS = 0.8, 1.25


@dataclass(frozen=True, kw_only=True)
class KeptGenerator:
    """What a ledger knows of its run's generator.

    Attributes:
        folder: the ledger.
        content: of its ``ledger.json``.
        facts: of the images that the generator was trained on.
        seen_px: size that it looks at; None for the images' own grid.
        radii: smallest and largest change of a voxel in a view that it was trained for.
        weights: of the network and its preprocessing.
    """

    folder: Path
    content: LedgerContent
    facts: ImageFacts
    seen_px: int | None
    radii: tuple[float, float]
    weights: dict[str, Any]

    @classmethod
    def read(cls, ledger: str | Path, *, device: str | torch.device = "cpu") -> KeptGenerator:
        """Read the generator of a finished run.

        Raises:
            LedgerError: there is no finished run, it has no generator, or its files are damaged.
        """
        folder = Path(ledger)
        content = read_finished(folder)
        path = folder / GENERATOR_NAME
        kept = read_weights(path, device, what="generator")
        try:
            smallest, largest = (float(one) for one in kept["radii"])
            seen, weights = kept["seen_px"], dict(kept["weights"])
            if not 0 <= smallest <= largest < math.inf or not (seen is None or 0 < int(seen) < 10_000):
                raise ValueError("a number is out of its range")
        except (KeyError, TypeError, ValueError) as error:
            raise LedgerError(f"{path}: does not hold what a generator needs ({first_line(error)}).") from error
        facts = ImageFacts.from_description(content.configuration.get("images"))
        return cls(
            folder=folder,
            content=content,
            facts=facts,
            seen_px=None if seen is None else int(seen),
            radii=(smallest, largest),
            weights=weights,
        )

    @property
    def sha256(self) -> str:
        """Hash of the file of the weights."""
        return file_sha256(self.folder / GENERATOR_NAME)

    def load_into(self, generator: Surrogate) -> None:
        """Give a generator the weights, and freeze it.

        Raises:
            LedgerError: it is another network.
        """
        load_frozen(generator, self.weights, self.folder / GENERATOR_NAME)

    def require_size(self, size_px: int | None) -> None:
        """Refuse images that networks would look at in another way.

        Args:
            size_px: at which they would look at the images; None for the images' own grid.

        Raises:
            LedgerError: the generator was trained at images' own grid, and these are resampled.
        """
        if self.seen_px is None and size_px is not None:
            raise LedgerError(
                f"{self.folder}: its generator looked at images of one size on their own grid, and these images are "
                f"larger or of several sizes, so that networks see them at {size_px} px. Train a generator on such "
                "images."
            )

    def require_images(self, facts: ImageFacts) -> None:
        """Refuse images of another kind than those that the generator was trained on.

        Raises:
            LedgerError: names what differs.
        """
        for name in ("task", "num_classes", "channels", "spatial_dims"):
            mine, other = getattr(self.facts, name), getattr(facts, name)
            if mine != other:
                raise LedgerError(
                    f"{self.folder}: its generator was trained on images with {name} {getattr(mine, 'value', mine)}, "
                    f"these have {getattr(other, 'value', other)}. Give the ledger of a run on such images."
                )

    def require_region(self, region: Region | None) -> None:
        """Refuse another region than the one that the generator was trained for.

        Raises:
            LedgerError: names both.
        """
        settings = self.content.configuration.get("settings")
        there = settings.get("region") if isinstance(settings, dict) else None
        here = None if region is None else repr(region)
        if there != here:
            raise LedgerError(
                f"{self.folder}: its generator was trained for {_name_of(there)}, and here it is for {_name_of(here)}. "
                "Give the region of that run, or train a generator."
            )

    def require_budget(self, norm_name: str, radii: tuple[float, float]) -> None:
        """Refuse budgets that the generator does not know: what is fainter than it was trained to be may not be learnt.

        Args:
            norm_name: of the budget.
            radii: smallest and largest change of a voxel in a view of these images.

        Raises:
            LedgerError: names both.
        """
        budget = self.content.configuration.get("budget")
        norm = budget.get("norm") if isinstance(budget, dict) else None
        if norm != norm_name:
            raise LedgerError(f"{self.folder}: its generator was trained for the norm {norm}, not for {norm_name}.")
        if radii[0] < _LEAST_RADIUS * self.radii[0] or radii[1] > _MOST_RADIUS * self.radii[1]:
            there, here = (f"{one[0] / 2:.2%} to {one[1] / 2:.2%}" for one in (self.radii, radii))
            raise LedgerError(
                f"{self.folder}: its generator was trained for a radius of {there} of the window that networks look at "
                f"an image through, and here it is {here}. Give the radius of that run, or train a generator."
            )


def _name_of(region: object) -> str:
    return "whole images" if region is None else f"the region {region}"
