"""DICOM files and series as the integers they store."""

from monai_unlearnable.sources.dicom.content import is_dicom
from monai_unlearnable.sources.dicom.image import DicomHeader, DicomImage
from monai_unlearnable.sources.dicom.series import DicomSeries

__all__ = ["DicomHeader", "DicomImage", "DicomSeries", "is_dicom"]
