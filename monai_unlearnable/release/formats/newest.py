"""Remember what was read of one file, because releasing asks several things of it one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

__all__ = ["Newest"]

Content = TypeVar("Content")


class Newest(Generic[Content]):
    """Holds what was read of the newest file only; a file that has changed is read anew.

    Example:
        >>> newest = Newest[bytes](Path.read_bytes)
        >>> newest.of(Path(__file__)) is newest.of(Path(__file__))
        True
    """

    def __init__(self, read: Callable[[Path], Content]) -> None:
        self._read = read
        self._kept: tuple[Path, tuple[int, ...], Content] | None = None

    def of(self, path: Path) -> Content:
        """Return what the file holds; raises what reading it raises."""
        kept = self._kept
        try:
            status = path.stat()
        except OSError:  # reading says what is wrong
            return self._read(path)
        stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if kept is None or kept[:2] != (path, stamp):
            self._kept = None  # let go of the old one first: both may be large
            kept = (path, stamp, self._read(path))
            self._kept = kept
        return kept[2]
