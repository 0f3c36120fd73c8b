"""The record that gives an original back, and what happens if it does not fit."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest

from monai_unlearnable.errors import LedgerError, ReleaseError
from monai_unlearnable.release.formats.dicom import changed_elements, write_restored
from monai_unlearnable.sources.dicom import DicomImage
from monai_unlearnable.sources.dicom.content import read_content
from monai_unlearnable.sources.dicom.elements import elements_bytes
from tests.release.dicom.writing import Protected, protect, restore
from tests.sources.dicom.building import grey, write


@pytest.fixture
def protected(tmp_path: Path) -> Protected:
    return protect(write(tmp_path / "a.dcm", grey(), BitsStored=12), tmp_path / "b.dcm")


def test_the_record_holds_what_changed_and_no_pixels(protected: Protected) -> None:
    record = changed_elements(protected.original, released=protected.path)
    fields = json.loads(record)
    pixels = DicomImage().read(protected.original).tobytes()
    kept = b"".join(base64.b64decode(data) for _, data in fields["elements"])
    assert b"1.2.826.0.1.1.1" in kept and b"ORIGINAL" in kept
    assert pixels not in kept and b"Doe" not in kept


def test_a_record_of_another_file_is_refused(protected: Protected, tmp_path: Path) -> None:
    more = write(tmp_path / "c.dcm", grey(), BitsStored=12, PatientComments="more")
    other = protect(more, tmp_path / "d.dcm")
    own = changed_elements(protected.original, released=protected.path)
    for path, record, message in (
        (protected.path, changed_elements(more, released=other.path), "of a file with more elements"),
        (other.path, own, "of a file with fewer elements"),
    ):
        with pytest.raises(LedgerError, match=message):
            write_restored(tmp_path / "e.dcm", released=path, image=protected.levels, record=record)
    assert not (tmp_path / "e.dcm").exists()


@pytest.mark.parametrize("spoil", [b"", b"{}", b"[1]", b"\xff", b'{"format": "monai_unlearnable DICOM original 1"}'])
def test_a_damaged_record_is_refused(protected: Protected, tmp_path: Path, spoil: bytes) -> None:
    with pytest.raises(LedgerError, match=r"The record of a DICOM original is damaged \(.*\). Use the ledger"):
        write_restored(tmp_path / "e.dcm", released=protected.path, image=protected.levels, record=spoil)


def test_what_is_not_the_original_is_never_written(protected: Protected, tmp_path: Path) -> None:
    record = changed_elements(protected.original, released=protected.path)
    wrong = protected.levels.copy()
    wrong[0, 0, 0] ^= 1
    with pytest.raises(ReleaseError, match="what comes out is not the original: the released file, its delta or its"):
        write_restored(tmp_path / "e.dcm", released=protected.path, image=wrong, record=record)
    dataset = pydicom.dcmread(protected.path)
    dataset.PatientName = "Else"
    dataset.save_as(protected.path)
    with pytest.raises(ReleaseError, match="what comes out is not the original"):
        write_restored(tmp_path / "e.dcm", released=protected.path, image=protected.levels, record=record)
    with pytest.raises(ReleaseError, match="the image to write is uint16"):
        write_restored(tmp_path / "e.dcm", released=protected.path, image=protected.levels[0], record=record)
    assert not (tmp_path / "e.dcm").exists()


def test_elements_out_of_order_and_a_meta_that_disagrees_come_back(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", grey())
    content = read_content(path)
    late = {0x00080008: 1, 0x00080018: 1, 0x7FE00010: 2}
    moved = sorted(content.elements, key=lambda one: late.get(one.tag, 0))
    meta = elements_bytes(content.meta).replace(b"1.2.826.0.1.1.1", b"1.2.826.0.1.1.9")
    path.write_bytes(content.prefix + meta + elements_bytes(moved))
    protected = protect(path, tmp_path / "b.dcm")
    copy = read_content(protected.path)
    assert [one.tag for one in copy.elements][-3:] == list(late)
    assert copy.dataset.file_meta.MediaStorageSOPInstanceUID == copy.dataset.SOPInstanceUID
    assert restore(protected, tmp_path / "c.dcm").read_bytes() == path.read_bytes()


def test_a_zero_filled_negative_level_comes_back_bit_for_bit(tmp_path: Path) -> None:
    """Protected, all cells happen to repeat their sign; only the record knows that the original's did not."""
    cells = np.array([[0x0FFF, 0x0001]], dtype=np.uint16)[None, ..., None]
    path = write(tmp_path / "a.dcm", cells, BitsStored=12, PixelRepresentation=1)
    levels = DicomImage().read(path)
    assert levels.ravel().tolist() == [-1, 1]
    protected = protect(path, tmp_path / "b.dcm")
    assert restore(protected, tmp_path / "c.dcm").read_bytes() == path.read_bytes()
