"""A folder of images with a MONAI datalist that names each image and its label."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Progress, Task
from monai_unlearnable.sources.datalist_json import Datalist, read_datalist
from monai_unlearnable.sources.image_formats import IMAGE_FORMATS
from monai_unlearnable.sources.labels import MAXIMUM_CLASSES, name_classes
from monai_unlearnable.sources.listed import ListedImage, ListedLabels, ListedSource
from monai_unlearnable.sources.listed_paths import ListedName
from monai_unlearnable.sources.mask_presence import MaskOptions, check_class_names
from monai_unlearnable.sources.skipped import OnError

__all__ = ["DATALIST_NAME", "DECATHLON_NAME", "DatalistSource"]

DATALIST_NAME = "datalist.json"
"""A folder with this file at its root, and without a labels CSV, is read by it."""

DECATHLON_NAME = "dataset.json"
"""So is one with this file, if it is a datalist."""

_IMAGE, _LABEL, _CLASS, _MASK, _FOLD, _CLASSES = "image", "label", "class", "mask", "fold", "labels"


class DatalistSource(ListedSource):
    """Images and labels of one section of a MONAI (Decathlon) datalist.

    An item is ``{"image": path, "label": label}``: a class index or name (single-label), or a list of 0 and 1
    (multi-label). ``"mask": path`` names a mask. Where ``label`` is the path of a mask, ``"class"`` holds the label; if
    no item has one, the datalist is a segmentation set. Its classes are those of the list's
    ``"labels": {"0": "background", "1": ...}``, or without it the numbers that the masks hold. Other sections are
    neither read nor released.

    Args:
        folder: the folder that paths are relative to.
        datalist: the JSON file.
        section: which list of it; by default ``training``, or the only one there is.
        on_error: whether a file that is not there or of a kind that is not handled is fatal or left out.
        allow_lossy: take DICOM pixels that were compressed with loss.
        allow_empty_masks: take masks of a segmentation set that show nothing but background.
        progress: called with (masks read, all masks) of a segmentation set.

    Attributes:
        section: the section that is read.

    Raises:
        SourceError: no datalist, a wrong item (with its place), a file twice, a missing file or mask, a path that
            leaves the folder, or no labels.
    """

    section: str
    release_names = (DATALIST_NAME, DECATHLON_NAME)

    def __init__(
        self,
        folder: str | Path,
        datalist: str | Path,
        *,
        section: str | None = None,
        on_error: OnError = OnError.STOP,
        allow_lossy: bool = False,
        allow_empty_masks: bool = False,
        progress: Progress | None = None,
    ) -> None:
        found = read_datalist(Path(datalist), section=section)
        self.section = found.section
        self._label_key = _label_key(found)
        is_segmentation = self._label_key is None
        images = [_image(found, index, needs_mask=is_segmentation) for index in range(len(found.items))]
        self._items = {image.file.name: item for image, item in zip(images, found.items, strict=True)}
        super().__init__(
            Path(folder),
            list_path=found.path,
            images=_all_or_no_masks(found, images),
            labels=_labels(found, self._label_key),
            options=MaskOptions(on_error=on_error, allow_empty=allow_empty_masks, progress=progress),
            allow_lossy=allow_lossy,
        )

    def list_text(self, names: Mapping[str, str]) -> str:
        """Return the datalist of a release: this section with image, label, mask and fold of each item."""
        items = []
        masks = dict(zip(self.sample_ids, self.masks, strict=True)) if self.masks else {}
        kept = set(self.sample_ids)
        for sample_id, name in names.items():
            if sample_id not in kept:
                continue  # a mask
            old = self._items[sample_id]
            item: dict[str, Any] = {_IMAGE: name}
            if self._label_key is not None:
                item[self._label_key] = old[self._label_key]
            if masks:
                item[_mask_key(old)] = names[masks[sample_id]]
            if _is_whole(old.get(_FOLD)):
                item[_FOLD] = old[_FOLD]
            items.append(item)
        is_declared = self.task is Task.SEGMENTATION and self._declares_classes
        classes = {_CLASSES: {str(at): one for at, one in enumerate(self.class_names)}} if is_declared else {}
        return json.dumps({**classes, self.section: items}, indent=1) + "\n"


def _label_key(datalist: Datalist) -> str | None:
    """Return under which key the items have their class; None where masks are the labels.

    It is ``label``, unless that is a mask or not there.
    """
    has_class = any(_CLASS in item for item in datalist.items)
    if not has_class and any(_is_mask(item.get(_LABEL)) for item in datalist.items):
        return None
    apart = any(_LABEL not in item or _is_mask(item[_LABEL]) for item in datalist.items)
    return _CLASS if has_class and apart else _LABEL


def _mask_key(item: Mapping[str, Any]) -> str:
    return _LABEL if _is_mask(item.get(_LABEL)) else _MASK


def _is_mask(label: object) -> bool:
    return isinstance(label, str) and any(label.lower().endswith(endings) for _, endings in IMAGE_FORMATS)


def _image(datalist: Datalist, index: int, *, needs_mask: bool) -> ListedImage:
    item = datalist.items[index]
    mask_key = _LABEL if needs_mask else _mask_key(item)
    file = _name(datalist, index, _IMAGE)
    return ListedImage(file, _name(datalist, index, mask_key) if mask_key in item else None)


def _name(datalist: Datalist, index: int, key: str) -> ListedName:
    value = datalist.items[index].get(key)
    if not isinstance(value, str):
        datalist.refuse(index, f"{key!r} is {_shown(value)}; it must be the path of one file.")
    # Datalists of the Decathlon begin every path with ./
    plain = PurePosixPath(value).as_posix() if value.startswith("./") else value
    return ListedName(plain, key, datalist.place(index), datalist.path)


def _all_or_no_masks(datalist: Datalist, images: list[ListedImage]) -> list[ListedImage]:
    """Give an image without mask, beside others that have one, a name that is empty: no mask is there."""
    if all(one.mask is None for one in images):
        return images
    return [
        one if one.mask is not None else ListedImage(one.file, ListedName("", _MASK, one.file.place, datalist.path))
        for one in images
    ]


def _labels(datalist: Datalist, key: str | None) -> ListedLabels:
    if key is None:
        return ListedLabels.of_masks(len(datalist.items), _declared_classes(datalist))
    labels = [_label(datalist, index, key) for index in range(len(datalist.items))]
    kinds = {type(one) for one in labels}
    if kinds <= {int, str} and len(kinds) == 1:
        names, values = name_classes([str(one) for one in labels], where=f"{datalist.path}: {datalist.section}")
        return ListedLabels(Task.SINGLE_LABEL, names, values)
    for index, label in enumerate(labels):
        if type(label) is not type(labels[0]) or (isinstance(label, list) and len(label) != len(labels[0])):
            datalist.refuse(
                index,
                f"{key!r} is {_shown(label)}, that of {datalist.place(0)} is {_shown(labels[0])}; all items need "
                "labels of one kind.",
            )
    columns = tuple(str(one) for one in range(len(labels[0])))
    return ListedLabels(Task.MULTI_LABEL, columns, np.array(labels, dtype=np.int64))


def _declared_classes(datalist: Datalist) -> tuple[str, ...]:
    """Return the names of the classes in the order of their numbers; () where the list declares none."""
    labels, where = datalist.labels, f"{datalist.path}: {_CLASSES!r}"
    if labels is None:
        return ()
    numbers = [str(one) for one in range(len(labels))] if isinstance(labels, dict) else []
    if not isinstance(labels, dict) or set(labels) != set(numbers):
        raise SourceError(
            f"{where} is {str(labels)[:200]}; it must name every class by its number, without a gap, such as "
            '{"0": "background", "1": "tumour"}.'
        )
    for number, name in labels.items():
        if not isinstance(name, str) or not name.strip():
            raise SourceError(f"{where}: the name of class {number} is {_shown(name)}; it must be a text.")
    return check_class_names([labels[one] for one in numbers], where=where)


def _label(datalist: Datalist, index: int, key: str) -> Any:
    """Return a class index, a class name, or a list of two or more 0 and 1."""
    value = datalist.items[index].get(key)
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(one, int) and _is_whole(one) and 0 <= one < MAXIMUM_CLASSES:
        return one
    if isinstance(one, str) and one.strip() and one.strip().lower() != "nan":
        return one
    if isinstance(one, list) and len(one) > 1 and all(_is_whole(each) and each in (0, 1) for each in one):
        return one
    datalist.refuse(
        index,
        f"{key!r} is {_shown(value)}; it must be a class index of 0 to {MAXIMUM_CLASSES - 1}, the name of a class, or "
        "a list of 0 and 1 for a multi-label task.",
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, float) and not math.isfinite(value):
        return "not finite"
    return repr(value)[:80]
