"""DICOM files as a release keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.formats.base import ReleaseFormat
from monai_unlearnable.release.formats.dicom.file import MadeFile
from monai_unlearnable.release.formats.dicom.identity import ReleaseIdentity
from monai_unlearnable.release.formats.dicom.protect import write_protected
from monai_unlearnable.release.formats.dicom.restore import changed_elements, write_restored
from monai_unlearnable.release.formats.dicom.untouched import untouched_parts
from monai_unlearnable.release.formats.newest import Newest
from monai_unlearnable.sources.dicom.errors import errors_name
from monai_unlearnable.sources.dicom.image import LoadedDicom, load_dicom
from monai_unlearnable.types import StoredArray, StoredValues

__all__ = ["DicomFormat"]


@dataclass(kw_only=True)
class DicomFormat(ReleaseFormat):
    """One image, or one slice of a series, in each file.

    Attributes:
        identity: how the files of the release are named; only :meth:`write` needs it.
        allow_lossy: take pixels that were compressed with loss; they are written uncompressed.
        keep_compressed: :meth:`keep` keeps compressed pixels as well, so that the very file comes back.
        drop_private: the release leaves private elements out, so their absence is no fault; an identity says so, too.
    """

    identity: ReleaseIdentity | None = None
    allow_lossy: bool = False
    keep_compressed: bool = False
    drop_private: bool = False
    name = "dicom"
    _newest: Newest[LoadedDicom] = field(init=False, repr=False, compare=False)
    _made: MadeFile | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._newest = Newest(partial(load_dicom, allow_lossy=self.allow_lossy))

    def read(self, path: Path) -> Iterator[StoredValues]:
        """Yield the one image of the file; see :meth:`ReleaseFormat.read`."""
        yield self._newest.of(path).levels

    def write(self, path: Path, *, template: Path, images: Iterator[StoredValues]) -> None:
        """Write the one image with a new identity; see :meth:`ReleaseFormat.write`."""
        if self.identity is None:
            raise ReleaseError(f"{template}: a DICOM file is protected under a new identity; give one.")
        image = _first(images, template)
        written = write_protected(path, template=self._newest.of(template), image=image, identity=self.identity)
        self._made = written.made
        if next(images, None) is not None:
            path.unlink()
            raise ReleaseError(f"{template}: holds one image, more were given.")

    def untouched_sha256(self, path: Path) -> dict[str, str]:
        """Hash everything that releasing leaves as it is; see :meth:`ReleaseFormat.untouched_sha256`."""
        with errors_name(path):
            drop_private = self.drop_private or (self.identity is not None and self.identity.drop_private)
            return untouched_parts(self._newest.of(path).content, drop_private=drop_private)

    def untouchable(self, path: Path, image: StoredValues | None = None) -> NDArray[np.bool_] | None:
        """Return which voxels are padding; see :meth:`ReleaseFormat.untouchable`."""
        with errors_name(path):
            loaded = self._newest.of(path)
            return loaded.padding if image is None else loaded.padding_of(image)

    def keep(self, template: Path, *, released: Path) -> str:
        """Return the elements that releasing changed; see :meth:`ReleaseFormat.keep`."""
        made, self._made = self._made, None
        record = changed_elements(
            self._newest.of(template), released=released, keep_compressed=self.keep_compressed, made=made
        )
        return record.decode("ascii")

    def restore(self, path: Path, *, released: Path, images: Iterator[StoredValues], kept: str) -> None:
        """Write the original, byte by byte unless it was compressed; see :meth:`ReleaseFormat.restore`."""
        write_restored(path, released=self._newest.of(released), image=_first(images, released), record=kept.encode())
        if next(images, None) is not None:
            raise ReleaseError(f"{released}: holds one image, more were given.")


def _first(images: Iterator[StoredValues], path: Path) -> StoredArray:
    image = next(images, None)
    if image is None:
        raise ReleaseError(f"{path}: holds one image, none was given.")
    return cast(StoredArray, image)  # the writer refuses floats: no DICOM file that is handled holds them
