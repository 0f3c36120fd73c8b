"""Where release, ledger and source may lie, and which file names are trusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from monai_unlearnable.errors import ReleaseError

__all__ = ["check_apart", "holds_nothing", "is_plain_name", "locate"]


def is_plain_name(name: str) -> bool:
    """Tell whether a name is a plain relative path with ``/``: no ``..``, not absolute, nothing unprintable.

    Example:
        >>> is_plain_name("CXR/000069.png"), is_plain_name("../secret"), is_plain_name("/etc/passwd")
        (True, False, False)
    """
    pure = PurePosixPath(name)
    tidy = bool(name) and name.isprintable() and pure.as_posix() == name and "\\" not in name
    return tidy and not pure.is_absolute() and ".." not in pure.parts and pure.parts != ()


def locate(folder: Path, name: str) -> Path:
    """Return the path of a file that a manifest or ledger names.

    Raises:
        ReleaseError: the name leaves the folder, by itself or through a symbolic link.
    """
    path = folder / name
    if not is_plain_name(name) or not path.resolve().is_relative_to(folder.resolve()):
        raise ReleaseError(f"{folder}: the file name {name!r} leaves the folder; a file list like this is not trusted.")
    return path


def check_apart(places: Mapping[str, Path]) -> None:
    """Check that no place is another one or lies inside it, symbolic links resolved.

    Args:
        places: what each place is (for the message), and its path.

    Raises:
        ReleaseError: names the two places.
    """
    resolved = {name: path.resolve() for name, path in places.items()}
    for name, path in resolved.items():
        for other, folder in resolved.items():
            if name != other and path.is_relative_to(folder):
                raise ReleaseError(
                    f"the {name} ({places[name]}) lies in the {other} ({places[other]}); give each a place of its own."
                )


def holds_nothing(folder: Path) -> bool:
    """Tell whether nothing is at the path, or an empty folder.

    Raises:
        ReleaseError: it is no folder, or cannot be listed.
    """
    if not folder.exists() and not folder.is_symlink():
        return True
    try:
        return next(folder.iterdir(), None) is None
    except OSError as error:
        raise ReleaseError(f"{folder}: is not a folder that can be listed ({error}).") from error
