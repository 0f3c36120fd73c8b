"""A folder of images with a CSV file that names each image and its label."""

from __future__ import annotations

import csv
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Task
from monai_unlearnable.sources.image_formats import HANDLED_KINDS, format_of
from monai_unlearnable.sources.image_source import ImageFileSource
from monai_unlearnable.sources.labels import MAXIMUM_CLASSES

__all__ = ["CsvSource"]

_Row = tuple[int, list[str]]


class CsvSource(ImageFileSource):
    """Images and labels listed in a CSV file.

    The header is ``file`` and one column (single-label: class names or numbers) or several columns (multi-label:
    0 or 1 in each). ``file`` is relative to the folder; it names a file, or the folder of a DICOM series. Classes are
    sorted, as numbers where all are numbers.

    Args:
        folder: the folder that the file names are relative to.
        labels: the CSV file, UTF-8.

    Attributes:
        labels_path: the CSV file.
        label_columns: the header without ``file``.
        unlisted_count: images in the folder that the CSV does not list; they are not part of the source.

    Raises:
        SourceError: a wrong header or row (with its line number), a file twice, a missing file, a name that leaves
            the folder.
    """

    labels_path: Path
    label_columns: tuple[str, ...]
    unlisted_count: int

    def __init__(self, folder: str | Path, labels: str | Path) -> None:
        root, self.labels_path = Path(folder), Path(labels)
        if not root.is_dir():
            raise SourceError(f"{root}: is not a folder; a labels CSV needs the folder that its file names are in.")
        header, rows = _read_rows(self.labels_path)
        _check_files(root, rows, labels_path=self.labels_path)
        self.label_columns = tuple(header[1:])
        single = len(self.label_columns) == 1
        names, values = _single(rows, self.labels_path) if single else _multi(rows, header, self.labels_path)
        super().__init__(
            root,
            task=Task.SINGLE_LABEL if single else Task.MULTI_LABEL,
            class_names=names,
            sample_ids=tuple(row[0] for _, row in rows),
            labels=values,
        )
        listed = {root / one for one in self.sample_ids}
        self.unlisted_count = sum(
            one.is_file() and one not in listed and one.parent not in listed and format_of(one) is not None
            for one in root.rglob("[!.]*")
        )


def _read_rows(path: Path) -> tuple[list[str], list[_Row]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            lines = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path}: cannot be read as a UTF-8 CSV file ({error}).") from error
    header = lines[0][1] if lines else []
    if len(header) < 2 or header[0] != "file" or len(set(header)) != len(header):
        raise SourceError(f"{path}: the first line must be 'file,label' (or file and several labels), not {header}.")
    if len(lines) == 1:
        raise SourceError(f"{path}: lists no image.")
    for line, row in lines[1:]:
        if len(row) != len(header):
            raise SourceError(f"{path}: line {line} has {len(row)} values, the header has {len(header)}.")
    return header, lines[1:]


def _check_files(root: Path, rows: list[_Row], *, labels_path: Path) -> None:
    first_line: dict[str, int] = {}
    for line, (name, *_) in rows:
        where = f"{labels_path}: line {line}: file {name!r}"
        pure = PurePosixPath(name)
        if not name or pure.is_absolute() or ".." in pure.parts or "\\" in name or pure.as_posix() != name:
            raise SourceError(f"{where} must be a plain path with '/' inside {root.name}: not absolute, no '..'.")
        if name in first_line:
            raise SourceError(f"{where} is there twice, first in line {first_line[name]}.")
        first_line[name] = line
        if not (root / name).exists():
            raise SourceError(f"{where} is not there. Correct the name or take the line out.")
        if format_of(root / name) is None:
            raise SourceError(f"{where} is not an image ({HANDLED_KINDS}), nor the folder of a DICOM series.")


def _single(rows: list[_Row], path: Path) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    for line, row in rows:
        if not row[1].strip():
            raise SourceError(f"{path}: line {line}: file {row[0]!r} has no label.")
    names = {row[1] for _, row in rows}
    if len(names) > MAXIMUM_CLASSES:
        raise SourceError(f"{path}: {len(names)} different labels; at most {MAXIMUM_CLASSES} classes are handled.")
    numbers = all(name.isascii() and name.isdigit() for name in names)
    ordered = tuple(sorted(names, key=lambda name: (len(name), name) if numbers else (0, name)))
    index = {name: at for at, name in enumerate(ordered)}
    return ordered, np.array([index[row[1]] for _, row in rows], dtype=np.int64)


def _multi(rows: list[_Row], header: list[str], path: Path) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    for line, row in rows:
        for column, value in zip(header[1:], row[1:], strict=True):
            if value not in ("0", "1"):
                raise SourceError(
                    f"{path}: line {line}, column {column!r}: value {value!r} is neither 0 nor 1. Several label "
                    "columns are a multi-label task; give one column of class names for a single-label task."
                )
    return tuple(header[1:]), np.array([[int(value) for value in row[1:]] for _, row in rows], dtype=np.int64)
