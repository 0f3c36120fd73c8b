from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest

from monai_unlearnable.errors import SourceError
from monai_unlearnable.release.formats.itk import MetaImageFormat
from monai_unlearnable.sources.itk_file import MetaImageFile, NrrdFile
from tests.sources.mutations import mutations, survives
from tests.sources.test_itk_file import BODY, FORMATS, MHA, NRRD, both, save_itk

REFUSED = [
    ("a.mha", b"ObjectType = Image", b"ObjectType = Mesh", "holds the MetaIO object 'Mesh', not an image"),
    ("a.mha", b"BinaryData = True", b"BinaryData = False", "holds its numbers as text"),
    ("a.mha", b"Offset", b"HeaderSize = -1\nOffset", "says HeaderSize '-1', which is not handled"),
    ("a.mha", b"NDims = 3\n", b"", "its header has no NDims"),
    ("a.mha", b"NDims = 3", b"NDims = 1", "its header says 1 dimensions; two to four are handled"),
    ("a.mha", b"NDims = 3", b"NDims = 5", "its header says 5 dimensions"),
    ("a.mha", b"NDims = 3", b"NDims = x", "its header says NDims 'x', which is not a list of sizes"),
    ("a.mha", b"4 3 2", b"4 3", "its header says DimSize '4 3'; there must be 3"),
    ("a.mha", b"4 3 2", b"4 -3 2", "its header says DimSize '4 -3 2', which is not a list"),
    ("a.mha", b"4 3 2", b"4 0 2", "every size must be above zero"),
    (
        "a.mha",
        b"4 3 2",
        b"4000 3000 2000",
        r"int16 \(1, 4000, 3000, 2000\) \(48000000000 bytes\), the file holds at most 48",
    ),
    ("a.mha", b"MET_SHORT", b"MET_LONG", "holds MET_LONG numbers, which are not handled. Save it as one of MET_UCHAR"),
    ("a.mha", b"LOCAL", b"LIST", "its numbers lie in 'LIST'; only LOCAL and the name of one file"),
    ("a.mha", b"LOCAL", b"../other.raw", "its numbers lie in '../other.raw'"),
    ("a.mha", b"LOCAL", b"/etc/passwd", "its numbers lie in '/etc/passwd'"),
    ("a.mha", b"LOCAL", b"slice%03d.raw 1 9", "its numbers lie in 'slice%03d.raw 1 9'"),
    ("a.mha", b"LOCAL", b"nowhere.raw", "there is no such file"),
    ("a.mha", b"CompressedData = False", b"CompressedData = True", "its header has no CompressedDataSize"),
    (
        "a.mha",
        b"CompressedData = False",
        b"CompressedData = True\nCompressedDataSize = 99",
        "says 99 bytes of compressed",
    ),
    ("a.mha", b"CompressedData = False", b"CompressedData = True\nCompressedDataSize = 48", "pixels are damaged"),
    ("a.mha", b"Offset", b"DimSize = 4 3 2\nOffset", "its header says DimSize twice"),
    ("a.mha", b"ElementDataFile", b"ElementDataFail", "is not a MetaImage file: its header has no ElementDataFile"),
    ("a.nrrd", b"NRRD", b"NERD", "is not a NRRD file"),
    ("a.nrrd", b"type: short\n", b"", "its header has no 'type'"),
    ("a.nrrd", b"type: short", b"type: block", "holds 'block' numbers, which are not handled"),
    ("a.nrrd", b"type: short", b"type: int64", "holds 'int64' numbers, which are not handled"),
    ("a.nrrd", b"encoding: raw", b"encoding: hex", "is encoded as 'hex'; only raw and gzip are handled"),
    ("a.nrrd", b"encoding: raw", b"encoding: gzip", "its compressed pixels are damaged"),
    ("a.nrrd", b"endian: little\n", b"", "its header says endian ''; it must be little or big"),
    ("a.nrrd", b"endian", b"data file: a.raw\nendian", r"lie in another file \('a.raw'\), which is not handled"),
    ("a.nrrd", b"endian", b"datafile: a.raw\nendian", "lie in another file"),
    ("a.nrrd", b"endian", b"line skip: 3\nendian", "says line skip '3', which is not handled"),
    ("a.nrrd", b"endian", b"byte skip: -1\nendian", "says byte skip '-1', which is not handled"),
    ("a.nrrd", b"endian", b"sizes: 1 1 1\nendian", "has the line 'sizes: 1 1 1', which is no field or is there twice"),
    ("a.nrrd", b"endian", b"nonsense\nendian", "has the line 'nonsense', which is no field"),
    ("a.nrrd", b"domain domain domain", b"complex domain domain", "has an axis of kind 'complex'"),
    ("a.nrrd", b"domain domain domain", b"list list domain", "has 1 axes of space; two or three are handled"),
    ("a.nrrd", b"domain domain domain", b"domain domain", "its header says 2 kinds of 3 axes"),
    ("a.nrrd", b"(0,2,0) (0,0,3.5)", b"(0,2,0)", "its header says 2 space directions of 3 axes"),
    ("a.nrrd", b"4 3 2", b"4000 3000 2000", "the file holds at most 48"),
    ("a.nrrd", b"\n\n", b"\n", "its header does not end|which is no field"),
]


@pytest.mark.parametrize(("name", "old", "new", "reason"), REFUSED)
def test_refuses_with_a_reason(tmp_path: Path, name: str, old: bytes, new: bytes, reason: str) -> None:
    header, reader = both(name)
    assert old in header
    path = tmp_path / name
    path.write_bytes(header.replace(old, new) + BODY)
    with pytest.raises(SourceError, match=reason) as caught:
        reader.read(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("extension", ["mha", "nrrd"])
def test_compressed_pixels_must_be_as_many_as_the_header_says(tmp_path: Path, extension: str) -> None:
    reader, path = FORMATS[extension][0], tmp_path / f"a.{extension}"
    for content, said in ((BODY[:-1], "less"), (BODY + b"\0", "more")):
        if extension == "mha":
            packed = zlib.compress(content)
            said_size = f"CompressedData = True\nCompressedDataSize = {len(packed)}".encode()
            header = MHA.replace(b"CompressedData = False", said_size)
        else:
            packed = gzip.compress(content)
            header = NRRD.replace(b"encoding: raw", b"encoding: gzip")
        path.write_bytes(header + packed)
        with pytest.raises(SourceError, match=f"its compressed pixels hold {said} than the 48 bytes"):
            reader.read(path)


def test_compressed_pixels_whose_checksum_is_wrong_or_cut_off_are_refused(tmp_path: Path) -> None:
    path, packed = tmp_path / "a.nrrd", gzip.compress(BODY)
    header = NRRD.replace(b"encoding: raw", b"encoding: gzip")
    for ending, reason in ((packed[:-1], "hold less than the 48 bytes"), (packed[:-5] + b"abcde", "are damaged")):
        path.write_bytes(header + ending)
        with pytest.raises(SourceError, match=f"its compressed pixels {reason}"):
            NrrdFile().read(path)


def test_compressed_pixels_end_where_the_header_says(tmp_path: Path) -> None:
    packed = zlib.compress(BODY)
    said_size = f"CompressedData = True\nCompressedDataSize = {len(packed) + 2}".encode()
    path = tmp_path / "a.mha"
    path.write_bytes(MHA.replace(b"CompressedData = False", said_size) + packed + b"zz")
    with pytest.raises(SourceError, match="2 bytes of its compressed pixels are not needed"):
        MetaImageFile().read(path)


@pytest.mark.parametrize("extension", ["mha", "nrrd"])
@pytest.mark.parametrize("compressed", [False, True])
def test_keeps_and_hashes_what_follows_the_numbers(tmp_path: Path, extension: str, compressed: bool) -> None:
    reader, release = FORMATS[extension]
    path = save_itk(tmp_path / f"a.{extension}", np.arange(24, dtype=np.int16).reshape(2, 3, 4), compressed=compressed)
    before = release.untouched_sha256(path)
    with path.open("ab") as stream:
        stream.write(b"more")
    after = release.untouched_sha256(path)
    assert before["header"] == after["header"]
    assert before["tail"] != after["tail"]
    release.write(tmp_path / "b", template=path, images=iter([reader.read(path) + 1]))
    assert (tmp_path / "b").read_bytes().endswith(b"more")
    assert release.untouched_sha256(tmp_path / "b") == after


@pytest.mark.parametrize("extension", ["mha", "nrrd"])
def test_a_changed_header_changes_the_hash(tmp_path: Path, extension: str) -> None:
    _, release = FORMATS[extension]
    path = save_itk(tmp_path / f"a.{extension}", np.arange(24, dtype=np.int16).reshape(2, 3, 4), compressed=True)
    before = release.untouched_sha256(path)
    path.write_bytes(path.read_bytes().replace(b"Doe Jane", b"Doe John"))
    assert release.untouched_sha256(path) != before


@pytest.mark.parametrize("extension", sorted(FORMATS))
def test_refuses_what_is_not_finite(tmp_path: Path, extension: str) -> None:
    path = save_itk(tmp_path / f"a.{extension}", np.array([[1.0, np.nan]]))
    with pytest.raises(SourceError, match=rf"a\.{extension}: 1 of 2 values are NaN or infinite"):
        FORMATS[extension][0].read(path)


@pytest.mark.parametrize("extension", sorted(FORMATS))
@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_files_give_named_errors_only(tmp_path: Path, extension: str, compressed: bool) -> None:
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    reader, release = FORMATS[extension]
    good = save_itk(tmp_path / f"a.{extension}", data, compressed=compressed).read_bytes()
    path = tmp_path / f"damaged.{extension}"
    read = 0
    for mutant in mutations(good, count=400, seed=3, focus_bytes=500):
        path.write_bytes(mutant)
        read += survives(path, reader=reader, release=release)
    assert 0 < read < 400


def test_damaged_numbers_beside_a_header_give_named_errors_only(tmp_path: Path) -> None:
    read = 0
    for compressed in (False, True):
        path = save_itk(tmp_path / "a.mhd", np.arange(60, dtype=np.int16).reshape(3, 4, 5), compressed=compressed)
        beside = tmp_path / ("a.zraw" if compressed else "a.raw")
        for mutant in mutations(beside.read_bytes(), count=150, seed=4):
            beside.write_bytes(mutant)
            read += survives(path, reader=MetaImageFile(), release=MetaImageFormat())
    assert 0 < read < 300
