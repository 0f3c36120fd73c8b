from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.dicom import DicomSeries
from tests.sources.dicom.building import grey, slice_file, write

SERIES = DicomSeries()


def numbers(folder: Path) -> list[int]:
    """The number that each slice's pixels tell, in the order of the slice axis."""
    return [int(one) for one in SERIES.read(folder)[0, :, 0, 0]]


@settings(max_examples=25)
@given(
    order=st.permutations(range(6)),
    angles=st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3)),
    shear=st.floats(-2, 2),
)
def test_slices_lie_in_the_order_of_the_patient(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], angles: tuple[float, float, float], shear: float
) -> None:
    folder = tmp_path_factory.mktemp("series")
    row, column, normal = rotation(*angles).T
    for number, place in enumerate(order):
        position = 7 * normal * place + shear * place * row + np.array([10.0, -20.0, 30.0])
        slice_file(
            folder / f"{number}.dcm",
            position_mm=(position[0], position[1], position[2]),
            number=number,
            ImageOrientationPatient=[f"{one:.9f}" for one in (*row, *column)],
            ImagePositionPatient=[f"{one:.8f}" for one in position],
        )
    assert numbers(folder) == [order.index(place) for place in range(6)]
    found = SERIES.order(folder)
    assert found.notices == () and found.positions_mm is not None
    assert np.allclose(np.diff(found.positions_mm), 7, atol=1e-4)
    assert SERIES.header(folder).shape == (1, 6, 3, 4)


def rotation(a: float, b: float, c: float) -> Any:
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return x @ y @ z


def test_names_and_instance_numbers_do_not_count_where_there_is_a_place(tmp_path: Path) -> None:
    for number, place in ((1, 20.0), (2, 0.0), (3, 10.0)):
        slice_file(tmp_path / f"{number}.dcm", position_mm=(0, 0, place), number=number)
    assert numbers(tmp_path) == [2, 3, 1]
    assert [one.name for one in SERIES.files(tmp_path)] == ["2.dcm", "3.dcm", "1.dcm"]


def test_without_places_the_instance_number_orders(tmp_path: Path) -> None:
    for name, number in (("a", 10), ("b", 9), ("c", 2)):
        slice_file(tmp_path / name, position_mm=(0, 0, 0), number=number, ImagePositionPatient=None)
    assert numbers(tmp_path) == [2, 9, 10]
    assert "InstanceNumber gives the order" in SERIES.header(tmp_path).notices[0]


def test_a_missing_slice_is_a_notice(tmp_path: Path) -> None:
    for number in (0, 1, 2, 4, 5):
        slice_file(tmp_path / f"{number}.dcm", position_mm=(0, 0, 5.0 * number), number=number)
    assert SERIES.header(tmp_path).notices == (
        "Slices are not evenly spaced: 1 of 4 gaps differ from 5 mm, the first is 10 mm between 2.dcm and 4.dcm. "
        "Slices may be missing.",
    )


def test_a_slope_of_each_slice_is_kept_and_the_largest_counts(tmp_path: Path) -> None:
    for number, slope in ((0, 3.0), (1, 1.0)):
        slice_file(tmp_path / f"{number}", position_mm=(0, 0, number), number=number, RescaleSlope=slope)
    header = SERIES.header(tmp_path)
    assert (header.level_sizes, header.level_size, header.unit) == ((3.0, 1.0), 3.0, "HU")
    assert header.notices == ("A level has another size from slice to slice (1 to 3).",)


def test_padding_of_some_slices(tmp_path: Path) -> None:
    slice_file(tmp_path / "a", position_mm=(0, 0, 0), number=1)
    slice_file(tmp_path / "b", position_mm=(0, 0, 1), number=2, PixelPaddingValue=2)
    mask = SERIES.untouchable(tmp_path)
    assert mask is not None and mask.shape == (1, 2, 3, 4)
    assert not mask[:, 0].any() and mask[:, 1].all()


def _twice(folder: Path) -> None:
    slice_file(folder / "b.dcm", position_mm=(1, 2, 0.0005), number=2)


def _other_series(folder: Path) -> None:
    slice_file(folder / "b.dcm", position_mm=(0, 0, 5), number=2, SeriesInstanceUID="1.2.826.0.1.2")


def _other_size(folder: Path) -> None:
    write(folder / "b.dcm", grey(rows=6), ImageOrientationPatient=[1, 0, 0, 0, 1, 0], ImagePositionPatient=[0, 0, 5])


def _other_bits(folder: Path) -> None:
    slice_file(folder / "b.dcm", position_mm=(0, 0, 5), number=2, BitsStored=12)


def _not_parallel(folder: Path) -> None:
    slice_file(folder / "b.dcm", position_mm=(0, 0, 5), number=2, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])


def _no_place(folder: Path) -> None:
    slice_file(folder / "b.dcm", position_mm=(0, 0, 5), number=2, ImagePositionPatient=None)


def _no_direction(folder: Path) -> None:
    slice_file(folder / "b.dcm", position_mm=(0, 0, 5), number=2, ImageOrientationPatient=[1, 0, 0, 2, 0, 0])


def _several_frames(folder: Path) -> None:
    write(folder / "b.dcm", grey(frames=3))


def _broken(folder: Path) -> None:
    slice_file(folder / "b.dcm", position_mm=(0, 0, 5), number=2)
    (folder / "b.dcm").write_bytes((folder / "b.dcm").read_bytes()[:-9])


def test_mixed_series_are_counted(tmp_path: Path) -> None:
    for number in range(6):
        uid = f"1.2.826.0.1.{number % 3}"
        path = tmp_path / f"{number}.dcm"
        slice_file(path, position_mm=(0, 0, number), number=number + 1, SeriesInstanceUID=uid)
    with pytest.raises(SourceError) as caught:
        SERIES.read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: 0.dcm and 1.dcm are not slices of one image: SeriesInstanceUID is '1.2.826.0.1.0' and "
        "'1.2.826.0.1.1'. The folder holds 3 series. Put each series into a folder of its own."
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_twice, "a.dcm and b.dcm lie in the same place (ImagePositionPatient [0.0, 0.0, 0.0] and [1.0, 2.0, 0.0005])"),
        (_other_series, "a.dcm and b.dcm are not slices of one image: SeriesInstanceUID is '1.2.826.0.1.1' and '1.2.8"),
        (_other_size, "a.dcm and b.dcm are not slices of one image: Rows is '3' and '6'."),
        (_other_bits, "a.dcm and b.dcm are not slices of one image: level range is '0 to 65535' and '0 to 4095'."),
        (_not_parallel, "a.dcm and b.dcm are not parallel: ImageOrientationPatient is [1.0, 0.0, 0.0, 0.0, 1.0, 0.0] "),
        (_no_place, "a.dcm says where it lies and b.dcm does not"),
        (
            _no_direction,
            "b.dcm: ImageOrientationPatient is [1.0, 0.0, 0.0, 2.0, 0.0, 0.0]; it must be two perpendicular",
        ),
        (_several_frames, "b.dcm: NumberOfFrames is 3: it is an image of its own, not a slice of a series."),
        (_broken, "b.dcm: (7FE0,0010) promises 24 bytes at offset"),
    ],
)
def test_what_is_no_volume_is_refused_with_names(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    slice_file(tmp_path / "a.dcm", position_mm=(0, 0, 0), number=1)
    spoil(tmp_path)
    with pytest.raises(SourceError, match=re.escape(message)):
        SERIES.read(tmp_path)


@pytest.mark.parametrize(
    ("second", "message"),
    [(1, "a.dcm and b.dcm both have InstanceNumber 1"), ("", "b.dcm has neither a place")],
)
def test_without_place_or_number_the_order_is_unknown(tmp_path: Path, second: int | str, message: str) -> None:
    slice_file(tmp_path / "a.dcm", position_mm=(0, 0, 0), number=1, ImagePositionPatient=None)
    fields = {"ImagePositionPatient": None, "InstanceNumber": second}
    slice_file(tmp_path / "b.dcm", position_mm=(0, 0, 0), number=2, **fields)
    with pytest.raises(SourceError, match=re.escape(message)):
        SERIES.order(tmp_path)


def test_other_things_in_the_folder_are_left_out_with_a_notice(tmp_path: Path) -> None:
    for number in (1, 2):
        slice_file(tmp_path / f"{number}.dcm", position_mm=(0, 0, number), number=number)
    (tmp_path / "notes.txt").write_text("seen")
    (tmp_path / "DICOMDIR").write_bytes((tmp_path / "1.dcm").read_bytes())
    (tmp_path / "more").mkdir()
    assert SERIES.header(tmp_path).notices == (
        "DICOMDIR is left out: it is a list of files.",
        "more is left out: it is a folder.",
        "notes.txt is left out: it is no DICOM file.",
    )
    assert numbers(tmp_path) == [1, 2]


def test_a_folder_without_slices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds no DICOM file[.] Name the folder of the slices themselves"):
        SERIES.read(tmp_path)
    with pytest.raises(SourceError, match="is no folder that can be read"):
        SERIES.header(tmp_path / "absent")


def test_real_series(shared_data: Path) -> None:
    chest, brain = shared_data / "dicom" / "ct_chest", shared_data / "dicom" / "mr_brain"
    header = SERIES.header(chest)
    assert (header.shape, header.unit, header.level_size) == ((1, 64, 512, 512), "HU", 1.0)
    assert (header.low_level, header.high_level, header.notices) == (0, 4095, ())
    order = SERIES.order(chest)
    assert order.positions_mm is not None and np.allclose(np.diff(order.positions_mm), 5)
    assert order.slices[0].path.name == "1-64.dcm"
    assert SERIES.header(brain).shape == (1, 22, 512, 512)
    assert SERIES.header(brain).unit == ""
