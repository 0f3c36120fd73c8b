"""Write small DICOM files with pydicom, and read their cells bit by bit with a slow oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

CT = "1.2.840.10008.5.1.4.1.1.2"
SERIES = "1.2.826.0.1.1"


def data_set(cells: NDArray[np.unsignedinteger[Any]], **attributes: Any) -> Dataset:
    """A CT image; ``cells`` are ``(frame, row, column, sample)``, uint8 or uint16."""
    frames, rows, columns, samples = cells.shape
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 100"
    made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.SOPClassUID, made.SOPInstanceUID = CT, attributes.pop("SOPInstanceUID", f"{SERIES}.1")
    made.Modality, made.PatientName, made.PatientID = "CT", "Doe^J\u00e4ne", "17"
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.826.0.1", SERIES
    made.InstanceNumber = 1
    made.SamplesPerPixel, made.Rows, made.Columns = samples, rows, columns
    made.PhotometricInterpretation = "MONOCHROME2" if samples == 1 else "RGB"
    if samples > 1:
        made.PlanarConfiguration = 0
    if frames > 1:
        made.NumberOfFrames = frames
    made.BitsAllocated = made.BitsStored = 8 * cells.dtype.itemsize
    made.PixelRepresentation = 0
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    if "HighBit" not in made:
        made.HighBit = made.BitsStored - 1
    return made


def write(
    path: Path, cells: NDArray[np.unsignedinteger[Any]], *, syntax: str = ExplicitVRLittleEndian, **attributes: Any
) -> Path:
    made = data_set(cells, **attributes)
    stored = np.moveaxis(cells, -1, 1) if made.get("PlanarConfiguration", 0) == 1 else cells
    big = syntax == ExplicitVRBigEndian
    raw = stored.astype(stored.dtype.newbyteorder(">" if big else "<")).tobytes()
    raw += b"\0" * (len(raw) % 2)
    if big and cells.dtype.itemsize == 1:
        raw = np.frombuffer(raw, np.uint16).byteswap().tobytes()  # cells of 8 bits in words of 16
    made.add_new("PixelData", "OW", raw)
    return save(path, made, syntax=syntax)


def save(path: Path, made: Dataset, *, syntax: str = ExplicitVRLittleEndian) -> Path:
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.ImplementationClassUID = pydicom.uid.UID("1.2.826.0.9")
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, made, enforce_file_format=True)
    return path


def level_of(cell: int, *, stored: int, high: int, signed: bool) -> int:
    """Slow oracle: the bits ``high - stored + 1`` to ``high`` of one cell, one after the other."""
    low = high - stored + 1
    level = sum(1 << bit for bit in range(stored) if cell >> (low + bit) & 1)
    return level - (1 << stored) if signed and level >> (stored - 1) else level


def with_level(cell: int, level: int, *, stored: int, high: int) -> int:
    """Slow oracle: put a level into one cell, bit by bit."""
    low = high - stored + 1
    for bit in range(stored):
        cell = cell & ~(1 << (low + bit)) | ((level >> bit & 1) << (low + bit))
    return cell


def grey(*, rows: int = 4, columns: int = 5, frames: int = 1, seed: int = 0, top: int = 4000) -> NDArray[np.uint16]:
    values = np.random.default_rng(seed).integers(0, top, (frames, rows, columns, 1))
    return values.astype(np.uint16)


def slice_file(path: Path, *, position_mm: tuple[float, float, float], number: int, **attributes: Any) -> Path:
    """One slice whose pixels tell its number."""
    fields: dict[str, Any] = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "ImagePositionPatient": list(position_mm)}
    fields |= {"SOPInstanceUID": f"{SERIES}.{number}", "InstanceNumber": number, **attributes}
    fields = {keyword: value for keyword, value in fields.items() if value is not None}
    return write(path, np.full((1, 3, 4, 1), number, dtype=np.uint16), **fields)
