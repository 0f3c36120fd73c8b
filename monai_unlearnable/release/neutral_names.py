"""Neutral names for the files of a release, in an order that tells nothing about the original names."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from monai_unlearnable.release.planned import PlannedCopy, PlannedFile
from monai_unlearnable.sources.image_formats import IMAGE_FORMATS

__all__ = ["NeutralNames"]

_DIGITS = 6


@dataclass(frozen=True)
class NeutralNames:
    """Gives files new names: ``image-000001.png``, ``image-000002/slice-0001.dcm``, ``mask-000001.nii.gz``.

    Numbers follow the hash of the original names with a secret, so neither they nor the order of files or lines tell
    the order of the original names.

    Attributes:
        secret: random bytes that only the owner has; equal secrets give equal names.

    Example:
        >>> numbers = NeutralNames(b"only an example.").numbers(["b", "a", "c"])
        >>> sorted(numbers.values())
        [1, 2, 3]
    """

    secret: bytes = field(repr=False)

    def numbers(self, names: Iterable[str]) -> dict[str, int]:
        """Return a number from 1 for each name."""
        ordered = sorted(
            set(names), key=lambda name: hmac.digest(self.secret, b"name " + name.encode(), hashlib.sha256)
        )
        return {name: number for number, name in enumerate(ordered, start=1)}

    def files(
        self, files: Iterable[PlannedFile], sample_ids: tuple[str, ...], *, keep_folder: bool
    ) -> list[PlannedFile]:
        """Return files with images under new names, sorted by them.

        Args:
            files: with their names of now.
            sample_ids: ids of the source's images.
            keep_folder: keep the first folder of each name, which is the class.
        """
        numbers = self.numbers(sample_ids)
        digits = max(_DIGITS, len(str(len(numbers))))
        renamed = []
        for file in files:
            sample_id = sample_ids[file.indices[0]]
            folder = f"{PurePosixPath(sample_id).parts[0]}/" if keep_folder else ""
            stem = f"{folder}image-{numbers[sample_id]:0{digits}d}"
            if file.part is not None:
                stem = f"{stem}/slice-{file.part + 1:04d}"
            renamed.append(replace(file, name=stem + _ending(file.name, file.format)))
        return sorted(renamed, key=lambda one: one.name)

    def paired_copies(self, copies: Iterable[PlannedCopy], pairs: Mapping[str, str]) -> list[PlannedCopy]:
        """Return masks under the new names of their images, but for the folder and the ending, sorted by them.

        Args:
            copies: the masks.
            pairs: the sample id of each mask's image, by the mask's name; as many as there are images.
        """
        numbers = self.numbers(pairs.values())
        digits = max(_DIGITS, len(str(len(numbers))))
        renamed = []
        for one in copies:
            folder, number = PurePosixPath(one.name).parts[0], numbers[pairs[one.name]]
            renamed.append(replace(one, name=f"{folder}/image-{number:0{digits}d}{_ending(one.name, '')}"))
        return sorted(renamed, key=lambda one: one.name)

    def copies(self, copies: Iterable[PlannedCopy]) -> list[PlannedCopy]:
        """Return masks of a list under new names, sorted by them."""
        copies = list(copies)
        numbers = self.numbers(one.name for one in copies)
        digits = max(_DIGITS, len(str(len(numbers))))
        renamed = [replace(one, name=f"mask-{numbers[one.name]:0{digits}d}{_ending(one.name, '')}") for one in copies]
        return sorted(renamed, key=lambda one: one.name)


def _ending(name: str, form: str) -> str:
    endings = (ending for _, endings in IMAGE_FORMATS for ending in endings)
    known = max((one for one in endings if name.lower().endswith(one)), key=len, default="")
    return known or (".dcm" if form == "dicom" else "")
