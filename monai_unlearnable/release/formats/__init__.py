"""File formats that a release is written in."""

from monai_unlearnable.release.formats.base import ReleaseFormat
from monai_unlearnable.release.formats.npz import NpzFormat
from monai_unlearnable.release.formats.png import PngFormat

__all__ = ["NpzFormat", "PngFormat", "ReleaseFormat"]
