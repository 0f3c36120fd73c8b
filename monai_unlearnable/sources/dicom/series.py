"""A folder of DICOM slices as one volume."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.dicom.affine import series_affine
from monai_unlearnable.sources.dicom.content import is_dicom, read_content
from monai_unlearnable.sources.dicom.geometry import SliceOrder, order_slices
from monai_unlearnable.sources.dicom.image import DicomHeader, LoadedDicom, load_dicom
from monai_unlearnable.sources.dicom.slices import SliceFacts, read_slice_facts
from monai_unlearnable.sources.dicom.view import series_view
from monai_unlearnable.sources.image_file import ImageFormat, StoredValues
from monai_unlearnable.sources.image_view import ImageView
from monai_unlearnable.types import StoredArray

__all__ = ["DicomSeries"]

_DIRECTORY_NAME = "DICOMDIR"


@dataclass(frozen=True, kw_only=True)
class DicomSeries(ImageFormat):
    """A folder whose DICOM files are the slices of one volume; each slice stays a file of its own.

    The axes of a volume are ``(sample, slice, row, column)``; slices ascend along the normal of their plane, the row
    direction x the column direction.

    Attributes:
        allow_lossy: take pixels that were compressed with loss; they are released without further loss.
    """

    allow_lossy: bool = False
    name = "dicom"
    _orders: dict[Path, SliceOrder] = field(default_factory=dict, init=False, repr=False, compare=False)

    def order(self, path: Path) -> SliceOrder:
        """Return the slices in their order, from their headers; read once, then remembered.

        Raises:
            SourceError: a file cannot be read, or the files are not the slices of one volume.
        """
        if path in self._orders:
            return self._orders[path]
        slices, notices = [], []
        for file, reason in _files(path):
            if reason:
                notices.append(f"{file.name} is left out: {reason}.")
            else:
                slices.append(read_slice_facts(read_content(file), allow_lossy=self.allow_lossy))
        if not slices:
            raise SourceError(f"{path}: holds no DICOM file. Name the folder of the slices themselves.")
        order = order_slices(slices, folder=path)
        self._orders[path] = replace(order, notices=(*notices, *order.notices))
        return self._orders[path]

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the files of the slices, in the order of the slice axis.

        Raises:
            SourceError: as :meth:`order`.
        """
        return tuple(one.path for one in self.order(path).slices)

    def header(self, path: Path) -> DicomHeader:
        """Read shape, type and units of the volume; see :meth:`ImageFormat.header`."""
        order = self.order(path)
        headers = [one.header for one in order.slices]
        samples, *space = headers[0].shape
        sizes = tuple(size for one in headers for size in one.level_sizes)
        units = {one.unit for one in headers}
        notices = order.notices
        if len(set(sizes)) > 1:
            text = f"A level has another size from slice to slice ({min(sizes):g} to {max(sizes):g})."
            notices = (*notices, text)
        return replace(
            headers[0],
            shape=(samples, len(headers), *space),
            level_size=max(sizes),
            level_sizes=sizes,
            unit=units.pop() if len(units) == 1 else "",
            notices=notices,
            uids=frozenset().union(*(one.uids for one in headers)),
        )

    def view(self, path: Path) -> ImageView:
        """Read how the volume is shown; see :meth:`ImageFormat.view`."""
        order = self.order(path)
        units = {one.header.unit for one in order.slices}
        return series_view(
            [one.view for one in order.slices],
            unit=units.pop() if len(units) == 1 else "",
            affine=series_affine(order),
        )

    def read(self, path: Path) -> StoredArray:
        """Read the stored integers, ``(sample, slice, row, column)``; see :meth:`ImageFormat.read`."""
        return np.stack([one.levels for one in self._loaded(self.order(path))], axis=1)

    def geometry(self, path: Path) -> NDArray[np.float64] | None:
        """Return where slices, rows and columns lie; see :meth:`ImageFormat.geometry`."""
        return series_affine(self.order(path))

    def untouchable(self, path: Path, image: StoredValues | None = None) -> NDArray[np.bool_] | None:
        """Return which voxels are padding; see :meth:`ImageFormat.untouchable`."""
        order = self.order(path)
        if not any(one.has_padding for one in order.slices):
            return None
        masks = [
            one.padding if image is None else one.padding_of(image[:, index])
            for index, one in enumerate(self._loaded(order))
        ]
        if all(mask is None for mask in masks):
            return None
        empty = np.zeros(order.slices[0].header.shape, dtype=np.bool_)
        return np.stack([empty if mask is None else mask for mask in masks], axis=1)

    def _loaded(self, order: SliceOrder) -> Iterator[LoadedDicom]:
        for one in order.slices:
            yield _unchanged(one, load_dicom(one.path, allow_lossy=self.allow_lossy))


def _unchanged(facts: SliceFacts, loaded: LoadedDicom) -> LoadedDicom:
    if loaded.layout.shape != facts.header.shape or loaded.layout.dtype != facts.header.dtype:
        raise SourceError(f"{facts.path}: was changed while the series was read. Read it again.")
    return loaded


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield what lies in the folder, and why it is left out (empty if it is a slice)."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise SourceError(f"{folder}: is no folder that can be read ({error}).") from error
    for entry in entries:
        if entry.is_dir():
            yield entry, "it is a folder"
        elif not entry.is_file():
            yield entry, "it is no regular file"
        elif entry.name.upper() == _DIRECTORY_NAME:
            yield entry, "it is a list of files"
        else:
            yield entry, "" if is_dicom(entry) else "it is no DICOM file"
