from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.pixels import get_decoder
from pydicom.uid import JPEGLSLossless

from monai_unlearnable.errors import SourceError, UnlearnableError
from monai_unlearnable.release.formats.dicom import (
    ReleaseIdentity,
    UidMap,
    changed_elements,
    write_protected,
    write_restored,
)
from monai_unlearnable.sources.dicom import DicomImage, DicomSeries
from monai_unlearnable.sources.dicom.compressed import trusted_plugins
from monai_unlearnable.sources.dicom.image import load_dicom
from tests.sources.dicom.building import grey, slice_file, write

PACKAGED = Path(pydicom.__file__).parent / "data" / "test_files"
NAMES = ["CT_small.dcm", "MR_small_implicit.dcm", "MR_small_expb.dcm", "MR_small_RLE.dcm", "image_dfl.dcm"]
NAMES += ["MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm", "SC_rgb_rle_2frame.dcm", "UN_sequence.dcm"]
MUTATIONS = 50


def mutated(data: bytes, seed: int) -> bytes:
    """Cut short, turn bits round, or write all ones somewhere; most often where the header is."""
    generator = random.Random(seed)
    if seed % 5 == 0:
        return data[: generator.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(generator.choice([1, 1, 4, 30])):
        at = generator.randrange(132, min(len(data), generator.choice([1500, len(data)])))
        if generator.random() < 0.3:
            changed[at : at + 4] = b"\xff\xff\xff\xff"[: len(changed) - at]
        else:
            changed[at] ^= 1 << generator.randrange(8)
    return bytes(changed)


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Let no file take more than 4 GB of address space beyond what is used."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 30), limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_only_ever_raise_our_errors(tmp_path: Path, name: str, little_memory: None) -> None:
    data, path, outcomes = (PACKAGED / name).read_bytes(), tmp_path / "a.dcm", {True: 0, False: 0}
    identity = ReleaseIdentity(uids=UidMap(b"sixteen bytes ok"))
    for seed in range(MUTATIONS):
        path.write_bytes(mutated(data, seed))
        try:
            DicomImage().header(path)
            DicomImage().untouchable(path)
            levels = load_dicom(path).levels
            write_protected(tmp_path / "b.dcm", template=path, image=levels, identity=identity)
            record = changed_elements(path, released=tmp_path / "b.dcm", keep_compressed=True)
            write_restored(tmp_path / "c.dcm", released=tmp_path / "b.dcm", image=levels, record=record)
            assert name == "image_dfl.dcm" or (tmp_path / "c.dcm").read_bytes() == path.read_bytes()
            outcomes[True] += 1
        except UnlearnableError as error:
            assert str(path) in str(error), f"seed {seed}: {error}"
            outcomes[False] += 1
    assert outcomes[False] >= 10, outcomes


def test_a_damaged_slice_only_ever_raises_our_errors(tmp_path: Path) -> None:
    for number in range(3):
        slice_file(tmp_path / f"{number}.dcm", position_mm=(0, 0, number), number=number)
    data = (tmp_path / "1.dcm").read_bytes()
    for seed in range(60):
        (tmp_path / "1.dcm").write_bytes(mutated(data, seed))
        try:
            DicomSeries().read(tmp_path)
        except SourceError as error:
            assert str(tmp_path) in str(error), f"seed {seed}: {error}"


def test_more_pixels_than_the_file_holds_are_refused_before_memory_is_taken(
    tmp_path: Path, little_memory: None
) -> None:
    path = write(tmp_path / "a.dcm", grey(), Rows=65535, Columns=65535, NumberOfFrames=2_000_000_000)
    for call in (DicomImage().header, DicomImage().read, DicomImage().untouchable):
        with pytest.raises(SourceError, match="its header promises 17179344900000000000 bytes of pixels"):
            call(path)
    dataset = pydicom.dcmread(PACKAGED / "MR_small_RLE.dcm")
    dataset.Rows = dataset.Columns = 65535
    dataset.save_as(path)
    with pytest.raises(SourceError, match=r"promises 8589672450 bytes of pixels, PixelData holds \d+ compressed ones"):
        DicomImage().read(path)
    dataset.Rows = dataset.Columns = 64
    dataset.NumberOfFrames = 3
    dataset.save_as(path)
    with pytest.raises(SourceError, match="NumberOfFrames is 3, PixelData holds 1 fragments"):
        DicomImage().header(path)


def test_sequences_without_end_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", grey())
    data = path.read_bytes()
    at = data.index(b"\x08\x00\x60\x00CS")
    opened = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path.write_bytes(data[:at] + opened * 5000)
    with pytest.raises(SourceError, match="nested more than 32 deep"):
        DicomImage().header(path)


def test_the_plugin_that_crashes_on_damaged_pixels_is_not_asked() -> None:
    decoder = get_decoder(JPEGLSLossless)
    assert "gdcm" in decoder.available_plugins
    assert trusted_plugins(decoder) == ["pyjpegls", "pylibjpeg"]


def test_a_deflated_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_unlearnable.sources.dicom.content.MAXIMUM_INFLATED_BYTES", 1000)
    with pytest.raises(SourceError, match=r"its deflated data set is larger than the limit \(1000 bytes read\)"):
        DicomImage().header(PACKAGED / "image_dfl.dcm")
