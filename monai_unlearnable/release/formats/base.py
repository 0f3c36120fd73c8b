"""What a file format of a release offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.types import StoredValues

__all__ = ["ReleaseFormat"]


class ReleaseFormat(ABC):
    """Reads and replaces the images of one kind of file; everything else in the file stays as it was.

    Protecting writes a copy of the source's file with protected images (:meth:`write`); restoring writes a copy of the
    released file with the original ones (:meth:`restore`), which is the same unless releasing changes more than pixels.
    """

    name: str
    """Name of the format in manifest and ledger."""

    @abstractmethod
    def read(self, path: Path) -> Iterator[StoredValues]:
        """Yield the stored numbers of each image of a released file, ``(channel, *space)``, in order.

        Raises:
            SourceError: the file cannot be read.
        """

    @abstractmethod
    def write(self, path: Path, *, template: Path, images: Iterator[StoredValues]) -> None:
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

    def untouchable(self, path: Path, image: StoredValues | None = None) -> NDArray[np.bool_] | None:
        """Return which values of the one image of a file must stay as they are (padding); None if none must.

        Args:
            path: a released file.
            image: ask it of these stored numbers in the place of the file's own.

        Raises:
            SourceError: the file cannot be read.
        """
        return None

    def keep(self, template: Path, *, released: Path) -> str:
        """Return what the owner must keep, besides deltas, to give a source's file back from its released copy.

        It may hold what names a patient, so it belongs into the ledger only.

        Raises:
            SourceError: one of the files cannot be read.
        """
        return ""

    def restore(self, path: Path, *, released: Path, images: Iterator[StoredValues], kept: str) -> None:
        """Write the original of a released file.

        Args:
            path: where to write; the caller sees to it that a half-written file is never seen.
            released: the released file.
            images: its original images, in order.
            kept: what :meth:`keep` returned.

        Raises:
            ReleaseError: the images do not fit, or what comes out is not the original.
            LedgerError: what was kept is damaged or of another file.
            SourceError: the released file cannot be read.
        """
        self.write(path, template=released, images=images)
