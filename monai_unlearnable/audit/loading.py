"""Images of a source, read from disk once into one tensor that a victim trains on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_unlearnable.audit.masks import MOST_CLASSES, mask_by_name, resized_mask
from monai_unlearnable.audit.sizes import largest_space, require_patch, resized_image, with_border
from monai_unlearnable.countermeasures import FittedCountermeasure, PictureTransform
from monai_unlearnable.errors import NotApplicableError, SourceError
from monai_unlearnable.sources.base import Source, Task
from monai_unlearnable.sources.intensity import intensity_window
from monai_unlearnable.sources.stored_levels import is_floating
from monai_unlearnable.types import Labels, StoredValues, Windows

__all__ = ["ImageSet", "fitted_images", "labels_by_name", "load_images", "window_of"]

_BYTE_WINDOW = (0.0, 255.0)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images of one size in memory.

    Attributes:
        images: ``(n, channel, *space)`` as stored: uint8, int32 or float32; float32 where resized.
        labels: ``(n,)`` int64, or ``(n, classes)`` float32 of 0/1, or of segmentation ``(n, *space)`` int64.
        windows: ``(n, 2)`` float32, what becomes -1 and 1 for victims: 0 and 255 of 8-bit images, the robust range of
            each deeper one (:func:`~monai_unlearnable.sources.intensity.intensity_window`).
        task: what a label is.
        class_count: number of classes or label columns.
        sha256: of the stored pixels, labels, sample ids and windows.
    """

    images: Tensor
    labels: Labels
    windows: Windows
    task: Task
    class_count: int
    sha256: str

    def __len__(self) -> int:
        return len(self.images)

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return int(self.images.shape[1])

    @property
    def spatial_dims(self) -> int:
        """2 for pictures, 3 for volumes."""
        return self.images.ndim - 2

    def part(self, chosen: Tensor, *, sha256: str) -> ImageSet:
        """Return the images at these places, under a checksum of their own."""
        parts = {name: getattr(self, name)[chosen] for name in ("images", "labels", "windows")}
        return replace(self, sha256=sha256, **parts)


def load_images(
    source: Source,
    *,
    indices: Sequence[int] | None = None,
    size_px: int | None = None,
    interpolation: str = "linear",
    patch_px: int | None = None,
    pictures: Sequence[PictureTransform] = (),
    class_names: Sequence[str] | None = None,
) -> ImageSet:
    """Read images from their files into one tensor.

    Args:
        source: where the images come from.
        indices: which images, in this order (default: all).
        size_px: every side of every image is interpolated to this size, of masks the nearest pixel is taken; None keeps
            the stored grid.
        interpolation: ``linear`` (antialiased in 2D), ``area``, ``cubic`` (2D) or ``nearest``.
        patch_px: patches of this size will be cut. Images with masks of several sizes, or smaller ones than a patch,
            get a border of their window's low end; masks one of background.
        pictures: what every image undergoes first, in this order.
        class_names: the order of classes to number the labels by (default: the source's own).

    Raises:
        SourceError: no image, a class that ``class_names`` lacks, images of different channel counts or (without
            ``size_px``) different sizes, or a patch that is larger than every image.
        NotApplicableError: an image cannot undergo one of ``pictures``, or they change no image at all.
    """
    chosen = range(len(source)) if indices is None else indices
    if not len(chosen):
        raise SourceError(f"{source.path}: no image is left to read; a victim needs at least one.")
    dense = source.task is Task.SEGMENTATION
    _check_shapes(source, chosen, several=size_px is not None or dense)
    if patch_px is not None:
        require_patch(source, chosen, patch_px=patch_px)
    digest = hashlib.sha256()
    names = source.class_names if class_names is None else tuple(class_names)
    if dense and len(names) > MOST_CLASSES:
        raise SourceError(f"{source.path}: {len(names)} classes of voxels; an audit handles {MOST_CLASSES} at most.")
    numbered = labels_by_name(source, names)
    windows, tensors, masks = [], [], []
    untouched = bool(pictures)
    for index in chosen:
        stored = source.read(index)
        image = _changed(stored, pictures)
        untouched = untouched and np.array_equal(image, stored)
        windows.append(window_of(source, index, image))
        if windows[-1] != _BYTE_WINDOW:
            digest.update(repr(windows[-1]).encode())
        _hash_image(digest, source.sample_ids[index], image, numbered[index])
        tensors.append(_as_tensor(image, size_px=size_px, interpolation=interpolation))
        if dense:
            masks.append(mask_by_name(source, index, names))
            digest.update(masks[-1].tobytes())
            masks[-1] = resized_mask(masks[-1], size_px=size_px)
    if untouched:
        raise NotApplicableError(f"it changes no pixel of the {len(chosen)} images of {source.path.name}.")
    if dense and size_px is None:
        space = largest_space(source, chosen, least_px=patch_px or 1)
        tensors = [with_border(one, space, value=low) for one, (low, _) in zip(tensors, windows, strict=True)]
        masks = [with_border(torch.from_numpy(one), space, value=0).numpy() for one in masks]
    labels = torch.from_numpy(np.stack(masks)) if masks else torch.as_tensor(numbered[list(chosen)])
    return ImageSet(
        images=torch.stack(tensors),
        labels=labels.float() if source.task is Task.MULTI_LABEL else labels.long(),
        windows=torch.tensor(windows),
        task=source.task,
        class_count=len(names),
        sha256=digest.hexdigest(),
    )


def _changed(image: StoredValues, pictures: Sequence[PictureTransform]) -> StoredValues:
    for change in pictures:
        image = change(image)
    return image


def fitted_images(images: ImageSet, fitted: Sequence[FittedCountermeasure]) -> ImageSet:
    """Return images after countermeasures that are fitted to these very images; they are not rounded to levels.

    Raises:
        NotApplicableError: a countermeasure is none for such images or labels.
    """
    for one in fitted:
        change = one.fit(images.images.float(), images.labels)
        images = replace(images, images=torch.stack([torch.as_tensor(change(each)) for each in images.images.float()]))
    return images


def labels_by_name(source: Source, class_names: Sequence[str]) -> NDArray[np.int64]:
    """Number the labels of a source by another source's order of classes.

    Returns:
        ``(n,)`` class indices or ``(n, classes)`` of 0/1, int64; of multiple labels a column the source lacks is an
        error, of segmentation it is a structure that no mask shows.

    Raises:
        SourceError: the classes do not fit.
    """
    names = tuple(class_names)
    if source.class_names == names:
        return source.labels
    surplus = [one for one in source.class_names if one not in names]
    if surplus or (source.task is Task.MULTI_LABEL and len(source.class_names) != len(names)):
        raise SourceError(
            f"{source.path}: its classes {list(source.class_names)[:20]} do not fit the clean source's "
            f"{list(names)[:20]}. Both need the same names."
        )
    if source.task is Task.SEGMENTATION and source.class_names[0] != names[0]:
        raise SourceError(
            f"{source.path}: its background is {source.class_names[0]!r}, the clean source's {names[0]!r}. The first "
            "class of both must be the background."
        )
    position = np.array([names.index(one) for one in source.class_names], dtype=np.int64)
    if source.task is Task.SINGLE_LABEL:
        return position[source.labels]
    numbered = np.zeros((len(source.labels), len(names)), dtype=np.int64)
    numbered[:, position] = source.labels
    return numbered


def _check_shapes(source: Source, chosen: Sequence[int], *, several: bool) -> None:
    first = source.shape(chosen[0])
    for index in chosen:
        shape = source.shape(index)
        if shape[0] != first[0] or len(shape) != len(first):
            raise SourceError(
                f"{source.path}: {source.sample_ids[index]!r} has shape {shape} (channels first), "
                f"{source.sample_ids[chosen[0]]!r} has {first}; a victim needs one number of channels."
            )
        if not several and shape != first:
            raise SourceError(
                f"{source.path}: {source.sample_ids[index]!r} has shape {shape}, "
                f"{source.sample_ids[chosen[0]]!r} has {first}; give the victim an image_size_px such as 64."
            )


def window_of(source: Source, index: int, image: StoredValues) -> tuple[float, float]:
    """Return the window of an image by its own file; of an image of one value, all that such a file can hold."""
    header = source.header(index)
    window = intensity_window(image, header, hidden=source.untouchable(index))
    return (float(header.low_level), float(header.high_level)) if window is None else window


def _as_tensor(image: StoredValues, *, size_px: int | None, interpolation: str) -> Tensor:
    if size_px is None and not is_floating(image.dtype):
        return torch.tensor(image if image.dtype == np.uint8 else image.astype(np.int32))
    if size_px is None:
        return torch.tensor(image.astype(np.float32))
    return resized_image(torch.from_numpy(image.astype(np.float32)), size_px=size_px, interpolation=interpolation)


def _hash_image(digest: hashlib._Hash, sample_id: str, image: StoredValues, label: NDArray[np.int64]) -> None:
    digest.update(f"{sample_id}\0{image.dtype}\0{image.shape}\0{np.asarray(label).tolist()}\0".encode())
    digest.update(np.ascontiguousarray(image).tobytes())
