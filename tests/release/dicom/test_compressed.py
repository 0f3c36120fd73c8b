"""Compressed files: without loss they are written as they were where that can be, else uncompressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from monai_unlearnable.errors import SourceError
from monai_unlearnable.release.formats.dicom import write_protected
from monai_unlearnable.sources.dicom import DicomImage
from monai_unlearnable.sources.dicom.content import read_content
from tests.release.dicom.writing import IDENTITY, check_both_ways, protect
from tests.sources.dicom.building import grey, write

SYNTAXES = [RLELossless, JPEGLSLossless, JPEG2000Lossless]
EXPLICIT = "1.2.840.10008.1.2.1"


def signed(*, stored: int, frames: int = 1) -> NDArray[np.uint16]:
    half = 1 << (stored - 1)
    values = np.random.default_rng(1).integers(-half, half, (frames, 40, 36, 1))
    return values.astype(np.int16).view(np.uint16)


def compress(path: Path, syntax: str) -> Path:
    dataset = pydicom.dcmread(path)
    dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("stored", [9, 12, 16])
@pytest.mark.parametrize("is_signed", [False, True])
def test_grey_is_written_as_it_was(tmp_path: Path, syntax: str, frames: int, stored: int, is_signed: bool) -> None:
    cells = (
        signed(stored=stored, frames=frames) if is_signed else grey(rows=40, columns=36, frames=frames, top=1 << stored)
    )
    path = write(tmp_path / "a.dcm", cells, BitsStored=stored, PixelRepresentation=int(is_signed))
    compress(path, syntax)
    assert np.array_equal(DicomImage().read(path).reshape(-1), cells.view(np.int16 if is_signed else np.uint16).ravel())
    protected = protect(path, tmp_path / "b.dcm")
    assert protected.written.transfer_syntax == syntax and not protected.written.notices
    assert read_content(protected.path).transfer_syntax == syntax
    check_both_ways(protected, tmp_path)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("frames", [1, 2])
def test_colour_is_written_as_it_was(tmp_path: Path, syntax: str, frames: int) -> None:
    cells = np.random.default_rng(2).integers(0, 256, (frames, 40, 36, 3)).astype(np.uint8)
    path = compress(write(tmp_path / "a.dcm", cells), syntax)
    assert np.array_equal(DicomImage().read(path).reshape(3, -1), cells.reshape(-1, 3).T)
    protected = protect(path, tmp_path / "b.dcm")
    assert protected.written.transfer_syntax == syntax
    check_both_ways(protected, tmp_path)


def with_gdcm(path: Path, syntax: int, *, lossless: bool = True) -> Path:
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return path


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [
        (gdcm.TransferSyntax.JPEGLosslessProcess14, "1.2.840.10008.1.2.4.57"),
        (gdcm.TransferSyntax.JPEGLosslessProcess14_1, "1.2.840.10008.1.2.4.70"),
    ],
)
@pytest.mark.parametrize("stored", [12, 16])
def test_lossless_jpeg_is_written_uncompressed_and_said_so(tmp_path: Path, kind: int, syntax: str, stored: int) -> None:
    cells = grey(rows=16, columns=16, frames=2, top=1 << stored)
    path = with_gdcm(write(tmp_path / "a.dcm", cells, BitsStored=stored), kind)
    assert DicomImage().header(path).transfer_syntax == syntax
    assert np.array_equal(DicomImage().read(path)[0], cells[..., 0])
    protected = protect(path, tmp_path / "b.dcm")
    assert protected.written.transfer_syntax == EXPLICIT
    (notice,) = protected.written.notices
    assert notice.startswith("Was JPEG Lossless") and notice.endswith("it cannot be written again without loss.")
    check_both_ways(protected, tmp_path)


def test_bits_outside_the_stored_ones_survive_rle(tmp_path: Path) -> None:
    cells = grey(top=1 << 12) | np.uint16(0x9000)
    path = write(tmp_path / "a.dcm", cells, BitsStored=12)
    dataset = pydicom.dcmread(path)
    dataset.BitsStored, dataset.HighBit = 16, 15
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.save_as(path)
    protected = protect(path, tmp_path / "b.dcm")
    assert protected.written.transfer_syntax == RLELossless
    copy = pydicom.dcmread(protected.path)
    copy.pixel_array_options(correct_unused_bits=False)
    assert np.array_equal(copy.pixel_array, protected.image[0] | 0x9000)
    check_both_ways(protected, tmp_path)


def test_colours_that_lost_something_become_rgb_without_further_loss(tmp_path: Path) -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / "SC_rgb_jpeg_dcmtk.dcm"
    with pytest.raises(SourceError, match="which loses something at every writing"):
        DicomImage().read(path)
    protected = protect(path, tmp_path / "b.dcm", allow_lossy=True)
    copy, original = pydicom.dcmread(protected.path), pydicom.dcmread(path)
    assert np.array_equal(protected.levels, np.moveaxis(original.pixel_array, -1, 0))
    assert (copy.file_meta.TransferSyntaxUID, copy.PhotometricInterpretation) == (EXPLICIT, "RGB")
    assert copy.PlanarConfiguration == 0
    assert copy.get("LossyImageCompression") == original.get("LossyImageCompression") == "01"
    assert "because it loses something" in protected.written.notices[0]
    check_both_ways(protected, tmp_path)


def test_a_codec_that_errs_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from monai_unlearnable.release.formats.dicom import pixel_data

    path = compress(write(tmp_path / "a.dcm", grey(rows=40, columns=36), BitsStored=12), JPEG2000Lossless)
    levels = DicomImage().read(path)
    right = pixel_data._encoded_frames

    def wrong(syntax: str, layout: Any, cells: NDArray[Any]) -> list[bytes]:
        return right(syntax, layout, cells ^ np.uint16(1))

    monkeypatch.setattr(pixel_data, "_encoded_frames", wrong)
    written = write_protected(tmp_path / "b.dcm", template=path, image=levels, identity=IDENTITY)
    assert written.transfer_syntax == EXPLICIT
    assert np.array_equal(DicomImage().read(tmp_path / "b.dcm"), levels)
