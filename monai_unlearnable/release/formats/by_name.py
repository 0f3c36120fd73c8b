"""The formats of one release by the names that its manifest and ledger have for them."""

from __future__ import annotations

from dataclasses import dataclass, field

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.formats.base import ReleaseFormat
from monai_unlearnable.release.formats.dicom import DicomFormat, ReleaseIdentity
from monai_unlearnable.release.formats.itk import MetaImageFormat, NrrdFormat
from monai_unlearnable.release.formats.nifti import NiftiFormat
from monai_unlearnable.release.formats.npz import NpzFormat
from monai_unlearnable.release.formats.png import PngFormat
from monai_unlearnable.release.formats.tiff import TiffFormat
from monai_unlearnable.release.options import ReleaseOptions

__all__ = ["ReleaseFormats"]


@dataclass(frozen=True, kw_only=True)
class ReleaseFormats:
    """Every format that a release may have files of.

    Attributes:
        protected_array: name of the protected array of an ``.npz`` file; else ''.
        identity: how DICOM files are named; needed for protecting them only.
        options: what the owner chose about the release.

    Example:
        >>> type(ReleaseFormats().named("nifti")).__name__
        'NiftiFormat'
    """

    protected_array: str = ""
    identity: ReleaseIdentity | None = None
    options: ReleaseOptions = field(default_factory=ReleaseOptions)

    @property
    def split(self) -> str:
        """The split that is protected: ``train`` where the release is no ``.npz`` file."""
        return self.protected_array.removesuffix("_images") or "train"

    def named(self, name: str) -> ReleaseFormat:
        """Return a format.

        Raises:
            ReleaseError: there is none of this name.
        """
        formats: tuple[ReleaseFormat, ...] = (
            PngFormat(),
            NpzFormat(split=self.split),
            TiffFormat(),
            NiftiFormat(),
            MetaImageFormat(),
            NrrdFormat(),
            DicomFormat(
                identity=self.identity,
                allow_lossy=self.options.allow_lossy,
                keep_compressed=self.options.keep_compressed,
                drop_private=self.options.drop_private_tags,
            ),
        )
        for one in formats:
            if one.name == name:
                return one
        raise ReleaseError(f"there is no release format {name!r}.")
