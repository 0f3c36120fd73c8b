from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monai_unlearnable.release.formats.itk import BlockReleaseFormat, MetaImageFormat, NrrdFormat
from monai_unlearnable.sources.itk_file import BlockFormat, MetaImageFile, NrrdFile

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


@settings(max_examples=150)
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
