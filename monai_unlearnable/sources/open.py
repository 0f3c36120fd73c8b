"""Open whatever a user points at as a source of labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Progress, Source
from monai_unlearnable.sources.csv_labels import LABELS_NAME, CsvSource
from monai_unlearnable.sources.datalist import DATALIST_NAME, DECATHLON_NAME, DatalistSource
from monai_unlearnable.sources.datalist_json import is_datalist
from monai_unlearnable.sources.folder import ClassFolderSource
from monai_unlearnable.sources.mask_folder import MaskFolderSource, has_mask_folder
from monai_unlearnable.sources.npz import NpzSource
from monai_unlearnable.sources.readable import readable_part
from monai_unlearnable.sources.skipped import OnError

__all__ = ["LABELS_NAME", "is_archive", "list_source", "open_source"]


def open_source(
    path: str | Path,
    labels: str | Path | None = None,
    split: str = "train",
    *,
    section: str | None = None,
    on_error: OnError | str = OnError.STOP,
    allow_lossy: bool = False,
    allow_empty_masks: bool = False,
    progress: Progress | None = None,
) -> Source:
    """Open an ``.npz`` file, a folder of class folders, a folder with a list of labels, or a release of one of them.

    A folder with ``labels``, a ``labels.csv``, a ``datalist.json`` or a Decathlon's ``dataset.json`` is read by it; a
    folder with one ``.npz`` file at its root is that file; a folder with ``images`` and ``masks`` (or ``labels``) in it
    is a segmentation set; any other folder holds class folders. Of a segmentation set every mask is read once.

    Args:
        path: the file or folder.
        labels: a list of the images of a folder: a CSV file of ``file,label`` or ``file,mask``, or a MONAI datalist
            (``.json``).
        split: ``train``, ``val`` or ``test`` of an ``.npz`` file; a folder is one split by itself.
        section: which list of a datalist; by default ``training``, or the only one there is.
        on_error: ``stop`` at a file that cannot be read, or ``skip`` it: every image is decoded once, and what cannot
            be is named in ``skipped``.
        allow_lossy: take DICOM pixels that were compressed with loss.
        allow_empty_masks: take masks of a segmentation set that show nothing but background, as those of healthy
            people; otherwise such a mask is refused, or its image left out.
        progress: called with (masks read, all masks), and with (images decoded, all images) where they are.

    Raises:
        SourceError: the path is missing or of no kind that is handled, or its content breaks a rule.
    """
    rule = _rule(on_error)
    source = list_source(
        path,
        labels,
        split,
        section=section,
        on_error=rule,
        allow_lossy=allow_lossy,
        allow_empty_masks=allow_empty_masks,
        progress=progress,
    )
    return source if rule is OnError.STOP else readable_part(source, progress=progress)


def list_source(
    path: str | Path,
    labels: str | Path | None = None,
    split: str = "train",
    *,
    section: str | None = None,
    on_error: OnError = OnError.STOP,
    allow_lossy: bool = False,
    allow_empty_masks: bool = False,
    progress: Progress | None = None,
) -> Source:
    """Open a source as :func:`open_source` does, but decode no image, whatever ``on_error`` is.

    Raises:
        SourceError: the path is missing or of no kind that is handled, or its content breaks a rule.
    """
    where = Path(path)
    if not where.exists():
        raise SourceError(f"{where}: there is no such file or folder.")
    archive = _archive(where, labels)
    if archive is not None:
        if labels is not None:
            raise SourceError(f"{where}: an .npz file holds its own labels; leave labels={str(labels)!r} out.")
        _check_section(section, where)
        return NpzSource(archive, split=split)
    if split != "train":
        raise SourceError(f"{where}: a folder is one split; give the folder of the {split!r} images itself.")
    found = _list(where, labels)
    of_masks: dict[str, Any] = {"allow_empty_masks": allow_empty_masks, "progress": progress}
    if found is not None and found.suffix.lower() == ".json":
        return DatalistSource(where, found, section=section, on_error=on_error, allow_lossy=allow_lossy, **of_masks)
    _check_section(section, where if found is None else found)
    if found is not None:
        return CsvSource(where, found, on_error=on_error, allow_lossy=allow_lossy, **of_masks)
    if has_mask_folder(where):
        return MaskFolderSource(where, on_error=on_error, allow_lossy=allow_lossy, **of_masks)
    return ClassFolderSource(where, on_error=on_error, allow_lossy=allow_lossy)


def _rule(on_error: OnError | str) -> OnError:
    try:
        return OnError(on_error)
    except ValueError as error:
        raise SourceError(f"on_error={on_error!r}: must be 'stop' or 'skip'.") from error


def _list(where: Path, labels: str | Path | None) -> Path | None:
    if labels is not None:
        return Path(labels)
    for name in (LABELS_NAME, DATALIST_NAME):
        if (where / name).is_file():
            return where / name
    return where / DECATHLON_NAME if is_datalist(where / DECATHLON_NAME) else None


def _check_section(section: str | None, where: Path) -> None:
    if section is not None:
        raise SourceError(f"{where}: only a datalist (.json) has sections; leave section={section!r} out.")


def is_archive(path: str | Path) -> bool:
    """Tell whether :func:`open_source` would open an ``.npz`` file there, the only source with several splits."""
    try:
        return _archive(Path(path), None) is not None
    except (SourceError, OSError):
        return False


def _archive(where: Path, labels: str | Path | None) -> Path | None:
    if where.is_file():
        if where.suffix.lower() != ".npz":
            raise SourceError(f"{where}: is neither an .npz file nor a folder of images.")
        return where
    if _list(where, labels) is not None:
        return None
    found = sorted(one for one in where.iterdir() if one.suffix.lower() == ".npz")
    if len(found) > 1:
        raise SourceError(f"{where}: holds {len(found)} .npz files ({found[0].name}, ...); give one of them.")
    return found[0] if found else None
