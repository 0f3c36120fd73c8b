"""What a released DICOM file says it is."""

from __future__ import annotations

from dataclasses import dataclass

from monai_unlearnable.release.formats.dicom.uids import UidMap

__all__ = ["DERIVATION", "MANUFACTURER", "ReleaseIdentity"]

DERIVATION = "Pixel values were changed by small whole steps to protect the image from unauthorised training."
"""Sentence that DerivationDescription gets; it names no source."""

MANUFACTURER = "monai_unlearnable"
"""Manufacturer in the item that ContributingEquipmentSequence gets."""


@dataclass(frozen=True, kw_only=True)
class ReleaseIdentity:
    """How the files of one release are named.

    Attributes:
        uids: gives SOPInstanceUID and SeriesInstanceUID their new values.
        known: old SOPInstanceUIDs and SeriesInstanceUIDs of all files of the release; references to them are mapped
            too, references to other files stay.
        reference_source: add an item that names the original to SourceImageSequence. It tells a reader of the release
            which file it was made from.
        drop_private: leave all private elements out, at every level.
    """

    uids: UidMap
    known: frozenset[str] = frozenset()
    reference_source: bool = False
    drop_private: bool = False

    def reference(self, old: str) -> str:
        """Return what a reference to ``old`` becomes."""
        return self.uids.new(old) if old in self.known else old
