"""Masks beside images: found, read and compared with the grid of their image."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import CsvSource, OnError, check_masks, open_source
from monai_unlearnable.sources.geometry import ImageGeometry, why_apart
from monai_unlearnable.sources.image_formats import format_of
from tests.sources.files import grey, save

SHAPE = (5, 6, 4)
AFFINE = np.array([[0.0, -2, 0, 5], [1.5, 0, 0, -7], [0, 0, 3, 11], [0, 0, 0, 1]])
LPS = np.diag([-1.0, -1, 1, 1])


def volume(path: Path, affine: NDArray[Any] = AFFINE, *, shape: tuple[int, ...] = SHAPE, dtype: str = "uint8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(0).integers(0, 3, shape).astype(dtype)
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def listed(folder: Path, *rows: str, **options: Any) -> CsvSource:
    labels = folder.parent / "labels.csv"
    labels.write_text("file,label,mask\n" + "".join(f"{row}\n" for row in rows))
    return CsvSource(folder, labels, **options)


def complaint(source: CsvSource) -> str:
    with pytest.raises(SourceError) as caught:
        check_masks(source)
    return str(caught.value)


def test_masks_are_part_of_the_source(tmp_path: Path) -> None:
    volume(tmp_path / "set/a.nii.gz")
    volume(tmp_path / "set/masks/a.nii.gz", dtype="float32")
    volume(tmp_path / "set/other.nii")
    source = listed(tmp_path / "set", "a.nii.gz,x,masks/a.nii.gz")
    check_masks(source)
    source.check_readable()
    assert source.mask_path(0) == tmp_path / "set/masks/a.nii.gz"
    assert (source.label_columns, source.ignored_files) == (("label",), ("other.nii",))


def moved(**changes: float) -> NDArray[np.float64]:
    affine = AFFINE.copy()
    for name, value in changes.items():
        affine[int(name[1]), int(name[2])] = value
    return affine


@pytest.mark.parametrize(
    ("affine", "shape", "message"),
    [
        (AFFINE, (5, 6, 5), r"its size is \(5, 6, 5\), the image has \(5, 6, 4\)"),
        (AFFINE, (6, 5, 4), r"its size is \(6, 5, 4\)"),
        (moved(a22=3.1), SHAPE, r"its spacing is \[1\.5, 2\.0, 3\.1\] mm, the image has \[1\.5, 2\.0, 3\.0\]"),
        (moved(a23=12), SHAPE, r"its first voxel lies at \[-5\.0, 7\.0, 12\.0\] mm, .* \[-5\.0, 7\.0, 11\.0\]"),
        (moved(a10=-1.5), SHAPE, r"its axes point to"),
        (AFFINE[[1, 0, 2, 3]], SHAPE, r"its axes point to"),
    ],
)
def test_a_mask_on_another_grid_is_refused(
    tmp_path: Path, affine: NDArray[Any], shape: tuple[int, ...], message: str
) -> None:
    volume(tmp_path / "set/a.nii.gz")
    volume(tmp_path / "set/m.nii.gz", affine, shape=shape)
    text = complaint(listed(tmp_path / "set", "a.nii.gz,x,m.nii.gz"))
    assert text.startswith(f"{tmp_path}/set/m.nii.gz: does not fit its image a.nii.gz: ")
    with pytest.raises(SourceError, match=message):
        check_masks(listed(tmp_path / "set", "a.nii.gz,x,m.nii.gz"))


def test_a_damaged_mask_is_named(tmp_path: Path) -> None:
    volume(tmp_path / "set/a.nii")
    (tmp_path / "set/m.nii").write_bytes(volume(tmp_path / "m.nii").read_bytes()[:400])
    assert complaint(listed(tmp_path / "set", "a.nii,x,m.nii")).startswith(f"{tmp_path}/set/m.nii: ")


@pytest.mark.parametrize("mode", ["1", "P", "L", "LA", "RGB"])
def test_pictures_of_any_mode_are_masks(tmp_path: Path, mode: str) -> None:
    save(tmp_path / "set/a.png", grey(size_px=8))
    Image.new(mode, (8, 8)).save(tmp_path / "set/m.png")
    Image.new(mode, (8, 7)).save(tmp_path / "set/small.png")
    check_masks(listed(tmp_path / "set", "a.png,x,m.png"))
    assert "its size is (7, 8), the image has (8, 8)" in complaint(listed(tmp_path / "set", "a.png,x,small.png"))
    (tmp_path / "set/m.png").write_bytes((tmp_path / "set/m.png").read_bytes()[:40])
    assert complaint(listed(tmp_path / "set", "a.png,x,m.png")).startswith(
        f"{tmp_path}/set/m.png: is not a whole picture"
    )


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("", r"line 2: mask '' is missing: 'a\.nii' has none, others have"),
        ("no.nii", r"line 2: mask 'no\.nii' is not there"),
        ("deep", r"mask 'deep' is not there"),
        ("notes.txt", r"mask 'notes\.txt' is no mask that can be released as it is \(PNG, JPEG"),
        ("m.mhd", "is no mask that can be released as it is"),
        ("m.dcm", "is no mask that can be released as it is"),
        ("../m.nii", r"mask '\.\./m\.nii' must be a plain path"),
        ("a.nii", r"mask 'a\.nii' is an image of the list, too"),
        ("out.nii", "is a link that leads out of set"),
    ],
)
def test_what_is_no_mask(tmp_path: Path, mask: str, message: str) -> None:
    volume(tmp_path / "set/a.nii")
    outside = volume(tmp_path / "m.nii")
    (tmp_path / "set/out.nii").symlink_to(outside)
    for name in ("notes.txt", "m.mhd", "m.dcm", "deep/b"):
        (tmp_path / "set" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "set" / name).write_text("no mask")
    with pytest.raises(SourceError, match=message):
        listed(tmp_path / "set", f"a.nii,x,{mask}")


def test_images_with_masks_that_cannot_be_used_are_skipped_on_demand(tmp_path: Path) -> None:
    for name in ("a.nii", "b.nii", "c.nii", "m.nii"):
        volume(tmp_path / "set" / name)
    source = listed(tmp_path / "set", "a.nii,x,m.nii", "b.nii,x,no.nii", "c.nii,x,", on_error=OnError.SKIP)
    assert source.sample_ids == ("a.nii",) and source.masks == ("m.nii",)
    assert [str(one) for one in source.skipped] == [
        "b.nii: its mask 'no.nii' is not there. Correct the name or take the line out.",
        "c.nii: its mask '' is missing: 'c.nii' has none, others have. Name one, or take masks out of the whole list.",
    ]


@pytest.mark.parametrize("ending", [".mha", ".nrrd", ".nii.gz"])
def test_affines_are_those_of_itk(tmp_path: Path, ending: str) -> None:
    image = SimpleITK.GetImageFromArray(np.zeros(SHAPE[::-1], dtype=np.uint8))
    image.SetSpacing((0.5, 1.25, 3.0))
    image.SetOrigin((-7.0, 0.1, 4.0))
    image.SetDirection((0.6, -0.8, 0, 0.8, 0.6, 0, 0, 0, -1))
    path = tmp_path / f"a{ending}"
    SimpleITK.WriteImage(image, str(path))
    form = format_of(path)
    assert form is not None
    affine = form.geometry(path)
    assert affine is not None
    for index in itertools.product((0, 4), (0, 5), (0, 3)):
        expected = image.TransformIndexToPhysicalPoint(index)
        assert np.allclose((affine @ (*index, 1))[:3], expected, atol=1e-4)


def test_nrrd_of_the_other_convention(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    image = SimpleITK.GetImageFromArray(np.zeros(SHAPE[::-1], dtype=np.uint8))
    image.SetOrigin((1.0, 2.0, 3.0))
    SimpleITK.WriteImage(image, str(path))
    path.write_bytes(path.read_bytes().replace(b"left-posterior-superior", b"right-anterior-superior"))
    form = format_of(path)
    assert form is not None
    affine = form.geometry(path)
    assert affine is not None
    expected = SimpleITK.ReadImage(str(path)).TransformIndexToPhysicalPoint((4, 5, 3))
    assert np.allclose((affine @ (4, 5, 3, 1))[:3], expected)


def test_a_mask_of_a_dicom_series_may_have_its_axes_in_another_order(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "set/scan").mkdir(parents=True)
    for number in range(1, 5):
        shutil.copy(shared_data / f"dicom/ct_chest/1-{number:02d}.dcm", tmp_path / "set/scan")
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "set/scan")))
    volume_read = reader.Execute()
    for name in ("m.nii.gz", "m.nrrd", "m.mha"):
        mask = SimpleITK.Cast(volume_read > 0, SimpleITK.sitkUInt8)
        SimpleITK.WriteImage(mask, str(tmp_path / "set" / name))
        check_masks(listed(tmp_path / "set", f"scan,x,{name}"))
        SimpleITK.WriteImage(SimpleITK.Flip(mask, (False, True, False)), str(tmp_path / "set" / name))
        check_masks(listed(tmp_path / "set", f"scan,x,{name}"))  # flipped voxels lie where they lay
        mask.SetOrigin((0, 0, 0))
        SimpleITK.WriteImage(mask, str(tmp_path / "set" / name))
        assert "its voxels lie in other places" in complaint(listed(tmp_path / "set", f"scan,x,{name}"))
    SimpleITK.WriteImage(mask[:, :, :2], str(tmp_path / "set/m.mha"))
    assert "its size is (512, 512, 2)" in complaint(listed(tmp_path / "set", "scan,x,m.mha"))


@settings(max_examples=100)
@given(
    order=st.permutations(range(3)),
    turned=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    angle=st.floats(0, 6),
    shift=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_turned_axes_hold_the_same_voxels(
    order: list[int], turned: tuple[bool, ...], shape: tuple[int, int, int], angle: float, shift: float
) -> None:
    """Swap and turn axes as arrays are swapped and turned; the oracle is the set of all places."""
    sine, cosine = np.sin(angle), np.cos(angle)
    affine = np.array([[cosine, -sine, 0, 3], [sine, cosine, 0, -5], [0, 0, 2, 7], [0, 0, 0, 1.0]])
    swap = np.zeros((4, 4))
    for axis, old in enumerate(order):
        swap[old, axis] = -1 if turned[axis] else 1
        swap[old, 3] = shape[old] - 1 if turned[axis] else 0
    swap[3, 3] = 1
    other = affine @ swap
    other[:3, 3] += shift * affine[:3, 2]
    image = ImageGeometry(shape, affine)
    mask = ImageGeometry(tuple(shape[old] for old in order), other)

    def places(grid: ImageGeometry) -> NDArray[np.float64]:
        assert grid.affine is not None
        index = np.array([(*one, 1) for one in itertools.product(*map(range, grid.space))]).T
        points: NDArray[np.float64] = np.round((grid.affine @ index)[:3].T, 6) + 0.0
        ordered: NDArray[np.float64] = points[np.lexsort(points.T)]
        return ordered

    same = places(image).shape == places(mask).shape and np.allclose(places(image), places(mask), atol=1e-5)
    if shift == 0:
        assert same
    assert (why_apart(image, mask, same_axes=False) == "") == same


def test_masks_that_do_not_fit_are_found_by_decoding(tmp_path: Path) -> None:
    for name in ("a.nii", "b.nii", "m.nii"):
        volume(tmp_path / "set" / name)
    volume(tmp_path / "set/far.nii", moved(a23=90))
    source = listed(tmp_path / "set", "a.nii,x,m.nii", "b.nii,x,far.nii")
    with pytest.raises(SourceError, match=r"far\.nii: does not fit its image b\.nii: its first voxel lies at"):
        source.check_readable()
    left = open_source(tmp_path / "set", tmp_path / "labels.csv", on_error="skip")
    assert left.sample_ids == ("a.nii",)
    (skipped,) = left.skipped
    assert skipped.name == "b.nii"
    assert skipped.reason.startswith("far.nii: does not fit its image b.nii: its first voxel lies at")
