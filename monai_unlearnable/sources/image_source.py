"""What class folders and CSV files share: labelled image files under one folder."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Source, Task
from monai_unlearnable.sources.dicom import DicomSeries
from monai_unlearnable.sources.image_file import ImageFormat, ImageHeader
from monai_unlearnable.sources.image_formats import HANDLED_KINDS, format_of
from monai_unlearnable.sources.image_view import ImageView
from monai_unlearnable.sources.labels import check_names, check_unique
from monai_unlearnable.sources.mask_classes import MaskClasses
from monai_unlearnable.sources.mask_labels import read_mask_labels
from monai_unlearnable.sources.mask_presence import MaskOptions, find_classes, seen_classes
from monai_unlearnable.sources.mask_reading import read_mask_classes
from monai_unlearnable.sources.masks import check_mask
from monai_unlearnable.sources.skipped import SkippedFile
from monai_unlearnable.types import StoredValues

__all__ = ["ImageFileSource"]


class ImageFileSource(Source):
    """Labelled image files under one folder; a sample id is a file's path relative to it.

    The sample id of a DICOM series is the path of its folder.

    Args:
        folder: the folder that sample ids are relative to.
        task: single-label, multi-label or segmentation.
        class_names: a name for each class or label column; of segmentation those that are declared, or ().
        sample_ids: relative paths with ``/``.
        labels: ``(n,)`` class indices or ``(n, classes)`` of 0/1, int64; of segmentation they are not known yet: a
            subclass calls ``_find_classes``, which reads every mask.
        masks: relative path of the mask of each image; empty where there are none.
        allow_lossy: take DICOM pixels that were compressed with loss; they are released without further loss.

    Attributes:
        masks: relative path of each image's mask, in order; empty where there are none.
        allow_lossy: whether DICOM pixels may have been compressed with loss.

    Raises:
        SourceError: no image, duplicate ids or names that cannot be printed.
    """

    masks: tuple[str, ...]
    allow_lossy: bool

    def __init__(
        self,
        folder: Path,
        *,
        task: Task,
        class_names: tuple[str, ...],
        sample_ids: tuple[str, ...],
        labels: NDArray[np.int64],
        masks: tuple[str, ...] = (),
        allow_lossy: bool = False,
    ) -> None:
        check_unique(sample_ids, path=folder)
        check_names((*class_names, *sample_ids, *filter(None, masks)), path=folder)
        self.path = folder
        self.task = task
        self.class_names = class_names
        self.sample_ids = sample_ids
        self.labels = labels
        self.masks = masks
        self.allow_lossy = allow_lossy
        self._declares_classes = bool(class_names)
        self._formats: dict[int, ImageFormat] = {}
        self._headers: dict[int, ImageHeader] = {}
        self._slices: dict[int, tuple[Path, ...]] = {}

    def file(self, index: int) -> Path:
        """Return the file of image ``index``, or the folder of its series."""
        return self.path / self.sample_ids[index]

    def mask_path(self, index: int) -> Path | None:
        """Return the file of the mask of image ``index``; None where the source has no masks."""
        return self.path / self.masks[index] if self.masks else None

    def mask_labels(self, index: int) -> NDArray[np.integer] | None:
        """Return the mask of image ``index`` as labels; see :meth:`Source.mask_labels`."""
        mask = self.mask_path(index)
        if mask is None:
            return None
        if self.task is Task.SEGMENTATION:
            return self._classes_of_mask(index, len(self.class_names)).indices
        return read_mask_labels(mask, image=self.file(index), image_format=self._format(index))

    def label(self, index: int) -> NDArray[np.int64]:
        """Return the label of image ``index``, for segmentation from its mask; see :meth:`Source.label`."""
        if self.task is not Task.SEGMENTATION:
            return super().label(index)
        return self._classes_of_mask(index, len(self.class_names)).indices.astype(np.int64)

    def check_mask(self, index: int) -> None:
        """Read the mask of image ``index``, if it has one, and check that it lies on the image's grid.

        Raises:
            SourceError: the mask cannot be read or does not fit.
        """
        mask = self.mask_path(index)
        if mask is not None:
            space = self.shape(index)[1:]
            check_mask(mask, image_space=space, image=self.file(index), image_format=self._format(index))

    def check_image(self, index: int) -> None:
        """Decode image ``index`` and its mask; see :meth:`Source.check_image`."""
        super().check_image(index)
        self.check_mask(index)

    def without(self, reasons: Mapping[int, str]) -> Self:
        """Return the source without some of its images.

        Args:
            reasons: why, by the image's index.

        Raises:
            SourceError: nothing, or nothing of a class, is left.
        """
        fewer = copy(self)
        fewer._leave_out(reasons)
        return fewer

    def slice_files(self, index: int) -> tuple[Path, ...] | None:
        """Return the files of a series in the order of its slices (the first space axis); None of a single file.

        Raises:
            SourceError: the files are not the slices of one volume.
        """
        form = self._format(index)
        if isinstance(form, DicomSeries) and index not in self._slices:
            self._slices[index] = form.files(self.file(index))
        return self._slices.get(index)

    def header(self, index: int) -> ImageHeader:
        """Return what the file of image ``index`` says about itself; read once, then remembered.

        Raises:
            SourceError: the file cannot be read, or is of a kind that is not handled.
        """
        if index not in self._headers:
            self._headers[index] = self._format(index).header(self.file(index))
        return self._headers[index]

    def read(self, index: int) -> StoredValues:
        """Read the stored numbers of image ``index``, ``(channel, *space)``."""
        return self._format(index).read(self.file(index))

    def view(self, index: int) -> ImageView:
        """Return how image ``index`` is shown; see :meth:`Source.view`."""
        return self._format(index).view(self.file(index))

    def untouchable(self, index: int, image: StoredValues | None = None) -> NDArray[np.bool_] | None:
        """Return which values must stay as they are (padding); see :meth:`Source.untouchable`."""
        return self._format(index).untouchable(self.file(index), image)

    def shape(self, index: int) -> tuple[int, ...]:
        """Return ``(channel, *space)`` of image ``index`` from its header."""
        return self.header(index).shape

    def dtype(self, index: int) -> np.dtype[Any]:
        """Return the stored type from the header of image ``index``."""
        return self.header(index).dtype

    def _leave_out(self, reasons: Mapping[int, str]) -> None:
        """Take images out of this source, which nobody has seen yet."""
        kept = [index for index in range(len(self)) if index not in reasons]
        named = tuple(SkippedFile(self.sample_ids[index], reason) for index, reason in sorted(reasons.items()))
        if not kept:
            raise SourceError(f"{self.path}: no image can be read. The first: {named[0]}")
        labels = self.labels[kept]
        if self.task is Task.SINGLE_LABEL:
            for at in sorted(set(self.labels.tolist()) - set(labels.tolist())):
                lost = next(one for one, label in zip(self.sample_ids, self.labels, strict=True) if label == at)
                reason = next(one for one in named if one.name == lost)
                raise SourceError(
                    f"{self.path}: no image of class {self.class_names[at]!r} can be read. The first: {reason}"
                )
        if self.task is Task.SEGMENTATION and not self._declares_classes and self.class_names:
            self.class_names, labels = seen_classes(self.class_names, labels, where=self.path)
        self.sample_ids = tuple(self.sample_ids[index] for index in kept)
        self.labels, self.skipped = labels, (*self.skipped, *named)
        self.masks = tuple(self.masks[index] for index in kept) if self.masks else ()
        self._formats, self._headers, self._slices = {}, {}, {}

    def _find_classes(self, options: MaskOptions) -> None:
        """Read every mask of a segmentation set: names of the classes, labels, and images that are left out."""
        declared = self.class_names
        found = find_classes(
            self.masks,
            lambda index: self._classes_of_mask(index, len(declared) or None),
            declared=declared,
            options=options,
            where=self.path,
        )
        self.class_names, self.labels = found.class_names, found.labels
        if found.problems:
            self._leave_out(found.problems)

    def _classes_of_mask(self, index: int, class_count: int | None) -> MaskClasses:
        return read_mask_classes(
            self.path / self.masks[index],
            image=self.file(index),
            image_format=self._format(index),
            image_space=self.shape(index)[1:],
            class_count=class_count,
        )

    def _format(self, index: int) -> ImageFormat:
        if index not in self._formats:
            found = format_of(self.file(index), allow_lossy=self.allow_lossy)
            if found is None:
                raise SourceError(f"{self.file(index)}: is no image of a kind that is handled ({HANDLED_KINDS}).")
            self._formats[index] = found
        return self._formats[index]
