"""A folder of images with a CSV file that names each image and its label."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Progress, Task
from monai_unlearnable.sources.labels import name_classes
from monai_unlearnable.sources.listed import ListedImage, ListedLabels, ListedSource, list_bytes
from monai_unlearnable.sources.listed_paths import ListedName
from monai_unlearnable.sources.mask_presence import MaskOptions
from monai_unlearnable.sources.skipped import OnError

__all__ = ["LABELS_NAME", "CsvSource"]

LABELS_NAME = "labels.csv"
"""A folder with this file at its root is read by it."""

_MASK = "mask"
_MISSING = frozenset({"", "nan", "<na>"})
"""How tables write that a value is missing. Words such as "none" may well be a class."""


class CsvSource(ListedSource):
    """Images and labels listed in a CSV file.

    The header is ``file`` and one column (single-label: class names or numbers) or several columns (multi-label:
    0 or 1 in each). ``file`` is relative to the folder; it names a file, or the folder of a DICOM series. A column
    ``mask``, anywhere after it, names each image's mask file. Classes are sorted, as numbers where all are numbers.
    The header ``file,mask`` is a segmentation set: its classes are those of the masks, by their numbers.

    Args:
        folder: the folder that the file names are relative to.
        labels: the CSV file, UTF-8.
        on_error: whether a file that is not there or of a kind that is not handled is fatal or left out.
        allow_lossy: take DICOM pixels that were compressed with loss.
        allow_empty_masks: take masks of a segmentation set that show nothing but background.
        progress: called with (masks read, all masks) of a segmentation set.

    Attributes:
        label_columns: the header without ``file`` and ``mask``.

    Raises:
        SourceError: a wrong header or row (with its line number), a file twice, a missing file or mask, a name that
            leaves the folder.
    """

    label_columns: tuple[str, ...]
    release_names = (LABELS_NAME,)

    def __init__(
        self,
        folder: str | Path,
        labels: str | Path,
        *,
        on_error: OnError = OnError.STOP,
        allow_lossy: bool = False,
        allow_empty_masks: bool = False,
        progress: Progress | None = None,
    ) -> None:
        table = _read_table(Path(labels))
        self.label_columns = table.label_columns
        self._header = table.header
        super().__init__(
            Path(folder),
            list_path=table.path,
            images=[table.image(row) for row in table.rows],
            labels=_labels(table),
            options=MaskOptions(on_error=on_error, allow_empty=allow_empty_masks, progress=progress),
            allow_lossy=allow_lossy,
        )

    def list_text(self, names: Mapping[str, str]) -> str:
        """Return the CSV of a release; see :meth:`ListedSource.list_text`."""
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self._header)
        places = {one: index for index, one in enumerate(self.sample_ids)}
        for sample_id, name in names.items():
            if sample_id not in places:
                continue  # a mask
            index = places[sample_id]
            cells = dict(zip(self.label_columns, self._cells(index), strict=True)) | {"file": name}
            if self.masks:
                cells[_MASK] = names[self.masks[index]]
            writer.writerow([cells[one] for one in self._header])
        return stream.getvalue()

    def _cells(self, index: int) -> list[str]:
        label = self.labels[index]
        if self.task is Task.SEGMENTATION:
            return []
        return [self.class_names[int(label)]] if label.ndim == 0 else [str(int(one)) for one in label]


@dataclass(frozen=True)
class _Row:
    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class _Table:
    path: Path
    header: tuple[str, ...]
    rows: tuple[_Row, ...]

    @property
    def label_columns(self) -> tuple[str, ...]:
        return tuple(one for one in self.header[1:] if one != _MASK)

    def labels(self, row: _Row) -> tuple[str, ...]:
        return tuple(cell.strip() for name, cell in zip(self.header[1:], row.cells[1:], strict=True) if name != _MASK)

    def image(self, row: _Row) -> ListedImage:
        place = f"line {row.line}"
        file = ListedName(row.cells[0], "file", place, self.path)
        if _MASK not in self.header:
            return ListedImage(file, None)
        return ListedImage(file, ListedName(row.cells[self.header.index(_MASK)], _MASK, place, self.path))


def _read_table(path: Path) -> _Table:
    data = list_bytes(path)
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        rows = tuple(_Row(reader.line_num, tuple(row)) for row in reader if row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path}: cannot be read as a UTF-8 CSV file ({error}).") from error
    header = tuple(one.strip() for one in rows[0].cells) if rows else ()
    table = _Table(path, header, rows[1:])
    if len(header) < 2 or header[0] != "file" or len(set(header)) != len(header):
        raise SourceError(
            f"{path}: the first line must be 'file,label' (or file and several labels, and perhaps mask) or "
            f"'file,mask', with commas, not {str(list(header))[:200]}."
        )
    if not table.rows:
        raise SourceError(f"{path}: lists no image.")
    for row in table.rows:
        if len(row.cells) != len(header):
            raise SourceError(f"{path}: line {row.line} has {len(row.cells)} values, the header has {len(header)}.")
    return table


def _labels(table: _Table) -> ListedLabels:
    if not table.label_columns:
        return ListedLabels.of_masks(len(table.rows))
    return _single(table) if len(table.label_columns) == 1 else _multi(table)


def _single(table: _Table) -> ListedLabels:
    labels = [table.labels(row)[0] for row in table.rows]
    for row, label in zip(table.rows, labels, strict=True):
        if label.lower() in _MISSING:
            said = f" ({label!r} stands for a missing one)" if label else ""
            raise SourceError(f"{table.path}: line {row.line}: file {row.cells[0]!r} has no label{said}.")
    names, values = name_classes(labels, where=str(table.path))
    return ListedLabels(Task.SINGLE_LABEL, names, values)


def _multi(table: _Table) -> ListedLabels:
    for row in table.rows:
        for column, value in zip(table.label_columns, table.labels(row), strict=True):
            if value not in ("0", "1"):
                raise SourceError(
                    f"{table.path}: line {row.line}, column {column!r}: value {value[:80]!r} is neither 0 nor 1. "
                    "Several label columns are a multi-label task; give one column of class names for a single-label "
                    "task."
                )
    values = np.array([[int(value) for value in table.labels(row)] for row in table.rows], dtype=np.int64)
    return ListedLabels(Task.MULTI_LABEL, table.label_columns, values)
