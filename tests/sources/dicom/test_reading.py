from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.dicom import DicomImage, is_dicom
from monai_unlearnable.sources.dicom.content import read_content
from monai_unlearnable.sources.dicom.elements import elements_bytes
from tests.sources.dicom.building import data_set, grey, save, write

READER = DicomImage()


def test_a_slice_is_read_as_it_is_stored(tmp_path: Path) -> None:
    cells = grey()
    path = write(tmp_path / "a.dcm", cells, BitsStored=12, RescaleSlope=2, RescaleIntercept=-1024)
    header, image = READER.header(path), READER.read(path)
    assert (header.shape, header.dtype, header.format) == ((1, 4, 5), np.dtype(np.uint16), "dicom")
    assert (header.low_level, header.high_level, header.level_size, header.unit) == (0, 4095, 2.0, "HU")
    assert header.level_sizes == (2.0,)
    assert image.dtype == np.uint16 and image.dtype.isnative
    assert np.array_equal(image[0], cells[0, ..., 0])
    assert READER.untouchable(path) is None


def test_frames_are_the_first_space_axis_and_samples_the_channels(tmp_path: Path) -> None:
    cells = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3)).astype(np.uint8)
    for planar in (0, 1):
        path = write(tmp_path / f"{planar}.dcm", cells, PlanarConfiguration=planar)
        assert READER.header(path).shape == (3, 2, 3, 4)
        assert np.array_equal(READER.read(path), np.moveaxis(cells, -1, 0))


@pytest.mark.parametrize(
    ("attributes", "unit", "size"),
    [
        ({"RescaleSlope": 0.5, "RescaleIntercept": 0}, "HU", 0.5),
        ({"RescaleSlope": -0.5, "RescaleIntercept": 0}, "HU", 0.5),
        ({"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "HU", "Modality": "OT"}, "HU", 1.0),
        ({"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "US"}, "", 1.0),
        ({"RescaleSlope": 3, "RescaleIntercept": 0, "Modality": "PT"}, "", 3.0),
        ({}, "", 1.0),
    ],
)
def test_level_size_and_unit(tmp_path: Path, attributes: dict[str, Any], unit: str, size: float) -> None:
    header = READER.header(write(tmp_path / "a.dcm", grey(), **attributes))
    assert (header.unit, header.level_size) == (unit, size)


def _group(slope: float) -> Dataset:
    values, group = Dataset(), Dataset()
    values.RescaleIntercept, values.RescaleSlope, values.RescaleType = "0", str(slope), "HU"
    group.PixelValueTransformationSequence = Sequence([values])
    return group


def test_each_frame_has_its_own_level_size_and_the_largest_counts(tmp_path: Path) -> None:
    groups = Sequence([_group(1.0), _group(2.5), Dataset()])
    path = write(
        tmp_path / "a.dcm",
        grey(frames=3),
        PerFrameFunctionalGroupsSequence=groups,
        SharedFunctionalGroupsSequence=Sequence([_group(0.5)]),
    )
    header = READER.header(path)
    assert (header.level_sizes, header.level_size, header.unit) == ((1.0, 2.5, 0.5), 2.5, "HU")


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
@pytest.mark.parametrize(("limit", "padded"), [(None, {-2000}), (-1998, {-2000, -1999, -1998})])
def test_padding_is_untouchable(tmp_path: Path, syntax: str, limit: int | None, padded: set[int]) -> None:
    levels = np.array([[-2000, -1999, -1998, -1997, 0]], dtype=np.int16)
    fields: dict[str, Any] = {"PixelRepresentation": 1, "PixelPaddingValue": -2000}
    if limit is not None:
        fields["PixelPaddingRangeLimit"] = limit
    path = write(tmp_path / "a.dcm", levels.view(np.uint16)[None, ..., None], syntax=syntax, **fields)
    mask = READER.untouchable(path)
    assert mask is not None and mask.shape == (1, 1, 5)
    assert mask[0].tolist() == [[int(level) in padded for level in levels[0]]]


def test_padding_outside_the_stored_bits_is_found_by_the_whole_cell(tmp_path: Path) -> None:
    cells = np.array([[0xF830, 0x0830, 5]], dtype=np.uint16)[None, ..., None]
    path = write(tmp_path / "a.dcm", cells, BitsStored=12, PixelPaddingValue=0xF830)
    mask = READER.untouchable(path)
    assert mask is not None and mask.ravel().tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PhotometricInterpretation is 'PALETTE COLOR' with Sam"),
        ({"PhotometricInterpretation": "YBR_FULL"}, "PhotometricInterpretation is 'YBR_FULL' with SamplesPerPixel 1"),
        ({"SamplesPerPixel": 4}, "SamplesPerPixel is 4; only 1 (grey) and 3 (RGB) are handled."),
        ({"BitsAllocated": 1, "BitsStored": 1}, "BitsAllocated is 1; only cells of 8 and 16 bits are handled."),
        ({"BitsAllocated": 32, "BitsStored": 32}, "BitsAllocated is 32; only cells of 8 and 16 bits are handled."),
        ({"BitsStored": 1}, "BitsStored is 1 with BitsAllocated 16; not handled."),
        ({"BitsStored": 17}, "BitsStored is 17 with BitsAllocated 16; not handled."),
        ({"BitsStored": 12, "HighBit": 10}, "HighBit is 10 with BitsStored 12 and BitsAllocated 16; the pixel"),
        ({"BitsStored": 12, "HighBit": 16}, "HighBit is 16 with BitsStored 12 and BitsAllocated 16; the pixel"),
        ({"Rows": 0}, "Rows is 0; it must be at least 1."),
        ({"NumberOfFrames": 0}, "NumberOfFrames is 0; it must be at least 1."),
        ({"PixelRepresentation": 2}, "PixelRepresentation is 2; it must be one of (0, 1)."),
        ({"Columns": [4, 5]}, "Columns is '[4, 5]'; it must be one whole number."),
        ({"RescaleSlope": 0}, "RescaleSlope is 0.0; it must be finite and not zero."),
        ({"PixelPaddingValue": [0, 1]}, "PixelPaddingValue is 4 bytes long; it must be one number of two bytes."),
        ({"Rows": 60000}, "its header promises 600000 bytes of pixels (1 frames of 60000 x 5 x 1, 16 bits), PixelDa"),
    ],
)
def test_what_is_not_handled_is_refused_with_its_value(
    tmp_path: Path, attributes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path / "a.dcm", grey(), **attributes)
    with pytest.raises(SourceError, match=re.escape(f"{path}: {message}")):
        READER.untouchable(path)
        READER.header(path)


def test_uncompressed_ybr_is_refused(tmp_path: Path) -> None:
    cells = np.zeros((1, 3, 4, 3), dtype=np.uint8)
    path = write(tmp_path / "a.dcm", cells, PhotometricInterpretation="YBR_FULL")
    with pytest.raises(SourceError, match=r"'YBR_FULL' with SamplesPerPixel 3; handled: RGB. Convert it without loss"):
        READER.header(path)


@pytest.mark.parametrize(("keyword", "vr"), [("FloatPixelData", "OF"), ("DoubleFloatPixelData", "OD")])
def test_floats_are_refused(tmp_path: Path, keyword: str, vr: str) -> None:
    made = data_set(grey())
    made.add_new(keyword, vr, bytes(160))
    with pytest.raises(SourceError, match=f"its pixels are {keyword}; only whole numbers"):
        READER.header(save(tmp_path / "a.dcm", made))


@pytest.mark.parametrize("keyword", ["BitsAllocated", "Rows", "Columns", "PixelRepresentation"])
def test_a_missing_attribute_is_named(tmp_path: Path, keyword: str) -> None:
    made = data_set(grey())
    delattr(made, keyword)
    made.add_new("PixelData", "OW", grey().tobytes())
    with pytest.raises(SourceError, match=f"has no {keyword}, so its pixels cannot be read"):
        READER.header(save(tmp_path / "a.dcm", made))


def test_unknown_syntax_and_no_pixels(tmp_path: Path) -> None:
    made = data_set(grey())
    made.add_new("PixelData", "OW", grey().tobytes())
    path = save(tmp_path / "a.dcm", made)
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))
    with pytest.raises(SourceError, match=r"TransferSyntaxUID is 1.2.840.10008.1.2.9, which is not handled"):
        READER.header(path)
    path = save(tmp_path / "b.dcm", data_set(grey()))
    with pytest.raises(SourceError, match=r"has no PixelData \(it is CT Image Storage\), so there is no image"):
        READER.header(path)


def test_a_file_that_pydicom_reads_otherwise_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", grey())
    content = read_content(path)
    late = sorted(content.elements, key=lambda one: one.tag == 0x00080060)
    path.write_bytes(content.prefix + elements_bytes(content.meta) + elements_bytes(late))
    with pytest.raises(SourceError, match=r"not written as its TransferSyntaxUID says \(pydicom disagrees on 00080060"):
        READER.header(path)


def test_is_dicom_looks_into_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a", grey(), syntax=ImplicitVRLittleEndian)
    bare = tmp_path / "bare"
    bare.write_bytes(path.read_bytes()[132 + 12 + _meta_bytes(path) :])
    (tmp_path / "text.dcm").write_text("not an image at all")
    (tmp_path / "empty.dcm").write_bytes(b"")
    assert is_dicom(path) and is_dicom(bare)
    assert not is_dicom(tmp_path / "text.dcm") and not is_dicom(tmp_path / "empty.dcm")
    assert not is_dicom(tmp_path) and not is_dicom(tmp_path / "absent")
    assert np.array_equal(READER.read(bare), READER.read(path))


def _meta_bytes(path: Path) -> int:
    return int(pydicom.dcmread(path).file_meta.FileMetaInformationGroupLength)


def test_absent_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=re.escape(f"{tmp_path / 'absent'}: there is no such file.")):
        READER.read(tmp_path / "absent")
    with pytest.raises(SourceError, match="is a folder; name a DICOM file"):
        READER.header(tmp_path)
    (tmp_path / "text.dcm").write_text("not an image at all")
    with pytest.raises(SourceError, match=r"text.dcm: is no DICOM file, or a damaged one without preamble"):
        READER.read(tmp_path / "text.dcm")
