"""Protect one DICOM file and give it back, for tests."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from monai_unlearnable.release.formats.dicom import (
    DicomFormat,
    ReleaseIdentity,
    UidMap,
    WrittenDicom,
    changed_elements,
    write_protected,
    write_restored,
)
from monai_unlearnable.sources.dicom import DicomImage
from monai_unlearnable.types import StoredArray

UIDS = UidMap(b"only for the tests")
IDENTITY = ReleaseIdentity(uids=UIDS)


@dataclass(frozen=True)
class Protected:
    """A protected file beside its original."""

    original: Path
    path: Path
    levels: StoredArray
    image: StoredArray
    written: WrittenDicom
    allow_lossy: bool


def some_delta(levels: StoredArray, *, low: int, high: int, untouchable: NDArray[np.bool_] | None) -> StoredArray:
    """Some levels up and some down, inside the range and never on padding."""
    steps = np.random.default_rng(7).integers(-9, 10, levels.shape)
    moved = np.clip(levels.astype(np.int64) + steps, low, high)
    return (moved if untouchable is None else np.where(untouchable, levels, moved)).astype(levels.dtype)


def protect(
    original: Path, path: Path, *, identity: ReleaseIdentity = IDENTITY, allow_lossy: bool = False
) -> Protected:
    reader = DicomImage(allow_lossy=allow_lossy)
    header, levels, untouchable = reader.header(original), reader.read(original), reader.untouchable(original)
    image = some_delta(levels, low=header.low_level, high=header.high_level, untouchable=untouchable)
    assert (image != levels).any()
    written = write_protected(path, template=original, image=image, identity=identity, allow_lossy=allow_lossy)
    return Protected(original, path, levels, image, written, allow_lossy)


def shown(path: Path) -> StoredArray:
    """What plain pydicom shows, channel first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of what is odd in the original, too
        dataset = pydicom.dcmread(path, force=True)
        pixels = dataset.pixel_array
    return np.moveaxis(pixels, -1, 0) if dataset.SamplesPerPixel == 3 else pixels[None]


def restore(protected: Protected, path: Path, *, keep_compressed: bool = False) -> Path:
    record = changed_elements(
        protected.original,
        released=protected.path,
        keep_compressed=keep_compressed,
        allow_lossy=protected.allow_lossy,
    )
    write_restored(path, released=protected.path, image=protected.levels, record=record)
    return path


def check_both_ways(protected: Protected, folder: Path) -> None:
    """The copy shows exactly the image, the rest is as it was, and the original comes back."""
    assert np.array_equal(shown(protected.path), protected.image)
    form = DicomFormat(identity=IDENTITY, allow_lossy=protected.allow_lossy)
    assert form.untouched_sha256(protected.path) == form.untouched_sha256(protected.original)
    reader = DicomImage(allow_lossy=protected.allow_lossy)
    for keep in (False, True):
        back = restore(protected, folder / "back.dcm", keep_compressed=keep)
        assert np.array_equal(reader.read(back), protected.levels)
        syntax = reader.header(protected.original).transfer_syntax
        is_native = syntax in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
        if keep or is_native:
            deflated = syntax == "1.2.840.10008.1.2.1.99"
            assert deflated or back.read_bytes() == protected.original.read_bytes()
        ours, theirs = pydicom.dcmread(back, force=True), pydicom.dcmread(protected.original, force=True)
        assert ours.get("SOPInstanceUID") == theirs.get("SOPInstanceUID")
