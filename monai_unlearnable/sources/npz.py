"""A MedMNIST-style .npz file: images and labels of train, val and test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Progress, Source, Task
from monai_unlearnable.sources.labels import check_class_indices, check_multi_labels
from monai_unlearnable.sources.npz_file import ArrayHeader, read_array, read_headers, require_whole
from monai_unlearnable.types import StoredArray

__all__ = ["NpzSource"]

_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16))
_SPLITS = ("train", "val", "test")


class NpzSource(Source):
    """One split of an ``.npz`` file with the arrays ``{train,val,test}_{images,labels}``.

    Images are ``(n, height, width)``, ``(n, height, width, 3)`` or ``(n, depth, height, width)``, uint8 or uint16.
    Labels are ``(n,)`` or ``(n, 1)`` class indices, or ``(n, classes)`` of 0/1. The number of classes is that of all
    splits together. The images of the split are loaded once, when the first is read.

    Args:
        path: the ``.npz`` file.
        split: ``train``, ``val`` or ``test``.

    Attributes:
        split: the split that is read.

    Raises:
        SourceError: an array is missing, empty, pickled, of another type or shape, or labels do not fit the images.
    """

    def __init__(self, path: str | Path, *, split: str = "train") -> None:
        self.path = Path(path)
        self.split = split
        if split not in _SPLITS:
            raise SourceError(f"{self.path}: split {split!r} is none of {', '.join(_SPLITS)}.")
        headers = read_headers(self.path)
        header = _images_header(headers, self.images_name, path=self.path)
        self._stored_shape, self._dtype = header.shape, header.dtype.newbyteorder("=")
        self._images: NDArray[np.integer] | None = None
        labels = {one: _labels(headers, one, path=self.path) for one in _SPLITS if f"{one}_labels" in headers}
        if split not in labels:
            raise SourceError(f"{self.path}: array '{split}_labels' is missing; there are {', '.join(headers)}.")
        self.labels = labels[split]
        if len(self.labels) != header.shape[0]:
            raise SourceError(
                f"{self.path}: {self.images_name} holds {header.shape[0]} images, {split}_labels {len(self.labels)} "
                "labels; every image needs one."
            )
        self.task = Task.SINGLE_LABEL if self.labels.ndim == 1 else Task.MULTI_LABEL
        self.class_names = tuple(str(one) for one in range(_class_count(labels, path=self.path)))
        self.sample_ids = tuple(f"{split}/{index:06d}" for index in range(len(self.labels)))

    @property
    def images_name(self) -> str:
        """Name of the array that holds this split's images."""
        return f"{self.split}_images"

    def read(self, index: int) -> StoredArray:
        """Return a copy of the stored integers of image ``index``, channel first."""
        if self._images is None:
            self._images = read_array(self.path, self.images_name)
        image = self._images[index]
        channel_first = np.moveaxis(image, -1, 0) if self._is_rgb else image[None]
        return np.array(channel_first, dtype=self._dtype, order="C")

    def shape(self, index: int) -> tuple[int, ...]:
        """Return ``(channel, *space)``, the same for every image of the file."""
        self.sample_ids[index]
        space = self._stored_shape[1:]
        return (3, *space[:-1]) if self._is_rgb else (1, *space)

    def dtype(self, index: int) -> np.dtype[np.integer]:
        """Return uint8 or uint16, the same for every image of the file."""
        self.sample_ids[index]
        return self._dtype

    def check_readable(self, progress: Progress | None = None) -> None:
        """Read every array, those of other splits too: a release holds them all; see :meth:`Source.check_readable`."""
        require_whole(self.path)
        super().check_readable(progress)

    @property
    def _is_rgb(self) -> bool:
        return len(self._stored_shape) == 4 and self._stored_shape[-1] == 3

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_images": None}


def _images_header(headers: dict[str, ArrayHeader], name: str, *, path: Path) -> ArrayHeader:
    if name not in headers:
        raise SourceError(f"{path}: array {name!r} is missing; there are {', '.join(headers)}.")
    header = headers[name]
    if header.dtype.newbyteorder("=") not in _DTYPES:
        raise SourceError(f"{path}: {name} is {header.dtype}; only uint8 and uint16 are handled.")
    if len(header.shape) not in (3, 4):
        raise SourceError(
            f"{path}: {name} has shape {header.shape}; images are (n, height, width), (n, height, width, 3) or "
            "(n, depth, height, width)."
        )
    if min(header.shape) == 0:
        raise SourceError(f"{path}: {name} of shape {header.shape} holds no image.")
    return header


def _labels(headers: dict[str, ArrayHeader], split: str, *, path: Path) -> NDArray[np.int64]:
    name = f"{split}_labels"
    header = headers[name]
    if header.dtype.kind not in "biu":
        raise SourceError(f"{path}: {name} is {header.dtype}; labels are whole numbers.")
    if len(header.shape) not in (1, 2) or 0 in header.shape[1:]:
        raise SourceError(f"{path}: {name} has shape {header.shape}; labels are (n,), (n, 1) or (n, classes).")
    labels = read_array(path, name)
    where = f"{path}: {name}"
    if labels.ndim == 2 and labels.shape[1] > 1:
        return check_multi_labels(labels, where=where)
    return check_class_indices(labels.reshape(-1), where=where)


def _class_count(labels: dict[str, NDArray[np.int64]], *, path: Path) -> int:
    widths = {one.shape[1:] for one in labels.values()}
    if len(widths) > 1:
        shapes = {f"{split}_labels": one.shape for split, one in labels.items()}
        raise SourceError(f"{path}: the splits have labels of different kinds: {shapes}.")
    width = widths.pop()
    return width[0] if width else 1 + max(int(one.max()) for one in labels.values() if one.size)
