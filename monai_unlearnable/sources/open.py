"""Open whatever a user points at as a source of labelled images."""

from __future__ import annotations

from pathlib import Path

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Source
from monai_unlearnable.sources.csv_labels import CsvSource
from monai_unlearnable.sources.folder import ClassFolderSource
from monai_unlearnable.sources.npz import NpzSource

__all__ = ["LABELS_NAME", "open_source"]

LABELS_NAME = "labels.csv"
"""A folder with this file at its root is read by it."""


def open_source(path: str | Path, labels: str | Path | None = None, split: str = "train") -> Source:
    """Open an ``.npz`` file, a folder of class folders, a folder with a labels CSV, or a release of one of them.

    A folder with ``labels`` or a ``labels.csv`` is read by it; a folder with one ``.npz`` file at its root is that
    file; any other folder holds class folders.

    Args:
        path: the file or folder.
        labels: a CSV file of ``file,label`` for a folder of images.
        split: ``train``, ``val`` or ``test`` of an ``.npz`` file; a folder is one split by itself.

    Raises:
        SourceError: the path is missing or of no kind that is handled, or its content breaks a rule.
    """
    where = Path(path)
    if not where.exists():
        raise SourceError(f"{where}: there is no such file or folder.")
    archive = _archive(where, labels)
    if archive is not None:
        if labels is not None:
            raise SourceError(f"{where}: an .npz file holds its own labels; leave labels={str(labels)!r} out.")
        return NpzSource(archive, split=split)
    if split != "train":
        raise SourceError(f"{where}: a folder is one split; give the folder of the {split!r} images itself.")
    if labels is not None:
        return CsvSource(where, labels)
    if (where / LABELS_NAME).is_file():
        return CsvSource(where, where / LABELS_NAME)
    return ClassFolderSource(where)


def _archive(where: Path, labels: str | Path | None) -> Path | None:
    if where.is_file():
        if where.suffix.lower() != ".npz":
            raise SourceError(f"{where}: is neither an .npz file nor a folder of images.")
        return where
    if labels is not None or (where / LABELS_NAME).is_file():
        return None
    found = sorted(where.glob("*.npz"))
    if len(found) > 1:
        raise SourceError(f"{where}: holds {len(found)} .npz files ({found[0].name}, ...); give one of them.")
    return found[0] if found else None
