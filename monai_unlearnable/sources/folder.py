"""A folder with one folder of images for each class."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Task
from monai_unlearnable.sources.image_formats import HANDLED_KINDS, IMAGE_FORMATS, format_of, is_series_folder
from monai_unlearnable.sources.image_source import ImageFileSource
from monai_unlearnable.sources.skipped import OnError, SkippedFile

__all__ = ["ClassFolderSource"]

_LABELS_ADVICE = (
    "Give each class a folder of its own, or name every image and its label in a list (--labels): a CSV file of "
    'file,label, or a datalist {"training": [{"image": ..., "label": ...}]}.'
)
_OTHER_IMAGES = (".gif", ".webp", ".jp2", ".pgm", ".ppm", ".hdr", ".img", ".img.gz", ".nhdr", ".mgh", ".mgz")


class ClassFolderSource(ImageFileSource):
    """Class folders: sorted folder names are the classes, sorted files the images.

    Every file is an image by itself, DICOM files too; but a folder inside a class folder whose files are one DICOM
    series is one volume.

    Hidden files and folders are left out; so are files of other kinds, which ``ignored_files`` lists.

    Args:
        folder: the folder that holds the class folders.
        on_error: whether a file of a kind that is not handled, or one without a class, is fatal or left out.
        allow_lossy: take DICOM pixels that were compressed with loss.

    Attributes:
        ignored_files: relative paths of visible files that are not images.

    Raises:
        SourceError: fewer than two class folders, an empty one, an image outside them or deeper down, or one of a
            kind that is not handled.
    """

    ignored_files: tuple[str, ...]

    def __init__(self, folder: str | Path, *, on_error: OnError = OnError.STOP, allow_lossy: bool = False) -> None:
        root, found = Path(folder), _Found(Path(folder), on_error)
        class_folders = _class_folders(root, found)
        sample_ids: list[str] = []
        labels: list[int] = []
        for index, class_folder in enumerate(class_folders):
            images = _images(class_folder, found)
            sample_ids += [f"{class_folder.name}/{name}" for name in images]
            labels += [index] * len(images)
        self.ignored_files, self.skipped = tuple(found.ignored), tuple(found.skipped)
        super().__init__(
            root,
            task=Task.SINGLE_LABEL,
            class_names=tuple(one.name for one in class_folders),
            sample_ids=tuple(sample_ids),
            labels=np.array(labels, dtype=np.int64),
            allow_lossy=allow_lossy,
        )


@dataclass
class _Found:
    """What lies in the folders beside the images."""

    root: Path
    on_error: OnError
    ignored: list[str] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)

    def refuse(self, path: Path, reason: str) -> None:
        """Raise an error, or note that a file is left out."""
        if self.on_error is OnError.STOP:
            raise SourceError(f"{path}: {reason}")
        self.skipped.append(SkippedFile(path.relative_to(self.root).as_posix(), reason))

    def ignore(self, path: Path) -> None:
        """Note a file that is no image."""
        self.ignored.append(path.relative_to(self.root).as_posix())


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted((one for one in folder.iterdir() if not one.name.startswith(".")), key=lambda one: one.name)
    except OSError as error:
        raise SourceError(f"{folder}: cannot be listed ({error}).") from error


def _class_folders(root: Path, found: _Found) -> list[Path]:
    entries = _visible(root)
    folders = [one for one in entries if one.is_dir()]
    if not folders and any(format_of(one) is not None for one in entries):
        raise SourceError(f"{root}: holds images without labels. {_LABELS_ADVICE}")
    for one in entries:
        if not one.is_dir() and (_is_named_as_image(one) or _is_other_image(one)):
            found.refuse(one, f"lies beside the class folders and so has no label. {_LABELS_ADVICE}")
        elif not one.is_dir():
            found.ignore(one)
    if len(folders) < 2:
        raise SourceError(f"{root}: has {len(folders)} class folders, at least two are needed. {_LABELS_ADVICE}")
    return folders


def _images(class_folder: Path, found: _Found) -> list[str]:
    images: list[str] = []
    for one in _visible(class_folder):
        if one.is_dir():
            reason = _why_no_series(one)
            if reason:
                found.refuse(one, reason)
            else:
                images.append(one.name)
        elif _is_other_image(one):
            found.refuse(one, f"only {HANDLED_KINDS} are handled. Convert the file or take it out.")
        elif format_of(one) is None:
            found.ignore(one)
        else:
            images.append(one.name)
    if not images:
        raise SourceError(f"{class_folder}: this class folder holds no picture. Fill it or take it out.")
    return images


def _why_no_series(folder: Path) -> str:
    if not is_series_folder(folder):
        return (
            "is a folder inside a class folder; images must lie right in it, but for the files of one DICOM series. "
            f"{_LABELS_ADVICE}"
        )
    deeper = next((one for one in _visible(folder) if one.is_dir()), None)
    return (
        "" if deeper is None else f"holds the folder {deeper.name!r} beside the files of a DICOM series; move it out."
    )


def _is_named_as_image(file: Path) -> bool:
    return any(file.name.lower().endswith(endings) for _, endings in IMAGE_FORMATS)


def _is_other_image(file: Path) -> bool:
    return file.name.lower().endswith(_OTHER_IMAGES)
