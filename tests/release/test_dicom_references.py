"""References between the files of a release follow their new UIDs."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from monai_unlearnable.release import restore_release
from tests.release.building import Built
from tests.release.test_padding import BUDGET
from tests.sources.dicom.building import SERIES, slice_file

OUTSIDE = "1.2.3.4.5"


def _reference(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPInstanceUID = uid
    return item


def test_slices_refer_to_each_other_under_new_names(tmp_path: Path) -> None:
    for number in range(1, 4):
        neighbour = f"{SERIES}.{number % 3 + 1}"
        slice_file(
            tmp_path / "source/scan" / f"{number}.dcm",
            position_mm=(0, 0, 5.0 * number),
            number=number,
            BitsStored=12,
            ReferencedImageSequence=Sequence([_reference(neighbour), _reference(OUTSIDE)]),
        )
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\nscan,x\n")
    built = Built(tmp_path, tmp_path / "source", labels)
    built.write(budget=BUDGET)
    copies = {number: pydicom.dcmread(built.release / f"scan/{number}.dcm") for number in range(1, 4)}
    for number, one in copies.items():
        first, second = one.ReferencedImageSequence
        assert first.ReferencedSOPInstanceUID == copies[number % 3 + 1].SOPInstanceUID
        assert second.ReferencedSOPInstanceUID == OUTSIDE
    restored = restore_release(built.release, built.ledger, tmp_path / "restored")
    assert restored.identical == tuple(f"scan/{number}.dcm" for number in range(1, 4)) and restored.images == 1
