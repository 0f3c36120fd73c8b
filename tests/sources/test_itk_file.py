from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.release.formats.itk import BlockReleaseFormat, MetaImageFormat, NrrdFormat
from monai_unlearnable.sources.itk_file import BlockFormat, MetaImageFile, NrrdFile
from tests.sources.mutations import mutations, survives

DTYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
FORMATS: dict[str, tuple[BlockFormat, BlockReleaseFormat]] = {
    "mha": (MetaImageFile(), MetaImageFormat()),
    "mhd": (MetaImageFile(), MetaImageFormat()),
    "nrrd": (NrrdFile(), NrrdFormat()),
}
METADATA = {"PatientName": "Doe Jane", "Comment": "a = b: c", "Unité": "é"}


def save_itk(path: Path, array: NDArray[Any], *, vector: bool = False, compressed: bool = False) -> Path:
    """Write ``([z,] y, x[, component])`` with a place in space and metadata."""
    image = SimpleITK.GetImageFromArray(array, isVector=vector)
    axes = image.GetDimension()
    image.SetSpacing([0.5, 1.25, 3.0, 2.0][:axes])
    image.SetOrigin([-7.0, 0.1, 1e-3, 4.0][:axes])
    direction = np.eye(axes)
    direction[:2, :2] = [[0.6, -0.8], [0.8, 0.6]]
    image.SetDirection(direction.ravel().tolist())
    for key, value in METADATA.items():
        image.SetMetaData(key, value)
    SimpleITK.WriteImage(image, str(path), compressed)
    return path


def load_itk(path: Path) -> NDArray[Any]:
    """The image as SimpleITK reads it, ``(channel, *space)`` with space in the order x, y, z."""
    image = SimpleITK.ReadImage(str(path))
    array: NDArray[Any] = SimpleITK.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        array = np.moveaxis(array, -1, 0)
    elif image.GetDimension() < 4:
        array = array[None]
    return array.transpose(0, *range(array.ndim - 1, 0, -1))


def facts(path: Path) -> list[object]:
    """Everything that SimpleITK knows of an image but its pixels."""
    image = SimpleITK.ReadImage(str(path))
    metadata = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    return [image.GetSpacing(), image.GetOrigin(), image.GetDirection(), image.GetPixelIDValue(), metadata]


@settings(max_examples=150, deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    components=st.sampled_from([1, 2, 3, 4, 5]),
    extension=st.sampled_from(sorted(FORMATS)),
    compressed=st.booleans(),
    seed=st.integers(0, 999),
)
def test_reads_and_writes_what_itk_does(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: str,
    shape: list[int],
    components: int,
    extension: str,
    compressed: bool,
    seed: int,
) -> None:
    vector = components > 1 and len(shape) < 4
    full = [*shape, components] if vector else shape
    values = np.frombuffer(np.random.default_rng(seed).bytes(int(np.prod(full))), np.int8).reshape(full)
    folder = tmp_path_factory.mktemp("itk")
    path = save_itk(folder / f"a.{extension}", values.astype(dtype), vector=vector, compressed=compressed)
    reader, release = FORMATS[extension]
    image, header = reader.read(path), reader.header(path)
    assert np.array_equal(image, load_itk(path))
    assert (image.dtype, image.shape) == (header.dtype, header.shape)
    assert image.dtype == np.dtype(dtype)
    assert image.dtype.isnative
    assert image.flags.c_contiguous
    assert (header.format, header.level_size, header.unit) == (extension, 1.0, "")
    assert reader.untouchable(path) is None
    changed = np.roll(image, 1)
    copy = folder / f".unfinished.a.{extension}"
    release.write(copy, template=path, images=iter([changed]))
    assert release.untouched_sha256(copy) == release.untouched_sha256(path)
    assert np.array_equal(next(release.read(copy)), changed)
    visible = folder / f"b.{extension.replace('mhd', 'mha')}"
    copy.replace(visible)
    assert np.array_equal(load_itk(visible), changed)
    assert facts(visible) == facts(path)
    layout = reader.layout(visible)
    assert bool(layout.packing) == compressed
    if extension != "mhd" and not compressed:
        assert visible.read_bytes()[: len(layout.head)] == path.read_bytes()[: len(layout.head)]


MHA = (
    b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
    b"TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 1 2 3.5\nPatientName = x y\n"
    b"DimSize = 4 3 2\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
)
NRRD = (
    b"NRRD0004\n# a comment: this\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 4 3 2\n"
    b"space directions: (1,0,0) (0,2,0) (0,0,3.5)\nkinds: domain domain domain\nendian: little\nencoding: raw\n"
    b"space origin: (0,0,0)\nkey one:=a: b\n\n"
)
BODY = np.arange(24, dtype="<i2").tobytes()


def both(name: str) -> tuple[bytes, BlockFormat]:
    return (MHA, MetaImageFile()) if name.endswith("mha") else (NRRD, NrrdFile())


@pytest.mark.parametrize(
    ("name", "old", "new", "order"),
    [
        ("a.mha", b"ByteOrderMSB = False", b"ByteOrderMSB = True", ">"),
        ("a.mha", b"BinaryDataByteOrderMSB = False", b"ElementByteOrderMSB = True", ">"),
        ("a.mha", b"BinaryData = True\n", b"", "<"),
        ("a.mha", b"\n", b"\r\n", "<"),
        ("a.mha", b" = ", b"=", "<"),
        ("a.nrrd", b"endian: little", b"endian: big", ">"),
        ("a.nrrd", b"type: short", b"type: int16_t", "<"),
        ("a.nrrd", b"type: short", b"type: signed short int", "<"),
        ("a.nrrd", b"\n", b"\r\n", "<"),
        ("a.nrrd", b"kinds: domain domain domain\n", b"", "<"),
        ("a.nrrd", b"space directions: (1,0,0) (0,2,0) (0,0,3.5)", b"spacings: 1 2 3.5", "<"),
    ],
)
def test_reads_headers_that_others_write_as_itk_does(
    tmp_path: Path, name: str, old: bytes, new: bytes, order: str
) -> None:
    header, reader = both(name)
    if b"spacings" in new:
        header = header.replace(b"space: left-posterior-superior\n", b"").replace(b"space origin: (0,0,0)\n", b"")
    path = tmp_path / name
    path.write_bytes(header.replace(old, new) + BODY)
    expected = np.frombuffer(BODY, f"{order}i2").reshape(2, 3, 4).transpose(2, 1, 0)[None]
    assert np.array_equal(reader.read(path), expected)
    assert np.array_equal(load_itk(path), expected)


@pytest.mark.parametrize(
    ("kinds", "directions", "shape"),
    [
        ("list domain domain", "none (1,0) (0,1)", (4, 3, 2)),
        ("domain domain vector", "(1,0) (0,1) none", (2, 4, 3)),
        ("domain 3-color domain", "(1,0) none (0,1)", (3, 4, 2)),
        ("domain domain time", "(1,0) (0,1) none", (2, 4, 3)),
    ],
)
def test_axes_of_a_nrrd_that_are_no_space_become_the_channel(
    tmp_path: Path, kinds: str, directions: str, shape: tuple[int, ...]
) -> None:
    stored = np.frombuffer(BODY, "<i2").reshape(2, 3, 4)  # slowest axis first
    axis = {4: 2, 3: 1, 2: 0}[shape[0]]
    expected = np.moveaxis(stored, axis, 0).transpose(0, 2, 1)
    for given_kinds, given_directions in ((kinds, ""), ("", directions), (kinds, directions)):
        lines = NRRD.replace(b"space: left-posterior-superior\n", b"space dimension: 2\n").split(b"\n")
        lines = [one for one in lines if not one.startswith((b"kinds", b"space directions", b"space origin"))]
        extra = [f"kinds: {given_kinds}"] * bool(given_kinds) + [f"space directions: {given_directions}"] * bool(
            given_directions
        )
        path = tmp_path / "a.nrrd"
        path.write_bytes(b"\n".join([*lines[:2], *(one.encode() for one in extra), *lines[2:]]) + BODY)
        image = NrrdFile().read(path)
        assert image.shape == shape
        assert np.array_equal(image, expected)
        NrrdFormat().write(tmp_path / "b.nrrd", template=path, images=iter([image]))
        assert (tmp_path / "b.nrrd").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("unit", ["HU", '"HU"', "Hounsfield units"])
def test_a_nrrd_may_name_hounsfield_units(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "a.nrrd"
    path.write_bytes(NRRD.replace(b"endian", f"sample units: {unit}\nendian".encode()) + BODY)
    assert NrrdFile().header(path).unit == "HU"


@pytest.mark.parametrize(("slope", "size"), [("2.5", 2.5), ("-0.5", 0.5), ("0", 1.0), ("nan", 1.0)])
def test_a_metaimage_may_name_a_slope(tmp_path: Path, slope: str, size: float) -> None:
    path = tmp_path / "a.mha"
    path.write_bytes(MHA.replace(b"Offset", f"ElementToIntensityFunctionSlope = {slope}\nOffset".encode()) + BODY)
    assert MetaImageFile().header(path).level_size == size
    assert MetaImageFile().read(path).ravel()[1] == 12  # never scaled


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
    for compressed in (False, True):
        path = save_itk(tmp_path / "a.mhd", np.arange(60, dtype=np.int16).reshape(3, 4, 5), compressed=compressed)
        beside = tmp_path / ("a.zraw" if compressed else "a.raw")
        for mutant in mutations(beside.read_bytes(), count=150, seed=4):
            beside.write_bytes(mutant)
            survives(path, reader=MetaImageFile(), release=MetaImageFormat())
