"""Where labelled images come from: an ``.npz`` file, class folders, folders with a list, or images beside masks.

Images in folders are PNG, JPEG, BMP, TIFF, NIfTI, MetaImage, NRRD and DICOM files, or folders of DICOM slices.
"""

from monai_unlearnable.sources.base import Progress, Sample, Source, Task
from monai_unlearnable.sources.batches import ShapeBatches
from monai_unlearnable.sources.csv_labels import CsvSource
from monai_unlearnable.sources.datalist import DatalistSource
from monai_unlearnable.sources.dataset import SourceDataset, SourcePatches
from monai_unlearnable.sources.folder import ClassFolderSource
from monai_unlearnable.sources.mask_folder import MaskFolderSource
from monai_unlearnable.sources.npz import NpzSource
from monai_unlearnable.sources.open import list_source, open_source
from monai_unlearnable.sources.readable import check_masks
from monai_unlearnable.sources.skipped import OnError, SkippedFile

__all__ = [
    "ClassFolderSource",
    "CsvSource",
    "DatalistSource",
    "MaskFolderSource",
    "NpzSource",
    "OnError",
    "Progress",
    "Sample",
    "ShapeBatches",
    "SkippedFile",
    "Source",
    "SourceDataset",
    "SourcePatches",
    "Task",
    "check_masks",
    "list_source",
    "open_source",
]
