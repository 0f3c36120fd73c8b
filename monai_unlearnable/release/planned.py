"""The files of a release before they are written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from monai_unlearnable.release.formats.dicom import DicomFormat

__all__ = ["MIXED", "PlannedCopy", "PlannedFile", "PlannedList", "ReleasePlan"]

MIXED = "mixed"
"""Stands for the format of a release with files of several formats."""


@dataclass(frozen=True, kw_only=True)
class PlannedFile:
    """One file that will hold protected images.

    Attributes:
        name: path relative to the release, with ``/``.
        original_name: path that restoring gives it.
        template: the source's file.
        indices: which images of the source it holds, in order.
        source_format: format of the source's file, such as ``jpeg``.
        format: format of the released file, such as ``png``.
        part: which slice (of the first space axis) of its image the file holds; None where it holds whole images.
    """

    name: str
    original_name: str
    template: Path
    indices: range
    source_format: str
    format: str
    part: int | None = None

    @property
    def converted(self) -> bool:
        """Whether the source's file is of another format."""
        return self.source_format != self.format


@dataclass(frozen=True, kw_only=True)
class PlannedCopy:
    """One file that will be released as it is: a mask.

    Attributes:
        name: path relative to the release, with ``/``.
        original_name: path that restoring gives it.
        template: the source's file.
    """

    name: str
    original_name: str
    template: Path


@dataclass(frozen=True, kw_only=True)
class PlannedList:
    """The list of a release, which names its images and their labels.

    Attributes:
        name: path relative to the release.
        text: its content.
        original_text: its content with the names that restoring gives.
    """

    name: str
    text: str
    original_text: str


@dataclass(frozen=True)
class ReleasePlan:
    """Every file of a release but its manifest.

    Attributes:
        protected_array: name of the protected array, where files hold several; else ''.
        files: the files with images, in the order they are written in.
        copies: files that are released unchanged.
        list: names images and labels; None where folders or arrays do.
    """

    protected_array: str
    files: tuple[PlannedFile, ...]
    copies: tuple[PlannedCopy, ...] = ()
    list: PlannedList | None = None

    @property
    def names(self) -> frozenset[str]:
        """Name of every file."""
        listed = [] if self.list is None else [self.list.name]
        return frozenset([*(one.name for one in self.files), *(one.name for one in self.copies), *listed])

    @property
    def format(self) -> str:
        """The one format of all files with images, or ``mixed``."""
        formats = {one.format for one in self.files}
        return formats.pop() if len(formats) == 1 else MIXED

    @property
    def dicom_files(self) -> tuple[Path, ...]:
        """The source's files that are released as DICOM."""
        return tuple(one.template for one in self.files if one.format == DicomFormat.name)
