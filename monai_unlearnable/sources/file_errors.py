"""One way for whatever goes wrong while an image file is read to become an error that names the file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monai_unlearnable.errors import SourceError

__all__ = ["Refused", "errors_name"]


class Refused(ValueError):
    """A file that is not handled, with the reason in words that follow its name."""


@contextmanager
def errors_name(path: Path, *, kind: str) -> Iterator[None]:
    """Turn every error of a block that reads ``path`` into a SourceError that names it.

    Args:
        path: the file that is read.
        kind: what the file should be, such as ``NIfTI``.

    Raises:
        SourceError: something went wrong in the block.

    Example:
        >>> with errors_name(Path("a.nii"), kind="NIfTI"):
        ...     raise Refused("holds complex values, which are not handled.")
        Traceback (most recent call last):
        monai_unlearnable.errors.SourceError: a.nii: holds complex values, which are not handled.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of a library's remarks on a file is checked here
            yield
    except SourceError:
        raise
    except FileNotFoundError as error:
        raise SourceError(f"{path}: there is no such file.") from error
    except Refused as error:
        raise SourceError(f"{path}: {error}") from error
    except Exception as error:  # a hostile file makes a library raise anything
        reason = str(error) or type(error).__name__
        raise SourceError(f"{path}: is not a whole {kind} file ({reason}). Replace it or take it out.") from error
