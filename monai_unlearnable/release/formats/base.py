"""What a file format of a release offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from monai_unlearnable.types import StoredArray

__all__ = ["ReleaseFormat"]


class ReleaseFormat(ABC):
    """Reads and replaces the images of one kind of file; everything else in the file stays as it was.

    Protecting writes a copy of the source's file with protected images; restoring writes a copy of the released file
    with the original ones. Both are :meth:`write`.
    """

    name: str
    """Name of the format in manifest and ledger."""

    @abstractmethod
    def read(self, path: Path) -> Iterator[StoredArray]:
        """Yield the stored integers of each image of a released file, ``(channel, *space)``, in order.

        Raises:
            SourceError: the file cannot be read.
        """

    @abstractmethod
    def write(self, path: Path, *, template: Path, images: Iterator[StoredArray]) -> None:
        """Write to ``path`` a copy of ``template`` that holds ``images`` instead of its own.

        Args:
            path: where to write; the caller sees to it that a half-written file is never seen.
            template: the source's file, or a released one.
            images: as many as the template holds, of the same shape and type, in order.

        Raises:
            ReleaseError: the images do not fit the template.
            SourceError: the template cannot be read.
        """

    @abstractmethod
    def untouched_sha256(self, path: Path) -> dict[str, str]:
        """Return a hash for each named part of the file that is not protected, to prove that it stays as it was.

        Raises:
            SourceError: the file cannot be read.
        """
