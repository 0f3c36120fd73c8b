"""Which files a release of a source will hold, decided before anything is written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.formats.dicom import DicomFormat
from monai_unlearnable.release.formats.npz import NpzFormat
from monai_unlearnable.release.paths import is_plain_name
from monai_unlearnable.sources.base import Source
from monai_unlearnable.sources.csv_labels import CsvSource
from monai_unlearnable.sources.image_source import ImageFileSource
from monai_unlearnable.sources.npz import NpzSource
from monai_unlearnable.sources.open import LABELS_NAME

__all__ = ["MIXED", "PlannedFile", "ReleasePlan", "plan_release"]

MIXED = "mixed"
"""Stands for the format of a release with files of several formats."""

_CONVERTED = {"jpeg": "png", "bmp": "png", "mhd": "mha"}
"""Formats that are released as another one."""


@dataclass(frozen=True, kw_only=True)
class PlannedFile:
    """One file that will hold protected images.

    Attributes:
        name: path relative to the release, with ``/``.
        template: the source's file.
        indices: which images of the source it holds, in order.
        source_format: format of the source's file, such as ``jpeg``.
        format: format of the released file, such as ``png``.
        part: which slice (of the first space axis) of its image the file holds; None where it holds whole images.
    """

    name: str
    template: Path
    indices: range
    source_format: str
    format: str
    part: int | None = None

    @property
    def converted(self) -> bool:
        """Whether the source's file is of another format."""
        return self.source_format != self.format


@dataclass(frozen=True)
class ReleasePlan:
    """Every file of a release but its manifest.

    Attributes:
        protected_array: name of the protected array, where files hold several; else ''.
        files: the files with images, in the source's order.
        extra_files: other files by name, with their whole content.
    """

    protected_array: str
    files: tuple[PlannedFile, ...]
    extra_files: dict[str, bytes] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """Name of every file."""
        return frozenset([one.name for one in self.files]) | self.extra_files.keys()

    @property
    def format(self) -> str:
        """The one format of all files with images, or ``mixed``."""
        formats = {one.format for one in self.files}
        return formats.pop() if len(formats) == 1 else MIXED

    @property
    def dicom_files(self) -> tuple[Path, ...]:
        """The source's files that are released as DICOM."""
        return tuple(one.template for one in self.files if one.format == DicomFormat.name)


def plan_release(source: Source) -> ReleasePlan:
    """Decide names and formats of every file that a release of ``source`` will hold.

    An ``.npz`` keeps its name; a picture keeps its place and becomes ``.png``, an ``.mhd`` becomes ``.mha``; every
    other file keeps its name and format. Each slice of a DICOM series stays a file. A CSV source gets a ``labels.csv``.

    Raises:
        ReleaseError: two files would get the same name, or the source is of a kind that has no format.
        SourceError: a header cannot be read.
    """
    if isinstance(source, NpzSource):
        array_format = NpzFormat(split=source.split)
        name = source.path.name
        file = PlannedFile(
            name=name, template=source.path, indices=range(len(source)), source_format="npz", format=array_format.name
        )
        return ReleasePlan(array_format.array_name, (file,))
    if not isinstance(source, ImageFileSource):
        raise ReleaseError(f"{type(source).__name__}: there is no release format for this kind of source.")
    planned: dict[str, PlannedFile] = {}
    for index in range(len(source)):
        for file in _plan_image(source, index):
            _add(planned, file, source)
    files = tuple(planned.values())
    extra = {LABELS_NAME: _labels_csv(source, files)} if isinstance(source, CsvSource) else {}
    return ReleasePlan("", files, extra)


def _plan_image(source: ImageFileSource, index: int) -> Iterator[PlannedFile]:
    sample_id, indices = source.sample_ids[index], range(index, index + 1)
    source_format, slices = source.header(index).format, source.slice_files(index)
    form = _CONVERTED.get(source_format, source_format)
    if slices is None:
        name = _released_name(sample_id, form)
        file = source.file(index)
        yield PlannedFile(name=name, template=file, indices=indices, source_format=source_format, format=form)
        return
    for part, file in enumerate(slices):
        name = f"{sample_id}/{file.name}"
        if not is_plain_name(name):
            raise ReleaseError(f"{file}: the name {file.name!r} holds characters that are not printable; rename it.")
        yield PlannedFile(
            name=name, template=file, indices=indices, source_format=source_format, format=form, part=part
        )


def _released_name(sample_id: str, form: str) -> str:
    """Give a picture or MetaImage the ending of its released format; others keep theirs."""
    ending = f".{form}"
    pure = PurePosixPath(sample_id)
    keeps = form not in _CONVERTED.values() or pure.suffix.lower() == ending
    return sample_id if keeps else pure.with_suffix(ending).as_posix()


def _add(planned: dict[str, PlannedFile], file: PlannedFile, source: Source) -> None:
    # Two names that differ only in case are one file on some of the readers' systems.
    other = planned.get(file.name.lower())
    if other is not None:
        first, second = (source.sample_ids[one.indices[0]] for one in (other, file))
        raise ReleaseError(
            f"{source.path}: {first!r} and {second!r} would both be released as {file.name!r}. Rename one of them."
        )
    planned[file.name.lower()] = file


def _labels_csv(source: CsvSource, files: tuple[PlannedFile, ...]) -> bytes:
    names = {one.indices[0]: one.name for one in files if one.part is None}
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["file", *source.label_columns])
    for index, label in enumerate(source.labels):
        values = [source.class_names[int(label)]] if label.ndim == 0 else [str(int(one)) for one in label]
        writer.writerow([names.get(index, source.sample_ids[index]), *values])
    return stream.getvalue().encode()
