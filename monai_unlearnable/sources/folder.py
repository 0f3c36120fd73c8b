"""A folder with one folder of images for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Task
from monai_unlearnable.sources.image_formats import HANDLED_KINDS, IMAGE_FORMATS, format_of, is_series_folder
from monai_unlearnable.sources.image_source import ImageFileSource

__all__ = ["ClassFolderSource"]

_OTHER_IMAGES = (".gif", ".webp", ".jp2", ".pgm", ".ppm", ".hdr", ".img", ".img.gz", ".nhdr", ".mgh", ".mgz")


class ClassFolderSource(ImageFileSource):
    """Class folders: sorted folder names are the classes, sorted files the images.

    Every file is an image by itself, DICOM files too; but a folder inside a class folder whose files are one DICOM
    series is one volume.

    Hidden files and folders are left out; so are files of other kinds, which ``ignored_files`` lists.

    Args:
        folder: the folder that holds the class folders.

    Attributes:
        ignored_files: relative paths of visible files that are not images.

    Raises:
        SourceError: fewer than two class folders, an empty one, an image outside them or deeper down, or one of a
            kind that is not handled.
    """

    ignored_files: tuple[str, ...]

    def __init__(self, folder: str | Path) -> None:
        root = Path(folder)
        class_folders, ignored = _class_folders(root)
        sample_ids: list[str] = []
        labels: list[int] = []
        for index, class_folder in enumerate(class_folders):
            images, others = _images(class_folder)
            sample_ids += [f"{class_folder.name}/{name}" for name in images]
            labels += [index] * len(images)
            ignored += [f"{class_folder.name}/{name}" for name in others]
        self.ignored_files = tuple(ignored)
        super().__init__(
            root,
            task=Task.SINGLE_LABEL,
            class_names=tuple(one.name for one in class_folders),
            sample_ids=tuple(sample_ids),
            labels=np.array(labels, dtype=np.int64),
        )


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted((one for one in folder.iterdir() if not one.name.startswith(".")), key=lambda one: one.name)
    except OSError as error:
        raise SourceError(f"{folder}: cannot be listed ({error}).") from error


def _class_folders(root: Path) -> tuple[list[Path], list[str]]:
    entries = _visible(root)
    folders = [one for one in entries if one.is_dir()]
    for one in entries:
        if not one.is_dir() and (_is_named_as_image(one) or _is_other_image(one)):
            raise SourceError(
                f"{one}: lies beside the class folders and so has no label. Move it into a class folder, or give "
                "the labels as a CSV file of file,label."
            )
    if len(folders) < 2:
        raise SourceError(
            f"{root}: has {len(folders)} class folders, at least two are needed. Give a folder with one folder for "
            "each class, a folder with a CSV of file,label, or an .npz file."
        )
    return folders, [one.name for one in entries if not one.is_dir()]


def _images(class_folder: Path) -> tuple[list[str], list[str]]:
    images: list[str] = []
    others: list[str] = []
    for one in _visible(class_folder):
        if one.is_dir():
            _check_series(one)
            images.append(one.name)
            continue
        if _is_other_image(one):
            raise SourceError(f"{one}: only {HANDLED_KINDS} are handled. Convert the file or take it out.")
        (images if format_of(one) is not None else others).append(one.name)
    if not images:
        raise SourceError(f"{class_folder}: this class folder holds no picture. Fill it or take it out.")
    return images, others


def _check_series(folder: Path) -> None:
    if not is_series_folder(folder):
        raise SourceError(
            f"{folder}: is a folder inside a class folder; images must lie right in it, but for the files of one DICOM "
            "series."
        )
    deeper = next((one for one in _visible(folder) if one.is_dir()), None)
    if deeper is not None:
        raise SourceError(f"{deeper}: is a folder inside the folder of a DICOM series; move it out.")


def _is_named_as_image(file: Path) -> bool:
    return any(file.name.lower().endswith(endings) for _, endings in IMAGE_FORMATS)


def _is_other_image(file: Path) -> bool:
    return file.name.lower().endswith(_OTHER_IMAGES)
