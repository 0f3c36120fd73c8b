"""Which pixels the report shows of medical files, and through which window; oracles are nibabel and SimpleITK."""

from __future__ import annotations

import base64
import io
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK
from numpy.typing import NDArray
from PIL import Image

from monai_unlearnable.audit.pairing import open_data
from monai_unlearnable.audit.planes import foreground_centre, planes_of
from monai_unlearnable.audit.previews import Example, pick_examples
from monai_unlearnable.audit.windows import choose_window, foreground_of
from monai_unlearnable.sources import Source, open_source
from monai_unlearnable.sources.image_view import ImageView
from tests.benchmarks.release_files import write_series

SPACINGS = (0.8, 1.3, 2.9)
CENTRE = (2, 3, 1)  # left, posterior, superior of the volume below


def _volume() -> NDArray[np.int16]:
    """Every voxel is another number; axes are left, posterior, superior."""
    return np.random.default_rng(3).permutation(5 * 6 * 4).reshape(5, 6, 4).astype(np.int16)


def _expected(volume: NDArray[Any]) -> dict[str, NDArray[Any]]:
    left, posterior, superior = CENTRE
    return {
        "axial": volume[:, :, superior].T,
        "coronal": volume[:, posterior, ::-1].T,
        "sagittal": volume[left, :, ::-1].T,
    }


def _both(folder: Path, name: str, write: Any) -> Source:
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        write(folder / label / name)
    return open_source(folder)


def _shown(source: Source) -> dict[str, tuple[NDArray[Any], float, float]]:
    """Cut the planes through the voxel that holds the centre's number."""
    image, view = source.read(0), source.view(0)
    number = _volume()[CENTRE]
    centre = tuple(int(one[0]) for one in np.nonzero(image[0] == number))
    return {
        one.name.partition(",")[0]: (one.take(image)[0], one.pixel_height_mm, one.pixel_width_mm)
        for one in planes_of(view, centre)
    }


def _check(source: Source, spacings: dict[str, tuple[float, float]]) -> None:
    shown = _shown(source)
    for name, expected in _expected(_volume()).items():
        pixels, height, width = shown[name]
        assert np.array_equal(pixels, expected), name
        assert (height, width) == pytest.approx(spacings[name], rel=1e-5), name


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_nifti_slices_are_the_right_way_up_however_the_file_lies(order: tuple[int, ...], tmp_path: Path) -> None:
    left, posterior, superior = SPACINGS
    spacings = {"axial": (posterior, left), "coronal": (superior, left), "sagittal": (superior, posterior)}
    plain = nib.Nifti1Image(_volume(), np.diag([-left, -posterior, superior, 1]))
    for number, signs in enumerate(product((1, -1), repeat=3)):
        turned = plain.as_reoriented(np.array(list(zip(order, signs, strict=True))))
        _check(_both(tmp_path / str(number), "v.nii.gz", lambda path, one=turned: nib.save(one, path)), spacings)


@pytest.mark.parametrize("ending", [".mha", ".nrrd"])
@pytest.mark.parametrize("orientation", ["LPS", "RAI", "ASL", "PIR"])
def test_itk_slices_are_the_right_way_up(ending: str, orientation: str, tmp_path: Path) -> None:
    left, posterior, superior = SPACINGS
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(_volume().T))
    image.SetSpacing(SPACINGS)
    turned = SimpleITK.DICOMOrient(image, orientation)
    source = _both(tmp_path, f"v{ending}", lambda path: SimpleITK.WriteImage(turned, str(path)))
    _check(source, {"axial": (posterior, left), "coronal": (superior, left), "sagittal": (superior, posterior)})


def test_dicom_slices_are_the_right_way_up(tmp_path: Path) -> None:
    for number, label in enumerate(("a", "b")):
        write_series(np.ascontiguousarray(_volume().T), tmp_path / label / "s", number=number + 1)
    _check(open_source(tmp_path), {"axial": (0.7, 0.7), "coronal": (1.5, 0.7), "sagittal": (1.5, 0.7)})


def test_a_sagittal_series_is_cut_in_the_patients_planes(tmp_path: Path) -> None:
    sagittal = np.ascontiguousarray(_volume().transpose(0, 2, 1)[:, ::-1])  # slice: left; row: down; column: back
    for label in ("a", "b"):
        write_series(sagittal, tmp_path / label / "s", number=1)
        for file in (tmp_path / label / "s").iterdir():
            one = pydicom.dcmread(file)
            one.ImageOrientationPatient, one.PixelSpacing = [0, 1, 0, 0, 0, -1], [2.5, 0.5]
            one.ImagePositionPatient = [1.5 * (int(one.InstanceNumber) - 1), 0, 0]
            one.save_as(file)
    _check(open_source(tmp_path), {"axial": (0.5, 1.5), "coronal": (2.5, 1.5), "sagittal": (2.5, 0.5)})


def test_without_a_place_in_the_patient_slices_are_those_of_the_file(tmp_path: Path) -> None:
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    source = _both(tmp_path, "v.nii", lambda path: nib.save(nib.Nifti1Image(_volume(), None, header), path))
    shown = _shown(source)
    assert list(shown) == [f"across axis {axis} of the file" for axis in (1, 2, 3)]
    left, posterior, superior = CENTRE
    assert np.array_equal(shown["across axis 3 of the file"][0], _volume()[:, :, superior].T)
    assert np.array_equal(shown["across axis 1 of the file"][0], _volume()[left].T)
    assert np.array_equal(shown["across axis 2 of the file"][0], _volume()[:, posterior].T)


def _decode(uri: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def _ct_example(folder: Path, **changes: Any) -> tuple[Example, NDArray[np.int16], NDArray[np.int16]]:
    generator = np.random.default_rng(0)
    clean = generator.integers(0, 2500, size=(1, 20, 30)).astype(np.int16)
    released = (clean + generator.integers(-10, 11, size=clean.shape)).astype(np.int16)
    for name, pixels in (("clean", clean), ("release", released)):
        for label in ("a", "b"):
            write_series(pixels, folder / name / label / "s", number=1)
            file = folder / name / label / "s" / "0000.dcm"
            dataset = pydicom.dcmread(file)
            for keyword, value in changes.items():
                setattr(dataset, keyword, value)
            file.unlink()
            file.parent.rmdir()
            dataset.save_as(folder / name / label / "1.dcm")
    data = open_data(folder / "release", clean=folder / "clean", test=folder / "clean")
    return pick_examples(data)[0], clean[0], released[0]


def test_ct_is_shown_in_the_soft_tissue_window(tmp_path: Path) -> None:
    example, clean, released = _ct_example(tmp_path, RescaleSlope=2, RescaleIntercept=-1024, PixelSpacing=[1, 3])
    (triple,) = example.triples
    for uri, levels in ((triple.clean, clean), (triple.released, released)):
        hu = levels.astype(float) * 2 - 1024
        assert np.array_equal(_decode(uri), np.rint((np.clip(hu, -160, 240) + 160) / 400 * 255).astype(np.uint8))
    factor = 2 * 255 / 400 * example.magnification
    delta = released.astype(float) - clean
    assert np.array_equal(_decode(triple.delta), np.clip(128 + np.rint(delta * factor), 0, 255))
    assert np.abs(_decode(triple.delta).astype(int) - 128).max() > 100
    assert example.window == "soft tissue, -160 to 240 HU"
    assert (example.largest_levels, example.largest_text) == (10, "20 HU")
    assert triple.aspect == pytest.approx(30 * 3 / (20 * 1))


def test_monochrome1_is_shown_inverted_and_the_delta_with_it(tmp_path: Path) -> None:
    plain, _, _ = _ct_example(tmp_path / "2", Modality="CR")
    inverted, _, _ = _ct_example(tmp_path / "1", Modality="CR", PhotometricInterpretation="MONOCHROME1")
    (one,), (other,) = plain.triples, inverted.triples
    assert np.array_equal(_decode(one.clean), 255 - _decode(other.clean))
    assert np.array_equal(_decode(one.delta).astype(int) - 128, 128 - _decode(other.delta).astype(int))
    assert "percentiles 0.5 and 99.5 of the foreground" in plain.window and plain.largest_text == ""
    assert inverted.window == plain.window + ", shown inverted (MONOCHROME1)"


def test_the_robust_window_is_numpys_percentiles_of_the_foreground() -> None:
    generator = np.random.default_rng(1)
    clean = np.where(generator.random((1, 40, 50)) < 0.5, 0, generator.normal(900, 50, (1, 40, 50))).astype(np.uint16)
    view = ImageView(slopes=(0.5,), intercepts=(3.0,))
    window = choose_window(clean, view, foreground_of(clean, view))
    expected = np.percentile(clean[clean > 0], [0.5, 99.5]) * 0.5 + 3
    assert [window.low, window.high] == pytest.approx(expected)


def test_slices_of_different_slopes_are_in_one_window_of_one_unit() -> None:
    clean = np.full((1, 2, 3, 3), 1000, dtype=np.int16)
    view = ImageView(slopes=(1.0, -2.0), intercepts=(-1600.0, 2100.0), unit="HU")
    assert foreground_of(clean, view)[0, :, 0, 0].tolist() == [False, True]
    assert view.values(clean)[0, :, 0, 0].tolist() == [-600, 100]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_planes_go_through_the_middle_of_the_foreground(axis: int) -> None:
    foreground = np.zeros((1, 9, 9, 9), dtype=bool)
    foreground[0, 2:5, 4:7, 6:9] = True
    assert foreground_centre(foreground) == (3, 5, 7)
    assert foreground_centre(np.zeros_like(foreground)) == (4, 4, 4)
