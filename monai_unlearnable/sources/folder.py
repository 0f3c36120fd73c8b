"""A folder with one folder of images for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Task
from monai_unlearnable.sources.folder_entries import (
    FoundEntries,
    image_names,
    is_other_image,
    name_ending,
    visible_entries,
)
from monai_unlearnable.sources.image_formats import format_of
from monai_unlearnable.sources.image_source import ImageFileSource
from monai_unlearnable.sources.skipped import OnError

__all__ = ["ClassFolderSource"]

_LABELS_ADVICE = (
    "Give each class a folder of its own, or name every image and its label in a list (--labels): a CSV file of "
    'file,label, or a datalist {"training": [{"image": ..., "label": ...}]}.'
)


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
        root, found = Path(folder), FoundEntries(Path(folder), on_error)
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


def _class_folders(root: Path, found: FoundEntries) -> list[Path]:
    entries = visible_entries(root)
    folders = [one for one in entries if one.is_dir()]
    if not folders and any(format_of(one) is not None for one in entries):
        raise SourceError(f"{root}: holds images without labels. {_LABELS_ADVICE}")
    for one in entries:
        if not one.is_dir() and (name_ending(one.name) or is_other_image(one.name)):
            found.refuse(one, f"lies beside the class folders and so has no label. {_LABELS_ADVICE}")
        elif not one.is_dir():
            found.ignore(one)
    if len(folders) < 2:
        raise SourceError(f"{root}: has {len(folders)} class folders, at least two are needed. {_LABELS_ADVICE}")
    return folders


def _images(class_folder: Path, found: FoundEntries) -> list[str]:
    images = image_names(class_folder, found, kind="a class folder", advice=_LABELS_ADVICE)
    if not images:
        raise SourceError(f"{class_folder}: this class folder holds no picture. Fill it or take it out.")
    return images
