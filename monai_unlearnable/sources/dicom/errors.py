"""Errors of a DICOM file, each with the file's name."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monai_unlearnable.errors import SourceError, UnlearnableError

__all__ = ["errors_name"]


@contextmanager
def errors_name(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into a SourceError that names it.

    pydicom and its codecs raise nearly everything on damaged input, so every exception is turned. Their warnings are
    left out: what matters of them is checked by us and refused.

    Raises:
        SourceError: the body raised something that is no error of this package.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnlearnableError:
        raise
    except FileNotFoundError as error:
        raise SourceError(f"{path}: there is no such file.") from error
    except IsADirectoryError as error:
        raise SourceError(f"{path}: is a folder; name a DICOM file.") from error
    except ValueError as error:
        raise SourceError(f"{path}: {error}") from error
    except Exception as error:
        raise SourceError(
            f"{path}: cannot be read as DICOM ({type(error).__name__}: {error}). Replace the file or take it out."
        ) from error
