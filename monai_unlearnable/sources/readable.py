"""Which images of a source can be protected, found by decoding each of them once."""

from __future__ import annotations

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Progress, Source
from monai_unlearnable.sources.image_source import ImageFileSource

__all__ = ["check_masks", "readable_part"]


def readable_part(source: Source, *, progress: Progress | None = None) -> Source:
    """Return a source without the images that cannot be read; its ``skipped`` says which and why.

    An ``.npz`` file is one file: it is read as a whole or not at all.

    Args:
        source: any source; it stays as it is.
        progress: called after each image with (done, all).

    Raises:
        SourceError: nothing, or nothing of a class, can be read; or the source is an ``.npz`` file that cannot.
    """
    if not isinstance(source, ImageFileSource):
        source.check_readable(progress)
        return source
    reasons: dict[int, str] = {}
    for index in range(len(source)):
        reason = _why_unreadable(source, index)
        if reason:
            reasons[index] = reason
        if progress is not None:
            progress(index + 1, len(source))
    return source.without(reasons) if reasons else source


def check_masks(source: Source) -> None:
    """Read the mask of every image that has one, and check that it lies on the image's grid.

    Raises:
        SourceError: a mask cannot be read or does not fit.
    """
    if isinstance(source, ImageFileSource):
        for index in range(len(source)):
            source.check_mask(index)


def _why_unreadable(source: ImageFileSource, index: int) -> str:
    try:
        source.check_image(index)
        source.untouchable(index)
    except SourceError as error:
        return _within(source, index, str(error))
    except OSError as error:
        return f"cannot be read ({error.strerror})."
    return ""


def _within(source: ImageFileSource, index: int, message: str) -> str:
    """Take the place of the source out of a message; a resumed run may name it in another way."""
    own = message.removeprefix(f"{source.file(index)}: ").removeprefix(f"{source.path}: ")
    return own.replace(f"{source.path}/", "")
