"""What a labels CSV and a datalist share: images, labels and masks that a list names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Task
from monai_unlearnable.sources.image_formats import HANDLED_KINDS, format_of
from monai_unlearnable.sources.image_source import ImageFileSource
from monai_unlearnable.sources.listed_paths import ListedName, check_inside, check_plain, check_twice
from monai_unlearnable.sources.mask_presence import MaskOptions
from monai_unlearnable.sources.masks import why_no_mask
from monai_unlearnable.sources.skipped import OnError

__all__ = ["LARGEST_LIST_BYTES", "ListedImage", "ListedLabels", "ListedSource", "list_bytes"]

LARGEST_LIST_BYTES = 1 << 27
"""A longer list is taken for something else: a million images need less."""


@dataclass(frozen=True)
class ListedImage:
    """One image as a list names it.

    Attributes:
        file: the image's file, or the folder of a series.
        mask: its mask; None where the list has no masks.
    """

    file: ListedName
    mask: ListedName | None


@dataclass(frozen=True)
class ListedLabels:
    """The labels of all images of a list.

    Attributes:
        task: single-label, multi-label or segmentation.
        class_names: a name for each class or label column; of segmentation those that the list declares, or ().
        values: ``(n,)`` class indices or ``(n, classes)`` of 0/1, int64; of segmentation ``(n, 0)``, as masks tell.
    """

    task: Task
    class_names: tuple[str, ...]
    values: NDArray[np.int64]

    @classmethod
    def of_masks(cls, count: int, class_names: tuple[str, ...] = ()) -> ListedLabels:
        """Return labels of a segmentation set, before its masks are read.

        Args:
            count: number of images.
            class_names: those that the list declares.
        """
        return cls(Task.SEGMENTATION, class_names, np.zeros((count, 0), dtype=np.int64))


class ListedSource(ImageFileSource, ABC):
    """Images below a folder that a list names, with their labels and, where it has them, their masks.

    Args:
        folder: the folder that names are relative to.
        list_path: the list.
        images: what it names.
        labels: their labels, in the same order.
        options: how masks are taken; and whether a file that is not there or of a kind that is not handled is fatal
            or left out.
        allow_lossy: take DICOM pixels that were compressed with loss.

    Attributes:
        list_path: the list.
        ignored_files: images in the folder that the list does not name; they are not part of the source.

    Raises:
        SourceError: a name leaves the folder or is there twice; with ``on_error`` STOP also a file that is missing or
            of a kind that is not handled.
    """

    list_path: Path
    release_names: ClassVar[tuple[str, ...]]
    """Names that the list of a release may have."""

    def __init__(
        self,
        folder: Path,
        *,
        list_path: Path,
        images: Sequence[ListedImage],
        labels: ListedLabels,
        options: MaskOptions,
        allow_lossy: bool,
    ) -> None:
        self.list_path = list_path
        _check_names(images, root=folder)
        super().__init__(
            folder,
            task=labels.task,
            class_names=labels.class_names,
            sample_ids=tuple(one.file.name for one in images),
            labels=labels.values,
            masks=tuple(one.mask.name for one in images if one.mask is not None),
            allow_lossy=allow_lossy,
        )
        listed = {folder / one for one in (*self.sample_ids, *self.masks)}
        self.ignored_files = tuple(
            one.relative_to(folder).as_posix()
            for one in sorted(folder.rglob("[!.]*"))
            if one.is_file() and one not in listed and one.parent not in listed and format_of(one) is not None
        )
        problems = {}
        for index, image in enumerate(images):
            named, reason = _problem(image, folder, needs_mask=labels.task is Task.SEGMENTATION)
            if reason and options.on_error is OnError.STOP:
                raise SourceError(f"{named.where} {reason}")
            if reason:
                kind = "" if named is image.file else f"its mask {named.name!r} "
                problems[index] = f"{kind}{reason}"
        if problems:
            self._leave_out(problems)
        if labels.task is Task.SEGMENTATION:
            self._find_classes(options)

    @property
    def release_name(self) -> str:
        """Name of the list in a release: its own, if a release is known by that, else the usual one."""
        return self.list_path.name if self.list_path.name in self.release_names else self.release_names[0]

    @abstractmethod
    def list_text(self, names: Mapping[str, str]) -> str:
        """Return the list of a release: the same labels for files of other names.

        Args:
            names: new name of each image and mask by its old one; images are listed in this order.
        """


def list_bytes(path: Path) -> bytes:
    """Read a whole list.

    Raises:
        SourceError: it cannot be read, or is far too long for a list.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_LIST_BYTES:
            raise SourceError(
                f"{path}: has {size} bytes; a list has at most {LARGEST_LIST_BYTES}. Is it the right file?"
            )
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error}).") from error


def _check_names(images: Sequence[ListedImage], *, root: Path) -> None:
    if not root.is_dir():
        raise SourceError(f"{root}: is not a folder; a list of labels needs the folder that its file names are in.")
    for image in images:
        check_plain(image.file, root=root)
        if image.mask is not None and image.mask.name:
            check_plain(image.mask, root=root)
    check_twice(one.file for one in images)
    files = {one.file.name: one.file for one in images}
    for image in images:
        for named in (image.file, image.mask):
            if named is not None and named.name:
                check_inside(named, root=root)
        if image.mask is not None and image.mask.name in files:
            raise SourceError(f"{image.mask.where} is an image of the list, too; a mask is released unchanged.")


def _problem(image: ListedImage, root: Path, *, needs_mask: bool) -> tuple[ListedName, str]:
    path = root / image.file.name
    if not path.exists():
        return image.file, "is not there. Correct the name or take the line out."
    if not path.is_file() and not path.is_dir():
        return image.file, "is neither a file nor a folder. Take the line out."
    if format_of(path) is None:
        return image.file, f"is not an image ({HANDLED_KINDS}), nor the folder of a DICOM series."
    if image.mask is not None and not image.mask.name and needs_mask:
        return image.mask, f"is missing: {image.file.name!r} has none, and nothing else tells its label. Name one."
    if image.mask is not None:
        return image.mask, why_no_mask(image.mask.name, root, image=image.file.name)
    return image.file, ""
