"""What lies in folders that name no files: images, and what is taken for none."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.image_formats import HANDLED_KINDS, IMAGE_FORMATS, format_of, is_series_folder
from monai_unlearnable.sources.skipped import OnError, SkippedFile

__all__ = ["FoundEntries", "image_names", "is_other_image", "name_ending", "visible_entries"]

_OTHER_IMAGES = (".gif", ".webp", ".jp2", ".pgm", ".ppm", ".hdr", ".img", ".img.gz", ".nhdr", ".mgh", ".mgz")


@dataclass
class FoundEntries:
    """What lies in the folders beside the images.

    Attributes:
        root: folder of the source.
        on_error: whether a file that cannot be protected is fatal or left out.
        ignored: relative paths of files that are no images.
        skipped: files that are left out.
    """

    root: Path
    on_error: OnError
    ignored: list[str] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)

    def refuse(self, path: Path, reason: str) -> None:
        """Raise an error, or note that a file is left out.

        Raises:
            SourceError: ``on_error`` is STOP.
        """
        if self.on_error is OnError.STOP:
            raise SourceError(f"{path}: {reason}")
        self.skipped.append(SkippedFile(path.relative_to(self.root).as_posix(), reason))

    def ignore(self, path: Path) -> None:
        """Note a file that is no image."""
        self.ignored.append(path.relative_to(self.root).as_posix())


def visible_entries(folder: Path) -> list[Path]:
    """Return files and folders right in a folder, sorted by name, without hidden ones.

    Raises:
        SourceError: it cannot be listed.
    """
    try:
        return sorted((one for one in folder.iterdir() if not one.name.startswith(".")), key=lambda one: one.name)
    except OSError as error:
        raise SourceError(f"{folder}: cannot be listed ({error}).") from error


def image_names(folder: Path, found: FoundEntries, *, kind: str, advice: str) -> list[str]:
    """Return the names of the images right in a folder: files, and folders that are one DICOM series.

    Args:
        folder: the folder.
        found: where everything else is noted.
        kind: what the folder is called in messages, such as ``class folder``.
        advice: what to do about a folder that is no series.

    Raises:
        SourceError: something in it cannot be protected.
    """
    images: list[str] = []
    for one in visible_entries(folder):
        if one.is_dir():
            reason = _why_no_series(one, kind=kind, advice=advice)
            if reason:
                found.refuse(one, reason)
            else:
                images.append(one.name)
        elif not one.is_file():
            found.refuse(one, "it is no regular file. Take it out.")
        elif is_other_image(one.name):
            found.refuse(one, f"only {HANDLED_KINDS} are handled. Convert the file or take it out.")
        elif format_of(one) is None:
            found.ignore(one)
        else:
            images.append(one.name)
    return images


def is_other_image(name: str) -> bool:
    """Tell from its name whether a file is an image of a kind that is not handled."""
    return name.lower().endswith(_OTHER_IMAGES)


def name_ending(name: str) -> str:
    """Return how the name of an image ends, as it is written there; '' where it has no known ending.

    Example:
        >>> [name_ending(one) for one in ("a.nii.gz", "b.PNG", "1.2.840")]
        ['.nii.gz', '.PNG', '']
    """
    endings = (ending for _, endings in IMAGE_FORMATS for ending in endings)
    known = max((one for one in endings if name.lower().endswith(one)), key=len, default="")
    return name[len(name) - len(known) :]


def _why_no_series(folder: Path, *, kind: str, advice: str) -> str:
    if not is_series_folder(folder):
        return (
            f"is a folder inside {kind}; images must lie right in it, but for the files of one DICOM series. {advice}"
        )
    deeper = next((one for one in visible_entries(folder) if one.is_dir()), None)
    return (
        "" if deeper is None else f"holds the folder {deeper.name!r} beside the files of a DICOM series; move it out."
    )
