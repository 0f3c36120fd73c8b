from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from monai_unlearnable.errors import SourceError
from monai_unlearnable.release.formats.tiff import TiffFormat
from monai_unlearnable.sources.tiff_file import TiffPicture

open_tiff: Any = tifffile.TiffFile  # its pages declare too little
READER, RELEASE = TiffPicture(), TiffFormat()


def picture(
    *, dtype: str = "uint8", colours: int = 1, height: int = 20, width: int = 37, seed: int = 0
) -> NDArray[Any]:
    """Random pixels, ``(channel, height, width)``."""
    limits = np.iinfo(dtype)
    values = np.random.default_rng(seed).integers(limits.min, limits.max + 1, (colours, height, width))
    return values.astype(dtype)


def save_tiff(path: Path, image: NDArray[Any], **options: Any) -> Path:
    """Write ``(channel, height, width)``."""
    if len(image) == 1:
        stored = image[0]
        options.setdefault("photometric", "minisblack")
    else:
        separate = options.get("planarconfig") == "separate"
        stored = image if separate else np.moveaxis(image, 0, -1).copy()
        options.setdefault("photometric", "rgb")
    tifffile.imwrite(path, stored, **options)
    return path


@settings(max_examples=150)
@given(
    dtype=st.sampled_from(["uint8", "uint16", "int8", "int16"]),
    colours=st.sampled_from([1, 3]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    byteorder=st.sampled_from(["<", ">"]),
    compression=st.sampled_from([None, "deflate", "adobe_deflate"]),
    predictor=st.booleans(),
    separate=st.booleans(),
    cut=st.sampled_from([{}, {"rowsperstrip": 3}, {"tile": (16, 32)}]),
    bigtiff=st.booleans(),
)
def test_round_trips_every_layout(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: str,
    colours: int,
    height: int,
    width: int,
    byteorder: str,
    compression: str | None,
    predictor: bool,
    separate: bool,
    cut: dict[str, Any],
    bigtiff: bool,
) -> None:
    folder = tmp_path_factory.mktemp("tiff")
    image = picture(dtype=dtype, colours=colours, height=height, width=width)
    planes = {"planarconfig": "separate" if separate else "contig"} if colours == 3 else {}
    path = save_tiff(
        folder / "a.tif",
        image,
        byteorder=byteorder,
        compression=compression,
        predictor=predictor if compression else None,
        bigtiff=bigtiff,
        resolution=((300, 1), (72, 7)),
        resolutionunit="CENTIMETER",
        **planes,
        **cut,
    )
    header, read = READER.header(path), READER.read(path)
    assert np.array_equal(read, image)
    assert (read.dtype, read.shape) == (header.dtype, header.shape)
    assert read.dtype == np.dtype(dtype)
    assert read.flags.c_contiguous
    limits = np.iinfo(dtype)
    assert (header.low_level, header.high_level, header.format) == (limits.min, limits.max, "tiff")
    changed = np.roll(read, 1)
    copy = folder / ".unfinished.a.tif"
    RELEASE.write(copy, template=path, images=iter([changed]))
    assert np.array_equal(READER.read(copy), changed)
    assert RELEASE.untouched_sha256(copy) == RELEASE.untouched_sha256(path)
    with open_tiff(path) as old, open_tiff(copy) as new:
        before, after = old.pages[0], new.pages[0]
        assert (old.byteorder, old.is_bigtiff, len(old.pages)) == (new.byteorder, new.is_bigtiff, len(new.pages))
        for name in "planarconfig", "predictor", "photometric", "tile", "shape", "dtype":
            assert getattr(before, name) == getattr(after, name), name
        assert bool(before.compression > 1) == bool(after.compression > 1)
        assert [after.tags[code].value for code in (282, 283, 296)] == [(300, 1), (72, 7), 3]


@pytest.mark.parametrize("compression", ["raw", "tiff_adobe_deflate", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("kind", ["grey8", "rgb8", "grey16"])
def test_reads_what_pillow_writes_and_writes_what_pillow_reads(tmp_path: Path, compression: str, kind: str) -> None:
    image = picture(dtype="uint16" if kind == "grey16" else "uint8", colours=3 if kind == "rgb8" else 1)
    path = tmp_path / "a.tif"
    Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)).save(path, compression=compression)
    assert np.array_equal(READER.read(path), image)
    changed = np.roll(image, 1)
    RELEASE.write(tmp_path / "b.tif", template=path, images=iter([changed]))
    with Image.open(tmp_path / "b.tif") as read:
        stored = np.asarray(read)
        assert read.info["compression"] == ("raw" if compression == "raw" else "tiff_adobe_deflate")
    assert np.array_equal(stored[None] if stored.ndim == 2 else np.moveaxis(stored, -1, 0), changed)


@pytest.mark.parametrize("name", ["camera", "astronaut", "chelsea"])
def test_real_pictures_round_trip(tmp_path: Path, name: str) -> None:
    data = pytest.importorskip("skimage.data")
    stored = getattr(data, name)()
    path = tmp_path / f"{name}.tif"
    Image.fromarray(stored).save(path, compression="tiff_adobe_deflate", dpi=(300, 300), tiffinfo={315: "Jane Doe"})
    RELEASE.write(tmp_path / "b.tif", template=path, images=RELEASE.read(path))
    with Image.open(tmp_path / "b.tif") as copy:
        assert np.array_equal(np.asarray(copy), stored)
        assert copy.info["dpi"] == (300, 300)
    assert b"Jane" not in (tmp_path / "b.tif").read_bytes()


def test_lzw_is_read_or_refused_with_what_to_do(tmp_path: Path) -> None:
    image, path = picture(), tmp_path / "a.tif"
    Image.fromarray(image[0]).save(path, compression="tiff_lzw")
    try:
        assert np.array_equal(READER.read(path), image)
    except SourceError as error:
        assert "compressed as LZW, which needs the package imagecodecs; install it or save as deflate" in str(error)


def test_white_may_be_zero_and_the_picture_may_lie_on_its_side(tmp_path: Path) -> None:
    image = picture()
    path = save_tiff(tmp_path / "a.tif", image, photometric="miniswhite", extratags=[(274, 3, 1, 6, True)])
    assert np.array_equal(READER.read(path), image)
    RELEASE.write(tmp_path / "b.tif", template=path, images=iter([image]))
    with open_tiff(tmp_path / "b.tif") as tif:
        assert int(tif.pages[0].photometric) == 0
        assert tif.pages[0].tags[274].value == 6


def test_keeps_colour_space_and_drops_what_may_name_a_person(tmp_path: Path) -> None:
    secret = "Doe^Jane"
    image = picture(colours=3)
    texts = [(code, 2, 0, secret, True) for code in (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432, 65000)]
    more = [(700, 1, len(secret), secret.encode(), True), (37724, 7, len(secret), secret.encode(), True)]
    chromaticities = [(318, 5, 2, (31270, 100000, 32900, 100000), True), (319, 5, 6, (64, 100, 33, 100) * 3, True)]
    path = save_tiff(
        tmp_path / "a.tif",
        image,
        metadata=None,
        software=False,
        iccprofile=b"a profile",
        extratags=[*texts, *more, *chromaticities],
    )
    assert secret.encode() in path.read_bytes()
    with Image.open(path) as source:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9286] = secret.encode()
        source.save(tmp_path / "exif.tif", exif=exif, icc_profile=b"a profile")
    for template in (path, tmp_path / "exif.tif"):
        copy = tmp_path / "b.tif"
        RELEASE.write(copy, template=template, images=iter([image]))
        assert b"Jane" not in copy.read_bytes()
        assert RELEASE.untouched_sha256(copy) == RELEASE.untouched_sha256(template)
        with open_tiff(copy) as tif:
            codes = {tag.code for tag in tif.pages[0].tags}
            assert tif.pages[0].tags[34675].value == b"a profile"
        assert codes <= {256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 282, 283, 284, 296, 318, 319, 339, 34675}
        assert ({318, 319} <= codes) == (template == path)


def test_a_changed_resolution_changes_the_hash(tmp_path: Path) -> None:
    image = picture()
    hashes = {
        RELEASE.untouched_sha256(save_tiff(tmp_path / "a.tif", image, **options))["tags"]
        for options in (
            {},
            {"resolution": (2, 2)},
            {"resolution": (2, 2), "resolutionunit": "CENTIMETER"},
            {"resolution": (2, 3)},
            {"photometric": "miniswhite"},
            {"iccprofile": b"a"},
        )
    }
    assert len(hashes) == 6


def refused(path: Path, reason: str) -> None:
    for call in (READER.header, READER.read, RELEASE.untouched_sha256):
        with pytest.raises(SourceError, match=reason) as caught:
            call(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_refuses_other_kinds(tmp_path: Path) -> None:
    image, path = picture(), tmp_path / "a.tif"
    cases: list[tuple[NDArray[Any], dict[str, Any], str]] = [
        (image[0].astype(np.float32), {}, "holds float32 pixels of 32 bit, which is not handled. Save it as 8 or 16"),
        (image[0].astype(np.int32), {}, "holds int32 pixels of 32 bit"),
        (image[0] > 99, {}, "holds bool pixels of 1 bit"),
        (np.zeros((4, 5, 4), np.uint8), {"photometric": "rgb"}, "has 4 channels and a depth of 1"),
        (np.zeros((4, 5, 2), np.uint8), {"photometric": "minisblack", "planarconfig": "contig"}, "has 2 channels"),
        (np.zeros((3, 4, 5), np.uint8), {"photometric": "minisblack"}, "holds 3 pages; only single pictures"),
        (
            np.zeros((4, 5), np.uint8),
            {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)},
            "kind PALETTE",
        ),
        (np.zeros((16, 16, 16), np.uint8), {"volumetric": True, "tile": (16, 16, 16)}, "'volumetric'"),
        (np.zeros((4, 5, 4), np.uint8), {"photometric": "separated"}, "is of kind SEPARATED"),
    ]
    for stored, options, reason in cases:
        tifffile.imwrite(path, stored, **options)
        refused(path, reason)


def test_refuses_planes_that_only_a_description_tells_of(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((9, 16, 16), np.uint8), imagej=True)
    refused(path, "holds several planes in one page|holds 9 pages")
    tifffile.imwrite(path, np.zeros((9, 16, 16), np.uint8), truncate=True, photometric="minisblack")
    refused(path, "holds several planes in one page")


@pytest.mark.parametrize("compression", ["jpeg", "tiff_ccitt"])
def test_refuses_what_loses_or_is_black_and_white(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.tif"
    stored = Image.fromarray(picture()[0])
    (stored if compression == "jpeg" else stored.convert("1")).save(path, compression=compression)
    refused(path, "is compressed as JPEG, which is not handled|is compressed as CCITT")


def test_packaged_pictures_of_several_pages_are_refused() -> None:
    data = pytest.importorskip("skimage.data")
    for name in ("multipage.tif", "multipage_rgb.tif"):
        refused(Path(data.__file__).parent / name, r"holds 2 pages; only single pictures are handled")


def test_refuses_what_is_no_tiff(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for content in (b"", b"II", b"not a tiff file at all", b"II*\0" + bytes(4), b"II*\0\xff\xff\xff\xff"):
        path.write_bytes(content)
        refused(path, "is not a whole TIFF file")
    refused(tmp_path / "none.tif", "there is no such file")
