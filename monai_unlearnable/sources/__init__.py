"""Where labelled images come from: an ``.npz`` file, class folders, or a folder with a labels CSV.

Images in folders are PNG, JPEG, BMP, TIFF, NIfTI, MetaImage, NRRD and DICOM files, or folders of DICOM slices.
"""

from monai_unlearnable.sources.base import Progress, Sample, Source, Task
from monai_unlearnable.sources.csv_labels import CsvSource
from monai_unlearnable.sources.dataset import ShapeBatches, SourceDataset
from monai_unlearnable.sources.folder import ClassFolderSource
from monai_unlearnable.sources.npz import NpzSource
from monai_unlearnable.sources.open import open_source

__all__ = [
    "ClassFolderSource",
    "CsvSource",
    "NpzSource",
    "Progress",
    "Sample",
    "ShapeBatches",
    "Source",
    "SourceDataset",
    "Task",
    "open_source",
]
