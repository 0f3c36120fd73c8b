from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.release.formats.nifti import NiftiFormat
from monai_unlearnable.sources.nifti_file import NiftiFile
from tests.sources.mutations import mutations, survives

DTYPES = ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64")
load: Any = nib.load  # its classes declare too little
PACKAGED = Path(nib.__file__).parent / "tests" / "data"


def save_nifti(
    path: Path,
    data: NDArray[Any],
    *,
    slope: float = 1.0,
    inter: float = 0.0,
    order: Literal["<", ">"] = "<",
    version: int = 1,
    extension: bytes | None = None,
) -> Path:
    """Write stored numbers as they are, whatever the slope."""
    image_class: Any = nib.Nifti1Image if version == 1 else nib.Nifti2Image
    header = image_class.header_class(endianness=order)
    header.set_data_dtype(data.dtype.newbyteorder(order))
    affine = np.array([[0.0, -2, 0, 5], [1.5, 0, 0, -7], [0, 0, 3, 11], [0, 0, 0, 1]])
    image = image_class(data.astype(data.dtype.newbyteorder(order)), affine, header)
    image.header["cal_max"] = 17.0
    image.header["descrip"] = b"a scan"
    if extension is not None:
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", extension))
    image.header.set_slope_inter(1.0, 0.0)
    nib.save(image, path)
    content = bytearray(gzip.decompress(path.read_bytes()) if path.name.endswith("gz") else path.read_bytes())
    where, kind = (112, "ff") if version == 1 else (176, "dd")
    struct.pack_into(order + kind, content, where, slope, inter)
    path.write_bytes(gzip.compress(bytes(content)) if path.name.endswith("gz") else bytes(content))
    return path


def plain_load(path: Path) -> NDArray[Any]:
    """The stored numbers as nibabel alone reads them, channel first."""
    stored: NDArray[Any] = load(path).dataobj.get_unscaled()
    if stored.ndim <= 3:
        return stored[None]
    return np.stack([stored[:, :, :, *reversed(index)] for index in np.ndindex(*reversed(stored.shape[3:]))])


@settings(max_examples=120)
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(1, 5), min_size=2, max_size=5),
    order=st.sampled_from(["<", ">"]),
    version=st.sampled_from([1, 2]),
    slope=st.sampled_from([1.0, 0.5, -2.0, 0.0, float("nan")]),
    name=st.sampled_from(["a.nii", "a.nii.gz"]),
    extension=st.one_of(st.none(), st.binary(max_size=40)),
    seed=st.integers(0, 999),
)
def test_reads_what_nibabel_reads(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: str,
    shape: list[int],
    order: Literal["<", ">"],
    version: int,
    slope: float,
    name: str,
    extension: bytes | None,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("nifti")
    data = np.frombuffer(np.random.default_rng(seed).bytes(8 * int(np.prod(shape))), np.int8)[: int(np.prod(shape))]
    stored = data.astype(dtype).reshape(shape)
    path = save_nifti(folder / name, stored, slope=slope, inter=3.0, order=order, version=version, extension=extension)
    reader, release = NiftiFile(), NiftiFormat()
    expected = plain_load(path)
    image, header = reader.read(path), reader.header(path)
    assert np.array_equal(image, expected)
    assert image.dtype == header.dtype == np.dtype(dtype)
    assert image.dtype.isnative
    assert image.flags.c_contiguous
    assert header.shape == image.shape
    assert header.level_size == (abs(slope) if slope and not np.isnan(slope) else 1.0)
    assert (header.format, header.unit) == ("nifti", "")
    assert reader.untouchable(path) is None
    changed = np.roll(image, 1)
    copy = folder / f".unfinished.{name}"
    release.write(copy, template=path, images=iter([changed]))
    assert np.array_equal(reader.read(copy), changed)
    assert release.untouched_sha256(copy) == release.untouched_sha256(path)
    whole = copy.read_bytes()
    assert whole.startswith(b"\x1f\x8b") == name.endswith("gz")
    visible = folder / f"released_{name}"
    copy.replace(visible)
    assert np.array_equal(plain_load(visible), changed)
    old, new = load(path), load(visible)
    assert old.header.binaryblock == new.header.binaryblock
    assert old.header.endianness == new.header.endianness
    assert [one.get_content() for one in old.header.extensions] == [one.get_content() for one in new.header.extensions]


def test_a_picture_keeps_its_two_axes(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", np.arange(6, dtype=np.int16).reshape(2, 3))
    assert NiftiFile().read(path).tolist() == [[[0, 1, 2], [3, 4, 5]]]


def test_joins_further_axes_to_the_channel_with_the_fourth_running_fastest(tmp_path: Path) -> None:
    data = np.arange(2 * 3 * 4 * 5 * 6, dtype=np.int16).reshape(2, 3, 4, 5, 6)
    image = NiftiFile().read(save_nifti(tmp_path / "a.nii", data))
    assert image.shape == (30, 2, 3, 4)
    for t in range(5):
        for u in range(6):
            assert np.array_equal(image[5 * u + t], data[..., t, u])


def test_limits_of_levels_are_those_of_the_type(tmp_path: Path) -> None:
    header = NiftiFile().header(save_nifti(tmp_path / "a.nii", np.zeros((2, 2), np.int8)))
    assert (header.low_level, header.high_level) == (-128, 127)
    header = NiftiFile().header(save_nifti(tmp_path / "b.nii", np.zeros((2, 2), np.float32)))
    assert (header.low_level, header.high_level) == (1 - 2**24, 2**24 - 1)


REFUSED = {
    "row_major.dconn.nii": "is a CIFTI file",
    "nifti1.hdr": "is one half of a .hdr/.img pair",
    "nifti2.hdr": "is one half of a .hdr/.img pair",
    "analyze.hdr": "has no NIfTI signature",
    "0.dcm": "has no NIfTI signature",  # a DICOM file whose preamble is an ANALYZE header
    "1.dcm": "has no NIfTI signature",
    "resampled_anat_moved.nii": "values are NaN or infinite",
}


@pytest.mark.parametrize("path", sorted(one for one in PACKAGED.iterdir() if one.is_file()), ids=lambda one: one.name)
def test_every_file_that_nibabel_packs_round_trips_or_is_refused_for_a_reason(path: Path, tmp_path: Path) -> None:
    reader, release = NiftiFile(), NiftiFormat()
    reason = REFUSED.get(path.name) or ("" if ".nii" in path.name else "is not a NIfTI file")
    if reason:
        with pytest.raises(SourceError, match=reason) as caught:
            reader.read(path)
        assert str(caught.value).startswith(f"{path}: ")
        return
    image = reader.read(path)
    assert np.array_equal(image, plain_load(path))
    copy = tmp_path / path.name
    release.write(copy, template=path, images=iter([image]))
    packed = path.name.endswith("gz")
    contents = [gzip.decompress(one.read_bytes()) if packed else one.read_bytes() for one in (path, copy)]
    assert contents[0] == contents[1]


@pytest.mark.parametrize(("dtype", "label"), [("int64", "int64"), ("uint64", "uint64"), ("complex64", "complex64")])
def test_refuses_types_that_are_not_handled(tmp_path: Path, dtype: str, label: str) -> None:
    path = save_nifti(tmp_path / "a.nii", np.zeros((2, 3, 4), dtype))
    with pytest.raises(
        SourceError, match=rf"a\.nii: holds {label}\S* numbers, .* Save it as one of float32, .*uint8\.$"
    ):
        NiftiFile().header(path)


def test_refuses_colours(tmp_path: Path) -> None:
    colours = np.zeros((2, 3, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colours, np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(SourceError, match=r"a\.nii: holds RGB numbers, which are not handled"):
        NiftiFile().header(tmp_path / "a.nii")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses_what_is_not_finite(tmp_path: Path, value: float) -> None:
    path = save_nifti(tmp_path / "a.nii.gz", np.array([[1.0, value]], np.float32))
    NiftiFile().header(path)
    with pytest.raises(SourceError, match=r"a\.nii\.gz: 1 of 2 values are NaN or infinite"):
        NiftiFile().read(path)


def edit(path: Path, position: int, kind: str, *values: float) -> Path:
    content = bytearray(path.read_bytes())
    struct.pack_into(kind, content, position, *values)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("position", "kind", "values", "reason"),
    [
        (
            40,
            "<4h",
            (3, 32000, 32000, 32000),
            r"its header says int16 \(1, 32000, 32000, 32000\) \(65536000000000 bytes\)",
        ),
        (40, "<4h", (3, 2, -3, 4), r"its header says a size of \(4, -3, 2\); every size must be above zero"),
        (40, "<4h", (3, 2, 0, 4), "every size must be above zero"),
        (40, "<h", (1,), r"has the dimensions \(2,\); two to seven are handled"),
        (40, "<h", (9,), "its header says 9 dimensions; two to seven are handled"),
        (108, "<f", (0.0,), "the numbers start at byte 0; they can from 352 to 400"),
        (108, "<f", (352.5,), "the numbers start at byte 352.5;"),
        (108, "<f", (float("nan"),), "the numbers start at byte nan"),
        (108, "<f", (1e30,), "the numbers start at byte 1e"),
        (112, "<2f", (2.0, float("nan")), "is not a whole NIfTI file"),
        (70, "<h", (4097,), "is not a whole NIfTI file"),
        (0, "<i", (347,), "is not a NIfTI file, or is cut short"),
        (344, "<4s", (b"abcd",), "has no NIfTI signature"),
    ],
)
def test_refuses_headers_that_cannot_be(
    tmp_path: Path, position: int, kind: str, values: tuple[Any, ...], reason: str
) -> None:
    path = save_nifti(tmp_path / "a.nii", np.zeros((2, 3, 4), np.int16))
    for call in (NiftiFile().header, NiftiFile().read, NiftiFormat().untouched_sha256):
        with pytest.raises(SourceError, match=reason) as caught:
            call(edit(path, position, kind, *values))
        assert str(caught.value).startswith(f"{path}: ")


def test_a_packed_file_that_claims_too_much_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    plain = save_nifti(tmp_path / "a.nii", np.zeros((2, 3, 4), np.int16))
    edit(plain, 40, "<4h", 3, 32000, 32000, 32000)
    plain.write_bytes(gzip.compress(plain.read_bytes()))
    with pytest.raises(SourceError, match=r"the file holds at most \d+\. It is cut short"):
        NiftiFile().read(plain)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_keeps_and_hashes_what_follows_the_numbers(tmp_path: Path, name: str) -> None:
    path = save_nifti(tmp_path / name, np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    release, image = NiftiFormat(), NiftiFile().read(path)
    before = release.untouched_sha256(path)
    with path.open("ab") as stream:
        stream.write(gzip.compress(b"more") if name.endswith("gz") else b"more")
    after = release.untouched_sha256(path)
    assert before["header"] == after["header"]
    assert before["tail"] != after["tail"]
    release.write(tmp_path / "b", template=path, images=iter([image + 1]))
    content = (tmp_path / "b").read_bytes()
    assert (gzip.decompress(content) if name.endswith("gz") else content).endswith(b"more")
    assert release.untouched_sha256(tmp_path / "b") == after


def test_too_long_a_tail_is_refused(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    path.write_bytes(gzip.compress(path.read_bytes() + bytes(2**24 + 1)))
    with pytest.raises(SourceError, match="holds more than 16777216 bytes after the numbers"):
        NiftiFile().read(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.nii: there is no such file"):
        NiftiFile().header(tmp_path / "none.nii")
    with pytest.raises(SourceError, match="is not a whole NIfTI file"):
        NiftiFile().read(tmp_path)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_damaged_files_give_named_errors_only(tmp_path: Path, name: str) -> None:
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    good = save_nifti(tmp_path / name, data, slope=0.5, extension=b"hello").read_bytes()
    path = tmp_path / f"damaged_{name}"
    read = 0
    for mutant in mutations(good, count=400, seed=1):
        path.write_bytes(mutant)
        read += survives(path, reader=NiftiFile(), release=NiftiFormat())
    assert 0 < read < 400 if name == "a.nii" else read < 400


def test_damage_inside_a_packed_file_gives_named_errors_only(tmp_path: Path) -> None:
    good = save_nifti(tmp_path / "a.nii", np.arange(60, dtype=np.float32).reshape(3, 4, 5)).read_bytes()
    path = tmp_path / "damaged.nii.gz"
    read = 0
    for mutant in mutations(good, count=300, seed=2):
        path.write_bytes(gzip.compress(mutant, 1))
        read += survives(path, reader=NiftiFile(), release=NiftiFormat())
    assert 0 < read < 300


def test_every_flipped_bit_of_a_packed_file_is_found_or_harmless(tmp_path: Path) -> None:
    original = save_nifti(tmp_path / "a.nii.gz", np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    good, image = original.read_bytes(), NiftiFile().read(original)
    path = tmp_path / "b.nii.gz"
    for bit in range(0, 8 * len(good), 5):
        mutant = bytearray(good)
        mutant[bit // 8] ^= 1 << bit % 8
        path.write_bytes(mutant)
        try:
            assert np.array_equal(NiftiFile().read(path), image)
        except SourceError:
            continue
