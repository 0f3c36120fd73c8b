"""Which files a release of a source will hold, decided before anything is written."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.formats.base import ReleaseFormat
from monai_unlearnable.release.formats.npz import NpzFormat
from monai_unlearnable.release.formats.png import PngFormat
from monai_unlearnable.sources.base import Source
from monai_unlearnable.sources.csv_labels import CsvSource
from monai_unlearnable.sources.npz import NpzSource
from monai_unlearnable.sources.open import LABELS_NAME
from monai_unlearnable.sources.picture_source import PictureSource

__all__ = ["PlannedFile", "ReleasePlan", "plan_release"]


@dataclass(frozen=True)
class PlannedFile:
    """One file that will hold protected images.

    Attributes:
        name: path relative to the release, with ``/``.
        template: the source's file.
        indices: which images of the source it holds, in order.
        source_format: ``npz``, ``png``, ``jpeg`` or ``bmp``.
        converted: whether the source's file was of another format.
    """

    name: str
    template: Path
    indices: range
    source_format: str
    converted: bool


@dataclass(frozen=True)
class ReleasePlan:
    """Every file of a release but its manifest.

    Attributes:
        format: how files are read and written.
        protected_array: name of the protected array, where files hold several; else ''.
        files: the files with images, in the source's order.
        extra_files: other files by name, with their whole content.
    """

    format: ReleaseFormat
    protected_array: str
    files: tuple[PlannedFile, ...]
    extra_files: dict[str, bytes] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """Name of every file."""
        return frozenset([one.name for one in self.files]) | self.extra_files.keys()


def plan_release(source: Source) -> ReleasePlan:
    """Decide names and format of every file that a release of ``source`` will hold.

    An ``.npz`` keeps its name; a picture keeps its place and becomes ``.png``; a CSV source gets a ``labels.csv``.

    Raises:
        ReleaseError: two pictures would get the same name, or the source is of a kind that has no format.
        SourceError: a picture's header cannot be read.
    """
    if isinstance(source, NpzSource):
        array_format = NpzFormat(split=source.split)
        file = PlannedFile(source.path.name, source.path, range(len(source)), "npz", False)
        return ReleasePlan(array_format, array_format.array_name, (file,))
    if not isinstance(source, PictureSource):
        raise ReleaseError(f"{type(source).__name__}: there is no release format for this kind of source.")
    files = _plan_pictures(source)
    extra = {LABELS_NAME: _labels_csv(source, files)} if isinstance(source, CsvSource) else {}
    return ReleasePlan(PngFormat(), "", files, extra)


def _plan_pictures(source: PictureSource) -> tuple[PlannedFile, ...]:
    planned: dict[str, PlannedFile] = {}
    for index, sample_id in enumerate(source.sample_ids):
        source_format = source.header(index).format
        pure = PurePosixPath(sample_id)
        name = sample_id if pure.suffix.lower() == ".png" else pure.with_suffix(".png").as_posix()
        # Two names that differ only in case are one file on some of the readers' systems.
        other = planned.get(name.lower())
        if other is not None:
            raise ReleaseError(
                f"{source.path}: {source.sample_ids[other.indices[0]]!r} and {sample_id!r} would both be released as "
                f"{name!r}. Rename one of them."
            )
        planned[name.lower()] = PlannedFile(
            name, source.file(index), range(index, index + 1), source_format, source_format != "png"
        )
    return tuple(planned.values())


def _labels_csv(source: CsvSource, files: tuple[PlannedFile, ...]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["file", *source.label_columns])
    for file, label in zip(files, source.labels, strict=True):
        values = [source.class_names[int(label)]] if label.ndim == 0 else [str(int(one)) for one in label]
        writer.writerow([file.name, *values])
    return stream.getvalue().encode()
