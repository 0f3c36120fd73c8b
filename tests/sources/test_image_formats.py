"""Which files of a folder are images, and what one DICOM series is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_unlearnable.errors import ReleaseError, SourceError
from monai_unlearnable.release import plan_release
from monai_unlearnable.sources import ClassFolderSource, CsvSource
from monai_unlearnable.sources.dicom import DicomImage, DicomSeries
from monai_unlearnable.sources.image_formats import IMAGE_FORMATS, format_of
from tests.sources.dicom.building import grey, slice_file, write
from tests.sources.files import save
from tests.sources.test_itk_file import save_itk
from tests.sources.test_nifti_file import save_nifti


def series(folder: Path, *, slices: int = 3, start: int = 1) -> Path:
    """Slices whose names are in the opposite order of their places."""
    for number in range(slices):
        place = (0.0, 0.0, 5.0 * number)
        slice_file(folder / f"{9 - number}.dcm", position_mm=place, number=start + number)
    return folder


def test_each_name_has_one_reader() -> None:
    endings = [ending for _, some in IMAGE_FORMATS for ending in some]
    assert len(set(endings)) == len(endings)


@pytest.mark.parametrize("name", ["IM000001", "1.2.840.17", "a.dcm", "A.DCM"])
def test_dicom_by_what_it_is(name: str, tmp_path: Path) -> None:
    assert isinstance(format_of(write(tmp_path / name, grey())), DicomImage)


def test_what_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("no image")
    (tmp_path / "empty").mkdir()
    write(tmp_path / "DICOMDIR", grey())
    write(tmp_path / "scan.backup", grey())
    for name in ("README", "empty", "DICOMDIR", "scan.backup", "notes.txt", "nowhere"):
        assert format_of(tmp_path / name) is None, name
    assert isinstance(format_of(series(tmp_path / "series")), DicomSeries)


def test_class_folders_of_files_and_series(tmp_path: Path) -> None:
    series(tmp_path / "a/scan")
    for number in range(3):
        write(tmp_path / f"b/{number}.dcm", grey(rows=3, columns=4, seed=number))
    source = ClassFolderSource(tmp_path)
    assert source.sample_ids == ("a/scan", "b/0.dcm", "b/1.dcm", "b/2.dcm")
    assert source.shape(0) == (1, 3, 3, 4) and source.read(0)[0, :, 0, 0].tolist() == [1, 2, 3]
    assert source.slice_files(0) == tuple(tmp_path / f"a/scan/{name}.dcm" for name in (9, 8, 7))
    assert source.slice_files(1) is None
    plan = plan_release(source)
    assert [(one.name, one.part) for one in plan.files][:4] == [
        ("a/scan/9.dcm", 0),
        ("a/scan/8.dcm", 1),
        ("a/scan/7.dcm", 2),
        ("b/0.dcm", None),
    ]
    source.check_readable()


def test_two_series_in_one_folder_are_refused(tmp_path: Path) -> None:
    series(tmp_path / "a/scan")
    place = (0.0, 0.0, 99.0)
    slice_file(tmp_path / "a/scan/other.dcm", position_mm=place, number=9, SeriesInstanceUID="1.2.3")
    write(tmp_path / "b/0.dcm", grey())
    with pytest.raises(SourceError, match=r"scan: .* are not slices of one image: SeriesInstanceUID"):
        ClassFolderSource(tmp_path).check_readable()


def test_folders_that_are_no_series_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "b/0.dcm", grey())
    save(tmp_path / "a/deep/a.png")
    with pytest.raises(
        SourceError, match=r"deep: is a folder inside a class folder; .* but for the files of one DICOM"
    ):
        ClassFolderSource(tmp_path)
    series(tmp_path / "a/deep")
    (tmp_path / "a/deep/deeper").mkdir()
    with pytest.raises(
        SourceError, match=r"deep: holds the folder 'deeper' beside the files of a DICOM series; move it out"
    ):
        ClassFolderSource(tmp_path)


def test_other_kinds_of_images_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "b/0.dcm", grey())
    for name in ("a.nhdr", "a.hdr", "a.img.gz", "a.mgz"):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / name).touch()
        with pytest.raises(SourceError, match=rf"{name}: only PNG, JPEG, BMP, TIFF, NIfTI, MetaImage, NRRD and DICOM"):
            ClassFolderSource(tmp_path)
        (tmp_path / "a" / name).unlink()


def test_csv_of_files_and_series(tmp_path: Path) -> None:
    series(tmp_path / "set/scan")
    save_nifti(tmp_path / "set/a.nii.gz", np.ones((4, 3, 3), dtype=np.uint16))
    save_nifti(tmp_path / "set/unlisted.nii", np.ones((4, 3, 3), dtype=np.uint16))
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\nscan,x\na.nii.gz,y\n")
    source = CsvSource(tmp_path / "set", labels)
    assert source.sample_ids == ("scan", "a.nii.gz")
    assert source.ignored_files == ("unlisted.nii",)
    assert (source.header(0).format, source.header(1).format) == ("dicom", "nifti")
    planned = plan_release(source).list
    assert planned is not None and planned.name == "labels.csv"
    text = planned.text
    assert text == "file,label\nscan,x\na.nii.gz,y\n"


def test_a_slice_is_not_listed_twice(tmp_path: Path) -> None:
    series(tmp_path / "set/scan")
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\nscan,x\nscan/9.dcm,y\n")
    with pytest.raises(ReleaseError, match=r"'scan' and 'scan/9\.dcm' would both be released as 'scan/9\.dcm'"):
        plan_release(CsvSource(tmp_path / "set", labels))


def test_names_that_become_one_are_refused(tmp_path: Path) -> None:
    for name in ("mha", "mhd"):
        (tmp_path / "a").mkdir(exist_ok=True)
        save_itk(tmp_path / f"a/scan.{name}", np.ones((4, 4), dtype=np.uint8))
    save_itk(tmp_path / "scan.nrrd", np.ones((4, 4), dtype=np.uint8))
    (tmp_path / "b").mkdir()
    (tmp_path / "scan.nrrd").rename(tmp_path / "b/scan.nrrd")
    with pytest.raises(ReleaseError, match=r"would both be released as 'a/scan\.mha'\. Rename one"):
        plan_release(ClassFolderSource(tmp_path))


@pytest.mark.parametrize("name", ["a/x.png", "a/x.tif", "a/x.nii", "a/x.nii.gz", "a/x.mha", "a/x.nrrd", "a/x.dcm"])
def test_a_corrupt_file_is_named(name: str, tmp_path: Path) -> None:
    write(tmp_path / "b/0.dcm", grey())
    (tmp_path / "a").mkdir()
    (tmp_path / name).write_bytes(b"corrupt" * 99)
    with pytest.raises(SourceError, match=rf"{name}: "):
        plan_release(ClassFolderSource(tmp_path))
