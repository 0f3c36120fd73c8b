"""DICOM files of a release."""

from monai_unlearnable.release.formats.dicom.format import DicomFormat
from monai_unlearnable.release.formats.dicom.identity import ReleaseIdentity
from monai_unlearnable.release.formats.dicom.known import check_identifiable, known_uids
from monai_unlearnable.release.formats.dicom.private import large_private_elements
from monai_unlearnable.release.formats.dicom.protect import WrittenDicom, write_protected
from monai_unlearnable.release.formats.dicom.restore import changed_elements, write_restored
from monai_unlearnable.release.formats.dicom.uids import UidMap

__all__ = [
    "DicomFormat",
    "ReleaseIdentity",
    "UidMap",
    "WrittenDicom",
    "changed_elements",
    "check_identifiable",
    "known_uids",
    "large_private_elements",
    "write_protected",
    "write_restored",
]
