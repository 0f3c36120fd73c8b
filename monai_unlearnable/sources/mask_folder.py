"""A folder of images beside a folder of their masks, with no list: a segmentation set by the names of its files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Progress, Task
from monai_unlearnable.sources.folder_entries import (
    FoundEntries,
    image_names,
    is_other_image,
    name_ending,
    visible_entries,
)
from monai_unlearnable.sources.image_formats import format_of
from monai_unlearnable.sources.image_source import ImageFileSource
from monai_unlearnable.sources.mask_presence import MaskOptions
from monai_unlearnable.sources.masks import why_no_mask
from monai_unlearnable.sources.skipped import OnError

__all__ = ["IMAGES_FOLDER", "MASK_FOLDERS", "MaskFolderSource", "has_mask_folder", "pair_by_name"]

IMAGES_FOLDER = "images"
"""The folder of the images."""

MASK_FOLDERS = ("masks", "labels")
"""The folder of the masks is called one of these."""

_ADVICE = (
    "Name every image and its mask in a list (--labels): a CSV file of file,mask; or, if these are folders of classes, "
    "one of file,label."
)
_LAST_DIGITS = re.compile(r"[0-9]+$")


class MaskFolderSource(ImageFileSource):
    """A segmentation set: files in ``images`` and their masks in ``masks`` or ``labels``, paired by their names.

    A mask belongs to the image of the same name but for the ending (``images/a.jpg``, ``masks/a.png``). If no mask has
    the name of an image, it belongs to the one whose name ends with the same number (``colonoscopy_0001.jpg``,
    ``mask_0001.jpg``), if no two images and no two masks end with the same one. Masks are class indices from 0, the
    background; see :func:`~monai_unlearnable.sources.mask_classes.classes_of`.

    A folder inside ``images`` that is a DICOM series is one image. Hidden files are left out; files of other kinds and
    masks of no image are in ``ignored_files``.

    Args:
        folder: the folder that holds both.
        on_error: whether an image without a mask, or a file that is not handled, is fatal or left out.
        allow_lossy: take DICOM pixels that were compressed with loss.
        allow_empty_masks: take masks that show nothing but background.
        progress: called with (masks read, all masks).

    Attributes:
        mask_folder: name of the folder of the masks.

    Raises:
        SourceError: there is no image, or none with a mask; names that pair in two ways; with ``on_error`` STOP also
            an image without a mask, or a mask that cannot be used.
    """

    mask_folder: str

    def __init__(
        self,
        folder: str | Path,
        *,
        on_error: OnError = OnError.STOP,
        allow_lossy: bool = False,
        allow_empty_masks: bool = False,
        progress: Progress | None = None,
    ) -> None:
        root, found = Path(folder), FoundEntries(Path(folder), on_error)
        self.mask_folder = _mask_folder(root)
        images = image_names(root / IMAGES_FOLDER, found, kind="the folder of images", advice=_ADVICE)
        masks = _mask_names(root / self.mask_folder, found)
        pairs = pair_by_name(images, masks, where=root)
        kept = [one for one in images if _has_mask(one, pairs, self.mask_folder, found)]
        if not kept:
            first = f" The first: {found.skipped[0]}" if found.skipped else ""
            raise SourceError(f"{root}: {IMAGES_FOLDER!r} holds no image with a mask.{first}")
        paired = {pairs[one] for one in kept}
        self.skipped = tuple(found.skipped)
        self.ignored_files = (
            *_files_elsewhere(root, self.mask_folder),
            *found.ignored,
            *(f"{self.mask_folder}/{one}" for one in masks if one not in paired),
        )
        super().__init__(
            root,
            task=Task.SEGMENTATION,
            class_names=(),
            sample_ids=tuple(f"{IMAGES_FOLDER}/{one}" for one in kept),
            labels=np.zeros((len(kept), 0), dtype=np.int64),
            masks=tuple(f"{self.mask_folder}/{pairs[one]}" for one in kept),
            allow_lossy=allow_lossy,
        )
        self._find_classes(MaskOptions(on_error=on_error, allow_empty=allow_empty_masks, progress=progress))


def has_mask_folder(folder: Path) -> bool:
    """Tell whether a folder holds ``images`` and beside it ``masks`` or ``labels``."""
    return (folder / IMAGES_FOLDER).is_dir() and any((folder / one).is_dir() for one in MASK_FOLDERS)


def pair_by_name(images: Sequence[str], masks: Sequence[str], *, where: Path) -> dict[str, str]:
    """Return the mask of each image that has one: of the same name, else of the same number at its end.

    Args:
        images: names of files, or of folders of series.
        masks: names of files.
        where: folder of both, for messages.

    Raises:
        SourceError: two images, or two masks of an image, differ in nothing but their ending.

    Example:
        >>> pair_by_name(["a1.jpg", "a2.jpg"], ["m_01.png", "m_02.png", "m_03.png"], where=Path("set"))
        {'a1.jpg': 'm_01.png', 'a2.jpg': 'm_02.png'}
        >>> pair_by_name(["a1.jpg", "b.jpg"], ["m_01.png", "b.nii.gz"], where=Path("set"))
        {'b.jpg': 'b.nii.gz'}
    """
    stems = [_by_stem(images, where=where), _by_stem(masks, where=where)]
    same = {image: stems[1][stem] for stem, image in stems[0].items() if stem in stems[1]}
    if same:
        return same
    ours, theirs = _by_last_digits(images), _by_last_digits(masks)
    return {image: theirs[number] for number, image in ours.items() if number in theirs}


def _stem(name: str) -> str:
    ending = name_ending(name) or (PurePosixPath(name).suffix if is_other_image(name) else "")
    return name[: len(name) - len(ending)]


def _by_stem(names: Sequence[str], *, where: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        other = found.setdefault(_stem(name), name)
        if other != name:
            raise SourceError(
                f"{where}: {other!r} and {name!r} differ in nothing but their ending, so that no name tells which mask "
                "belongs to which image. Rename one of them."
            )
    return found


def _by_last_digits(names: Sequence[str]) -> Mapping[int, str]:
    """Return names by the number at their end; nothing where one has none or two have the same."""
    matches = [_LAST_DIGITS.search(_stem(name)) for name in names]
    numbers = [int(one.group()) for one in matches if one is not None]
    return dict(zip(numbers, names, strict=True)) if len(set(numbers)) == len(names) else {}


def _mask_folder(root: Path) -> str:
    there = [one for one in MASK_FOLDERS if (root / one).is_dir()]
    if len(there) != 1 or not (root / IMAGES_FOLDER).is_dir():
        raise SourceError(
            f"{root}: beside the folder {IMAGES_FOLDER!r} there must be one of {' or '.join(map(repr, MASK_FOLDERS))}, "
            f"not {'both' if there else 'none'}. {_ADVICE}"
        )
    return there[0]


def _mask_names(folder: Path, found: FoundEntries) -> list[str]:
    """Return names of images in the folder of masks, of every kind; what cannot be a mask is refused with its image."""
    names = []
    for one in visible_entries(folder):
        if format_of(one) is not None or is_other_image(one.name):
            names.append(one.name)
        elif one.is_file():
            found.ignore(one)
    return names


def _has_mask(image: str, pairs: Mapping[str, str], mask_folder: str, found: FoundEntries) -> bool:
    file, mask = f"{IMAGES_FOLDER}/{image}", pairs.get(image)
    if mask is None:
        found.refuse(
            found.root / file,
            f"has no mask: no file in {mask_folder!r} has its name, or is the only one that ends with its number. "
            f"{_ADVICE}",
        )
        return False
    reason = why_no_mask(f"{mask_folder}/{mask}", found.root, image=file)
    if reason:
        found.refuse(found.root / file, f"its mask {mask_folder}/{mask} {reason}")
    return not reason


def _files_elsewhere(root: Path, mask_folder: str) -> list[str]:
    """Return files that lie neither in the folder of images nor in that of masks."""
    own = {root / IMAGES_FOLDER, root / mask_folder}
    found = [
        inner
        for one in visible_entries(root)
        if one not in own
        for inner in ([one] if one.is_file() else sorted(one.rglob("[!.]*")))
    ]
    return [one.relative_to(root).as_posix() for one in found if one.is_file()]
