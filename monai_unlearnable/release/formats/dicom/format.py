"""DICOM files as a release keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.formats.base import ReleaseFormat
from monai_unlearnable.release.formats.dicom.identity import ReleaseIdentity
from monai_unlearnable.release.formats.dicom.protect import write_protected
from monai_unlearnable.release.formats.dicom.untouched import untouched_parts
from monai_unlearnable.sources.dicom.content import read_content
from monai_unlearnable.sources.dicom.errors import errors_name
from monai_unlearnable.sources.dicom.image import load_dicom
from monai_unlearnable.types import StoredArray

__all__ = ["DicomFormat"]


@dataclass(frozen=True, kw_only=True)
class DicomFormat(ReleaseFormat):
    """One image, or one slice of a series, in each file.

    :meth:`write` protects. To restore, use :func:`~monai_unlearnable.release.formats.dicom.write_restored`: it needs
    what the ledger keeps of the original.

    Attributes:
        identity: how the files of the release are named.
        allow_lossy: take pixels that were compressed with loss; they are written uncompressed.
    """

    identity: ReleaseIdentity
    allow_lossy: bool = False
    name = "dicom"

    def read(self, path: Path) -> Iterator[StoredArray]:
        """Yield the one image of the file; see :meth:`ReleaseFormat.read`."""
        yield load_dicom(path, allow_lossy=self.allow_lossy).levels

    def write(self, path: Path, *, template: Path, images: Iterator[StoredArray]) -> None:
        """Write the one image with a new identity; see :meth:`ReleaseFormat.write`."""
        image = next(images, None)
        if image is None:
            raise ReleaseError(f"{template}: holds one image, none was given.")
        write_protected(path, template=template, image=image, identity=self.identity, allow_lossy=self.allow_lossy)
        if next(images, None) is not None:
            path.unlink()
            raise ReleaseError(f"{template}: holds one image, more were given.")

    def untouched_sha256(self, path: Path) -> dict[str, str]:
        """Hash everything that releasing leaves as it is; see :meth:`ReleaseFormat.untouched_sha256`."""
        with errors_name(path):
            return untouched_parts(read_content(path), drop_private=self.identity.drop_private)
