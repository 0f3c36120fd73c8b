from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.pictures import is_picture, read_header, read_picture
from monai_unlearnable.sources.rgb16 import read_rgb16, write_rgb16
from tests.sources.files import SIGNATURE, chunk, grey, rgb16_png, save


def _images() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        "grey8": generator.integers(0, 256, (5, 7)).astype(np.uint8),
        "rgb8": generator.integers(0, 256, (5, 7, 3)).astype(np.uint8),
        "grey16": generator.integers(0, 65536, (5, 7)).astype(np.uint16),
    }


@pytest.mark.parametrize("kind", ["grey8", "rgb8", "grey16"])
def test_reads_png(tmp_path: Path, kind: str) -> None:
    image = _images()[kind]
    path = save(tmp_path / "a.png", image)
    header = read_header(path)
    assert (header.format, header.dtype) == ("png", image.dtype)
    expected = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    read = read_picture(path)
    assert read.dtype == image.dtype
    assert read.shape == header.shape
    assert np.array_equal(read, expected)


def test_reads_16_bit_rgb_written_by_hand(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 65536, (5, 7, 3)).astype(np.uint16)
    path = tmp_path / "a.png"
    path.write_bytes(rgb16_png(image))
    assert read_header(path).shape == (3, 5, 7)
    assert read_header(path).dtype == np.uint16
    read = read_picture(path)
    assert read.dtype == np.uint16
    assert np.array_equal(read, image.transpose(2, 0, 1))


@settings(max_examples=10)
@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 99))
def test_16_bit_rgb_round_trip(tmp_path_factory: pytest.TempPathFactory, height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 65536, (height, width, 3)).astype(np.uint16)
    path = tmp_path_factory.mktemp("rgb16") / "a.png"
    write_rgb16(path, image)
    assert np.array_equal(read_rgb16(path), image)
    rows = zlib.decompress(_only_idat(path.read_bytes()))
    assert len(rows) == height * (1 + 6 * width)


def _only_idat(data: bytes) -> bytes:
    position, body = len(SIGNATURE), b""
    while position < len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        body += data[position + 8 : position + 8 + length] if kind == b"IDAT" else b""
        position += 12 + length
    return body


def test_stored_grid_is_kept_whatever_the_orientation_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = np.random.default_rng(0).integers(0, 256, (5, 7)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "a.png")[0], image)


@pytest.mark.parametrize("suffix", ["jpeg", "jpg", "bmp", "JPG"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_reads_other_formats_as_pillow_decodes_them(tmp_path: Path, suffix: str, mode: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(_images()["rgb8"]).convert(mode).save(path)
    with Image.open(path) as picture:
        expected = np.asarray(picture)
    read = read_picture(path)
    assert np.array_equal(read, expected[None] if mode == "L" else expected.transpose(2, 0, 1))
    assert read_header(path).format == ("bmp" if suffix == "bmp" else "jpeg")


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA"])
def test_refuses_other_modes(tmp_path: Path, mode: str) -> None:
    Image.fromarray(_images()["rgb8"]).convert(mode).save(tmp_path / "a.png")
    for read in (read_header, read_picture):
        with pytest.raises(SourceError, match=rf"a\.png: is of mode {mode} .*Save it as 8 or 16 bit"):
            read(tmp_path / "a.png")


def test_refuses_cmyk_transparent_colour_and_few_bits(tmp_path: Path) -> None:
    Image.fromarray(_images()["rgb8"]).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(SourceError, match="mode CMYK"):
        read_picture(tmp_path / "a.jpg")
    Image.fromarray(grey()).save(tmp_path / "b.png", transparency=3)
    with pytest.raises(SourceError, match="transparent colour"):
        read_picture(tmp_path / "b.png")
    header = struct.pack(">IIBBBBB", 2, 1, 2, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\x10")) + chunk(b"IEND", b"")
    (tmp_path / "c.png").write_bytes(SIGNATURE + body)
    with pytest.raises(SourceError, match="2 bit, PNG colour type 0"):
        read_picture(tmp_path / "c.png")


def test_refuses_16_bit_alpha(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 1, 1, 16, 6, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(SIGNATURE + body)
    with pytest.raises(SourceError, match="16 bit, PNG colour type 6"):
        read_header(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["grey8", "rgb8", "grey16", "rgb16"])
@pytest.mark.parametrize("keep", [0.0, 0.2, 0.6, 0.95])
def test_refuses_truncated_png(tmp_path: Path, kind: str, keep: float) -> None:
    path = tmp_path / "a.png"
    if kind == "rgb16":
        path.write_bytes(rgb16_png(np.random.default_rng(0).integers(0, 65536, (9, 9, 3)).astype(np.uint16)))
    else:
        save(path, _images()[kind])
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(SourceError, match=r"a\.png"):
        read_picture(path)


def test_refuses_truncated_jpeg_and_flipped_byte(tmp_path: Path) -> None:
    Image.fromarray(grey(size_px=64)).save(tmp_path / "a.jpeg")
    data = (tmp_path / "a.jpeg").read_bytes()
    (tmp_path / "a.jpeg").write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match=r"a\.jpeg: cannot be read"):
        read_picture(tmp_path / "a.jpeg")
    save(tmp_path / "b.png", grey(size_px=32))
    damaged = bytearray((tmp_path / "b.png").read_bytes())
    damaged[200] ^= 1
    (tmp_path / "b.png").write_bytes(bytes(damaged))
    with pytest.raises(SourceError, match="checksum of its IDAT chunk is wrong"):
        read_picture(tmp_path / "b.png")


@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (60_000, 60_000)])
@pytest.mark.parametrize(("bits", "colour"), [(8, 0), (16, 2)])
def test_refuses_decompression_bomb(tmp_path: Path, width: int, height: int, bits: int, colour: int) -> None:
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 10_000)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(SIGNATURE + body)
    for read in (read_header, read_picture):
        with pytest.raises(SourceError, match=r"a\.png: has .*more .*than the limit|has more pixels than the limit"):
            read(tmp_path / "a.png")


def test_refuses_animations_and_other_files(tmp_path: Path) -> None:
    frames = [Image.fromarray(grey(seed=seed)) for seed in range(2)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(SourceError, match="holds 2 frames"):
        read_picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("hello")
    with pytest.raises(SourceError, match=r"b\.png: is not a picture"):
        read_header(tmp_path / "b.png")
    frames[0].save(tmp_path / "c.gif")
    (tmp_path / "c.gif").rename(tmp_path / "c.png")
    with pytest.raises(SourceError, match=r"c\.png: is not a picture"):
        read_picture(tmp_path / "c.png")
    with pytest.raises(SourceError, match="no such file"):
        read_picture(tmp_path / "d.png")
    (tmp_path / "e.png").mkdir()
    with pytest.raises(SourceError, match=r"e\.png: cannot be read"):
        read_picture(tmp_path / "e.png")


def test_what_counts_as_a_picture() -> None:
    assert [is_picture(name) for name in ("a.png", "a.BMP", ".a.png", "a.tif", "png", "a.png.txt")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize("name", ["retina.jpg", "camera.png", "chelsea.png", "microaneurysms.png", "ihc.png"])
def test_real_pictures(name: str) -> None:
    import skimage
    from skimage.io import imread

    path = Path(skimage.__file__).parent / "data" / name
    if not path.exists():
        pytest.skip(f"scikit-image here does not package {name}")
    expected = imread(path)
    assert np.array_equal(read_picture(path), expected[None] if expected.ndim == 2 else expected.transpose(2, 0, 1))
