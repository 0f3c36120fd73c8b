"""Masks of every kind of file as classes of their image's voxels; the oracle is what was written."""

from __future__ import annotations

import struct
import zlib
from itertools import permutations
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from PIL import Image

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import Source, Task, open_source
from tests.benchmarks.release_files import write_series
from tests.sources.files import SIGNATURE, chunk, grey, rgb16_png, save

CLASSES = np.random.default_rng(3).integers(0, 3, (6, 5)).astype(np.uint8)


def opened(folder: Path, mask: str, image: str = "image.png") -> Source:
    if image == "image.png" and not (folder / image).exists():
        save(folder / image, np.random.default_rng(0).integers(0, 256, (6, 5)).astype(np.uint8))
    (folder / "labels.csv").write_text(f"file,mask\n{image},{mask}\n", encoding="utf-8")
    return open_source(folder)


def check(source: Source, expected: NDArray[Any]) -> None:
    source.check_readable()
    label = source.label(0)
    assert label.dtype == np.int64 and np.array_equal(label, expected)
    assert source.labels.tolist() == [[int((expected == one).any()) for one in range(int(expected.max()) + 1)]]
    assert np.array_equal(source[0].label, expected)
    of_voxels = source.mask_labels(0)
    assert of_voxels is not None and np.array_equal(of_voxels, expected)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "tiff"])
def test_grey_pictures(tmp_path: Path, ending: str) -> None:
    save(tmp_path / f"m.{ending}", CLASSES)
    check(opened(tmp_path, f"m.{ending}"), CLASSES)
    save(tmp_path / f"bright.{ending}", (CLASSES > 1).astype(np.uint8) * 255)
    check(opened(tmp_path, f"bright.{ending}"), CLASSES > 1)
    save(tmp_path / f"rgb.{ending}", np.repeat(CLASSES[..., None], 3, axis=2))
    check(opened(tmp_path, f"rgb.{ending}"), CLASSES)


def test_palettes_are_their_indices_and_single_bits_two_classes(tmp_path: Path) -> None:
    picture = Image.fromarray(CLASSES, mode="P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(tmp_path / "m.png", bits=2)
    check(opened(tmp_path, "m.png"), CLASSES)
    Image.fromarray(CLASSES > 0).save(tmp_path / "bits.png")
    check(opened(tmp_path, "bits.png"), CLASSES > 0)


def test_deep_pictures(tmp_path: Path) -> None:
    save(tmp_path / "m.png", CLASSES.astype(np.uint16))
    check(opened(tmp_path, "m.png"), CLASSES)


@pytest.mark.parametrize("bit_depth", [1, 2, 4])
def test_grey_of_few_bits_is_what_is_stored(tmp_path: Path, bit_depth: int) -> None:
    values = CLASSES % 2**bit_depth
    bits = np.unpackbits(values[..., None], axis=2)[..., 8 - bit_depth :].reshape(len(values), -1)
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(bits, axis=1))
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bit_depth, 0, 0, 0, 0)
    data = SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "m.png").write_bytes(data)
    check(opened(tmp_path, "m.png"), values)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg(tmp_path: Path, mode: str) -> None:
    disc = np.hypot(*np.ogrid[-20:20, -16:16]) < 9
    save(tmp_path / "big.png", np.zeros((40, 32), dtype=np.uint8))
    Image.fromarray(disc.astype(np.uint8) * 255).convert(mode).save(tmp_path / "m.jpg", quality=60)
    decoded = np.asarray(Image.open(tmp_path / "m.jpg").convert("L"))
    assert len(np.unique(decoded)) > 2
    source = opened(tmp_path, "m.jpg", "big.png")
    check(source, decoded > 127)
    assert np.mean(source.label(0) != disc) < 0.02


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_volumes(tmp_path: Path, dtype: str) -> None:
    classes = np.random.default_rng(1).integers(0, 4, (4, 5, 6))
    affine = np.diag([2.0, 3, 4, 1])
    nib.save(nib.Nifti1Image(np.arange(120, dtype=np.int16).reshape(4, 5, 6), affine), tmp_path / "image.nii.gz")
    nib.save(nib.Nifti1Image(classes.astype(dtype), affine), tmp_path / "mask.nii.gz")
    check(opened(tmp_path, "mask.nii.gz", "image.nii.gz"), classes)


def test_a_slope_counts_as_every_reader_takes_it(tmp_path: Path) -> None:
    classes = np.random.default_rng(1).integers(0, 4, (4, 5, 6))
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6), dtype=np.int16), np.eye(4)), tmp_path / "image.nii")
    mask = nib.Nifti1Image((classes * 2 + 10).astype(np.int16), np.eye(4))
    mask.header.set_slope_inter(0.5, -5)
    nib.save(mask, tmp_path / "plain.nii")
    content = bytearray((tmp_path / "plain.nii").read_bytes())
    content[112:120] = np.array([0.5, -5], dtype="<f4").tobytes()  # nibabel sets both to what the numbers are
    (tmp_path / "mask.nii").write_bytes(content)
    assert np.array_equal(nib.load(tmp_path / "mask.nii").get_fdata(), classes)  # type: ignore[attr-defined]
    check(opened(tmp_path, "mask.nii", "image.nii"), classes)
    content[112:120] = np.array([0.3, 0], dtype="<f4").tobytes()
    (tmp_path / "mask.nii").write_bytes(content)
    with pytest.raises(SourceError, match=r"mask\.nii: holds 3.*; the numbers of a mask are class indices"):
        opened(tmp_path, "mask.nii", "image.nii")


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_mask_of_a_series_is_turned_onto_it(tmp_path: Path, order: tuple[int, ...]) -> None:
    classes = np.random.default_rng(5).integers(0, 4, (4, 6, 5)).astype(np.uint8)  # slice, row, column
    write_series(classes.astype(np.int16), tmp_path / "series", number=1)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(sorted(map(str, (tmp_path / "series").iterdir())))
    SimpleITK.WriteImage(SimpleITK.Cast(reader.Execute(), SimpleITK.sitkUInt8), str(tmp_path / "plain.nii"))
    affine = nib.load(tmp_path / "plain.nii").affine  # type: ignore[attr-defined]
    (tmp_path / "plain.nii").unlink()
    for sign in (1, -1):
        axes = np.array(list(zip(order, (sign, 1, -sign), strict=True)))
        turned: Any = nib.Nifti1Image(classes.T, affine).as_reoriented(axes)
        nib.save(turned, tmp_path / "mask.nii.gz")
        check(opened(tmp_path, "mask.nii.gz", "series"), classes)


def _write(path: Path, array: NDArray[Any], mode: str | None = None) -> None:
    picture = Image.fromarray(array)
    (picture if mode is None else picture.convert(mode)).save(path)


def test_what_is_no_mask_is_refused_by_name(tmp_path: Path) -> None:
    _write(tmp_path / "alpha.png", CLASSES, "LA")
    _write(tmp_path / "colours.png", np.random.default_rng(0).integers(0, 9, (6, 5, 3)).astype(np.uint8))
    _write(tmp_path / "colours.jpg", np.full((6, 5, 3), (200, 10, 10), dtype=np.uint8))
    _write(tmp_path / "cmyk.jpg", CLASSES, "CMYK")
    (tmp_path / "deep.png").write_bytes(rgb16_png(np.zeros((6, 5, 3), dtype=np.uint16)))
    _write(tmp_path / "small.png", CLASSES[:-1])
    _write(tmp_path / "high.png", CLASSES.astype(np.uint16) + 255)
    _write(tmp_path / "empty.png", np.zeros((6, 5), dtype=np.uint8))
    (tmp_path / "cut.png").write_bytes(save(tmp_path / "whole.png").read_bytes()[:50])
    for name, message in (
        ("alpha.png", "is a picture of mode LA, which names no classes. Save it as 8-bit grey"),
        ("colours.png", "holds colours"),
        ("colours.jpg", "holds colours"),
        ("cmyk.jpg", "is a picture of mode CMYK"),
        ("deep.png", "holds colours of 16 bit"),
        ("small.png", r"does not fit its image image\.png: its size is \(5, 5\), the image has \(6, 5\)"),
        ("high.png", "holds 256, 257; the numbers of a mask are class indices"),
        ("empty.png", r"shows nothing but background\. .* allow empty masks \(allow_empty_masks=True\)"),
        ("cut.png", "is not a whole picture file"),
    ):
        with pytest.raises(SourceError, match=message) as caught:
            opened(tmp_path, name)
        assert str(caught.value).startswith(f"{tmp_path}/{name}: ")


def test_a_mask_that_changed_since_it_was_opened_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "m.png", CLASSES)
    source = opened(tmp_path, "m.png")
    assert source.task is Task.SEGMENTATION
    save(tmp_path / "m.png", np.full((6, 5), 9, dtype=np.uint8))
    with pytest.raises(SourceError, match=r"m\.png: holds 9, but the classes of the set are 0 to 2"):
        source.label(0)


def test_pictures_of_more_pixels_than_the_limit_are_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monai_unlearnable.sources.mask_reading.MAXIMUM_PIXELS", 29)
    save(tmp_path / "m.png", grey(size_px=6))
    with pytest.raises(SourceError, match=r"m\.png: has 6 x 6 pixels, more than the limit of 29"):
        opened(tmp_path, "m.png")


def test_a_mask_on_another_grid_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6), dtype=np.int16), np.eye(4)), tmp_path / "image.nii")
    for affine, message in (
        (np.diag([1.0, 1, 2, 1]), r"its spacing is \[1\.0, 1\.0, 2\.0\] mm"),
        (np.diag([-1.0, 1, 1, 1]), "its axes point to"),
    ):
        nib.save(nib.Nifti1Image(np.ones((4, 5, 6), dtype=np.uint8), affine), tmp_path / "mask.nii")
        with pytest.raises(SourceError, match=rf"mask\.nii: does not fit its image image\.nii: {message}"):
            opened(tmp_path, "mask.nii", "image.nii")
