"""A whole series: each slice stays a file, and all files agree on the new series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from monai_unlearnable.release.formats.dicom import ReleaseIdentity, write_protected
from monai_unlearnable.sources.dicom import DicomSeries
from tests.release.dicom.writing import UIDS
from tests.sources.dicom.building import SERIES, slice_file


def test_slices_agree_and_refer_to_each_other(tmp_path: Path) -> None:
    uids = [f"{SERIES}.{number}" for number in range(4)]
    for number in range(4):
        neighbour = Dataset()
        neighbour.ReferencedSOPInstanceUID = uids[(number + 1) % 4]
        slice_file(
            tmp_path / "old" / f"{9 - number}.dcm",
            position_mm=(0, 0, 5.0 * number),
            number=number,
            ReferencedImageSequence=Sequence([neighbour]),
        )
    reader = DicomSeries()
    volume = reader.read(tmp_path / "old")
    identity = ReleaseIdentity(uids=UIDS, known=frozenset({SERIES, *uids}))
    (tmp_path / "new").mkdir()
    delta = np.arange(4, dtype=np.uint16)[None, :, None, None]
    for index, path in enumerate(reader.files(tmp_path / "old")):
        image = (volume + delta)[:, index]
        write_protected(tmp_path / "new" / path.name, template=path, image=image, identity=identity)
    assert np.array_equal(reader.read(tmp_path / "new"), volume + delta)
    copies = [pydicom.dcmread(path) for path in reader.files(tmp_path / "new")]
    assert {one.SeriesInstanceUID for one in copies} == {UIDS.new(SERIES)}
    assert [one.SOPInstanceUID for one in copies] == [UIDS.new(uid) for uid in uids]
    referred = [one.ReferencedImageSequence[0].ReferencedSOPInstanceUID for one in copies]
    assert referred == [copies[(index + 1) % 4].SOPInstanceUID for index in range(4)]
