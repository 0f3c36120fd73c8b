"""Which names of a list are trusted: plain paths that stay inside the folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from monai_unlearnable.errors import SourceError

__all__ = ["ListedName", "check_inside", "check_plain", "check_twice"]


@dataclass(frozen=True)
class ListedName:
    """A file as a list names it.

    Attributes:
        name: the name.
        kind: what the list calls it, such as ``file`` or ``mask``.
        place: where in the list, such as ``line 2``.
        list_path: the list.
    """

    name: str
    kind: str
    place: str
    list_path: Path

    @property
    def where(self) -> str:
        """List, place and name, for messages."""
        return f"{self.list_path}: {self.place}: {self.kind} {self.name[:200]!r}"


def check_plain(listed: ListedName, *, root: Path) -> None:
    """Check that a name is a plain path below the folder, whatever lies there.

    Raises:
        SourceError: it is empty, absolute, leads upwards or is written in another way than the shortest.

    Example:
        >>> check_plain(ListedName("../a.png", "file", "line 2", Path("list.csv")), root=Path("images"))
        Traceback (most recent call last):
        monai_unlearnable.errors.SourceError: list.csv: line 2: file '../a.png' must be a plain path with '/' ...
    """
    name, pure = listed.name, PurePosixPath(listed.name)
    tidy = name.isprintable() and pure.parts != () and pure.as_posix() == name and "\\" not in name
    if not tidy or pure.is_absolute() or ".." in pure.parts:
        raise SourceError(f"{listed.where} must be a plain path with '/' inside {root.name}: not absolute, no '..'.")


def check_inside(listed: ListedName, *, root: Path) -> None:
    """Check that no symbolic link on the way leads out of the folder.

    Raises:
        SourceError: one does, or the links lead in a circle.
    """
    try:
        (root / listed.name).exists()  # raises where the name is too long for the system
        inside = (root / listed.name).resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:  # Python 3.11 reports a circle of links as a RuntimeError
        reason = (error.strerror if isinstance(error, OSError) else "") or "its links lead in a circle"
        raise SourceError(f"{listed.where} cannot be followed ({reason}). Correct the name.") from error
    if not inside:
        raise SourceError(
            f"{listed.where} is a link that leads out of {root.name}; a list reaches nothing outside its folder. "
            "Copy the file into the folder."
        )


def check_twice(listed: Iterable[ListedName]) -> None:
    """Check that no name is there twice.

    Raises:
        SourceError: one is; the message names both places.
    """
    first: dict[str, str] = {}
    for one in listed:
        if one.name in first:
            raise SourceError(f"{one.where} is there twice, first in {first[one.name]}.")
        first[one.name] = one.place
