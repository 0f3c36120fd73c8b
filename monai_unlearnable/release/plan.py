"""Which files a release of a source will hold, decided before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.formats.npz import NpzFormat
from monai_unlearnable.release.manifest import MANIFEST_NAME
from monai_unlearnable.release.neutral_names import NeutralNames
from monai_unlearnable.release.paths import is_plain_name
from monai_unlearnable.release.planned import MIXED, PlannedCopy, PlannedFile, PlannedList, ReleasePlan
from monai_unlearnable.sources.base import Source
from monai_unlearnable.sources.folder import ClassFolderSource
from monai_unlearnable.sources.image_source import ImageFileSource
from monai_unlearnable.sources.listed import ListedSource
from monai_unlearnable.sources.mask_folder import MaskFolderSource
from monai_unlearnable.sources.npz import NpzSource

__all__ = ["MIXED", "plan_release"]

_CONVERTED = {"jpeg": "png", "bmp": "png", "mhd": "mha"}
"""Formats that are released as another one."""

_NEUTRAL_ARCHIVE = "images.npz"


def plan_release(source: Source, *, neutral: NeutralNames | None = None) -> ReleasePlan:
    """Decide names and formats of every file that a release of ``source`` will hold.

    An ``.npz`` keeps its name; a picture keeps its place and becomes ``.png``, an ``.mhd`` becomes ``.mha``; every
    other file keeps its name and format. Each slice of a DICOM series stays a file. Masks stay as they are. A source
    with a list gets one: ``labels.csv`` or ``datalist.json``.

    Args:
        source: the images.
        neutral: gives new names to all files; folders of classes, and those of images and masks, are kept, all others
            are not.

    Raises:
        ReleaseError: two files would get the same name, or the source is of a kind that has no format.
        SourceError: a header cannot be read.
    """
    if isinstance(source, NpzSource):
        return _plan_archive(source, rename=neutral is not None)
    if not isinstance(source, ImageFileSource):
        raise ReleaseError(f"{type(source).__name__}: there is no release format for this kind of source.")
    names = _Names(source.path)
    files = [file for index in range(len(source)) for file in _plan_image(source, index, names)]
    masks = dict.fromkeys(source.masks)  # several images may share one
    copies = [PlannedCopy(name=one, original_name=one, template=source.path / one) for one in masks]
    for copy in copies:
        names.add(copy.name, copy.original_name)
    if neutral is not None:
        keep_folder = isinstance(source, ClassFolderSource | MaskFolderSource)
        files = neutral.files(files, source.sample_ids, keep_folder=keep_folder)
        pairs = dict(zip(source.masks, source.sample_ids, strict=True)) if keep_folder and source.masks else {}
        copies = neutral.paired_copies(copies, pairs) if pairs else neutral.copies(copies)
    listed = _plan_list(source, files, copies, names) if isinstance(source, ListedSource) else None
    return ReleasePlan("", tuple(files), tuple(copies), listed)


def _plan_archive(source: NpzSource, *, rename: bool) -> ReleasePlan:
    array_format = NpzFormat(split=source.split)
    file = PlannedFile(
        name=_NEUTRAL_ARCHIVE if rename else source.path.name,
        original_name=source.path.name,
        template=source.path,
        indices=range(len(source)),
        source_format="npz",
        format=array_format.name,
    )
    return ReleasePlan(array_format.array_name, (file,))


def _plan_image(source: ImageFileSource, index: int, names: _Names) -> Iterator[PlannedFile]:
    sample_id = source.sample_ids[index]
    source_format, slices = source.header(index).format, source.slice_files(index)
    form = _CONVERTED.get(source_format, source_format)
    parts: list[tuple[str, Path, int | None]]
    if slices is None:
        parts = [(_released_name(sample_id, form), source.file(index), None)]
    else:
        parts = [(f"{sample_id}/{file.name}", file, part) for part, file in enumerate(slices)]
    for name, file, part in parts:
        names.add(name, sample_id, file)
        yield PlannedFile(
            name=name,
            original_name=name,
            template=file,
            indices=range(index, index + 1),
            source_format=source_format,
            format=form,
            part=part,
        )


def _released_name(sample_id: str, form: str) -> str:
    """Give a picture or MetaImage the ending of its released format; others keep theirs."""
    ending = f".{form}"
    pure = PurePosixPath(sample_id)
    keeps = form not in _CONVERTED.values() or pure.suffix.lower() == ending
    return sample_id if keeps else pure.with_suffix(ending).as_posix()


def _plan_list(source: ListedSource, files: list[PlannedFile], copies: list[PlannedCopy], names: _Names) -> PlannedList:
    names.add(source.release_name, "the list of the release")
    released: dict[str, str] = {}
    original: dict[str, str] = {}
    for file in files:
        sample_id = source.sample_ids[file.indices[0]]
        is_slice = file.part is not None
        released[sample_id] = PurePosixPath(file.name).parent.as_posix() if is_slice else file.name
        original[sample_id] = sample_id if is_slice else file.original_name
    released |= {one.original_name: one.name for one in copies}
    original |= {one.original_name: one.original_name for one in copies}
    in_order = {one: original[one] for one in (*source.sample_ids, *dict.fromkeys(source.masks))}
    return PlannedList(
        name=source.release_name, text=source.list_text(released), original_text=source.list_text(in_order)
    )


class _Names:
    """Names that are given once, on every reader's system."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._owners = {MANIFEST_NAME: "the manifest of the release"}

    def add(self, name: str, owner: str, file: Path | None = None) -> None:
        """Give a name to a file.

        Raises:
            ReleaseError: it is taken, or cannot be shown.
        """
        if not is_plain_name(name):
            raise ReleaseError(f"{file}: the name {name!r} holds characters that are not printable; rename it.")
        # Two names that differ only in case are one file on some of the readers' systems.
        other = self._owners.get(name.lower())
        if other is not None:
            raise ReleaseError(
                f"{self._root}: {other!r} and {owner!r} would both be released as {name!r}. Rename one of them."
            )
        self._owners[name.lower()] = owner
