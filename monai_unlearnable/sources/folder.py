"""A folder with one folder of pictures for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Task
from monai_unlearnable.sources.picture_source import PictureSource
from monai_unlearnable.sources.pictures import is_picture

__all__ = ["ClassFolderSource"]

_OTHER_PICTURES = (".tif", ".tiff", ".gif", ".webp", ".jp2", ".pgm", ".ppm", ".dcm", ".nii", ".nii.gz", ".mha", ".nrrd")


class ClassFolderSource(PictureSource):
    """Class folders: sorted folder names are the classes, sorted files the images.

    Hidden files and folders are left out; so are files of other kinds, which ``ignored_files`` lists.

    Args:
        folder: the folder that holds the class folders.

    Attributes:
        ignored_files: relative paths of visible files that are not pictures.

    Raises:
        SourceError: fewer than two class folders, an empty one, a picture outside them or deeper down, or a
            picture of a kind that is not handled.
    """

    ignored_files: tuple[str, ...]

    def __init__(self, folder: str | Path) -> None:
        root = Path(folder)
        class_folders, ignored = _class_folders(root)
        sample_ids: list[str] = []
        labels: list[int] = []
        for index, class_folder in enumerate(class_folders):
            pictures, others = _pictures(class_folder)
            sample_ids += [f"{class_folder.name}/{name}" for name in pictures]
            labels += [index] * len(pictures)
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
        if not one.is_dir() and (is_picture(one.name) or _is_other_picture(one)):
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


def _pictures(class_folder: Path) -> tuple[list[str], list[str]]:
    pictures: list[str] = []
    others: list[str] = []
    for one in _visible(class_folder):
        if one.is_dir():
            raise SourceError(f"{one}: is a folder inside a class folder; pictures must lie right in it.")
        if _is_other_picture(one):
            raise SourceError(f"{one}: only PNG, JPEG and BMP are handled. Convert the file or take it out.")
        (pictures if is_picture(one.name) else others).append(one.name)
    if not pictures:
        raise SourceError(f"{class_folder}: this class folder holds no picture. Fill it or take it out.")
    return pictures, others


def _is_other_picture(file: Path) -> bool:
    return file.name.lower().endswith(_OTHER_PICTURES)
