from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_unlearnable.audit.distances import difference_of
from monai_unlearnable.audit.fidelity import measure_fidelity
from monai_unlearnable.audit.regions import merge_regions, region_changes
from monai_unlearnable.sources import open_source
from monai_unlearnable.sources.image_view import ImageView
from tests.benchmarks.release_files import write_series


@given(
    seed=st.integers(0, 2**16),
    slopes=st.lists(st.sampled_from([1.0, 0.25, -2.0, 3.5]), min_size=3, max_size=3),
    dtype=st.sampled_from(["int16", "uint16", "int32", "uint8"]),
)
def test_regions_are_those_of_a_slow_loop(seed: int, slopes: list[float], dtype: str) -> None:
    generator = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -2000), min(limits.max, 2000)
    clean, released = (generator.integers(low, high + 1, (2, 3, 4, 5)).astype(dtype) for _ in range(2))
    labels = generator.integers(0, 3, (3, 4, 5)).astype(np.uint8)
    view = ImageView(slopes=tuple(slopes), intercepts=(-500.0, 0.0, 100.0), unit="HU")
    changes: dict[str, list[float]] = {"whole body (above -500 HU)": [], "liver": [], "label 2": []}
    for channel, z, y, x in np.ndindex(clean.shape):
        old, new = (int(one[channel, z, y, x]) for one in (clean, released))
        change = abs(new - old) * abs(slopes[z])
        if old * slopes[z] + (-500.0, 0.0, 100.0)[z] > -500:
            changes["whole body (above -500 HU)"].append(change)
        name = ("", "liver", "label 2")[labels[z, y, x]]
        if name:
            changes[name].append(change)
    found = {one.name: one for one in region_changes(released, clean, view, labels=labels, names={1: "liver"})}
    assert set(found) == {name for name, values in changes.items() if values}
    for name, one in found.items():
        assert one.voxels == len(changes[name])
        assert one.max_abs == max(changes[name])
        assert one.mean_abs == pytest.approx(np.mean(changes[name]))


def test_without_hu_only_labels_are_regions() -> None:
    image = np.zeros((1, 2, 2), dtype=np.uint8)
    assert region_changes(image, image, ImageView()) == ()
    found = region_changes(image, image, ImageView(), labels=np.array([[0, 4], [4, 4]]))
    assert [(one.name, one.voxels, one.max_abs) for one in found] == [("label 4", 3, 0.0)]


def test_air_alone_is_no_body() -> None:
    air = np.full((1, 2, 2), -1000, dtype=np.int16)
    assert region_changes(air, air, ImageView(unit="HU")) == ()


def test_labels_of_another_grid_or_below_zero_are_refused() -> None:
    image = np.zeros((1, 2, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match=r"labels are of shape \(3, 2\), the image's grid is \(2, 3\)"):
        region_changes(image, image, ImageView(), labels=np.zeros((3, 2), dtype=np.int8))
    with pytest.raises(ValueError, match="labels go down to -1"):
        region_changes(image, image, ImageView(), labels=np.full((2, 3), -1))


def test_merging_regions_is_measuring_all_voxels_at_once() -> None:
    generator = np.random.default_rng(0)
    clean, released = (generator.integers(0, 99, (2, 1, 6, 7)) for _ in range(2))
    labels = generator.integers(0, 3, (2, 6, 7))
    view = ImageView(slopes=(0.5,), unit="HU")
    parts = [region_changes(released[one], clean[one], view, labels=labels[one]) for one in (0, 1)]
    whole = region_changes(
        np.concatenate(released, axis=1), np.concatenate(clean, axis=1), view, labels=np.concatenate(labels)
    )
    for one, other in zip(merge_regions(parts), whole, strict=True):
        assert (one.name, one.voxels, one.max_abs) == (other.name, other.voxels, other.max_abs)
        assert one.mean_abs == pytest.approx(other.mean_abs)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32"])
def test_differences_are_numpys_and_never_wrap(dtype: str) -> None:
    generator = np.random.default_rng(2)
    clean, released = (generator.integers(0, 120, (1, 5, 4, 3)).astype(dtype) for _ in range(2))
    clean[0, 0, 0, 0], released[0, 0, 0, 0] = 0, 127
    found = difference_of(released, clean, ImageView(slopes=(-0.5,)))
    delta = released.astype(np.float64) - clean.astype(np.float64)
    assert found.max_abs == np.abs(delta).max() == 127
    assert found.mean_abs_unit == pytest.approx(np.abs(delta).mean() / 2)
    assert found.mean_squared == pytest.approx(np.square(delta).mean())
    assert found.changed_share == pytest.approx((delta != 0).mean())


def test_fidelity_is_in_the_files_unit_and_by_region(tmp_path: Path) -> None:
    clean = np.random.default_rng(0).integers(0, 3000, (4, 9, 8)).astype(np.int16)
    for name, pixels in (("clean", clean), ("release", clean + np.int16(5))):
        for number, label in enumerate("ab"):
            write_series(pixels, tmp_path / name / label / "s", number=number)
            for file in (tmp_path / name / label / "s").iterdir():
                dataset = pydicom.dcmread(file)
                dataset.RescaleSlope = (0.5, 2)[number]
                dataset.save_as(file)
    labels = np.zeros(clean.shape, dtype=np.uint8)
    labels[1, 2:4] = 3
    found = measure_fidelity(
        open_source(tmp_path / "release"),
        open_source(tmp_path / "clean"),
        [(0, 0), (1, 1)],
        labels=lambda index: labels if index == 1 else None,
        label_names={3: "liver"},
    )
    assert found.unit == "HU"
    assert found.max_abs_levels is not None and found.max_abs_levels.median == 5
    assert found.max_abs_unit is not None and found.max_abs_unit.minimum == 2.5 and found.max_abs_unit.maximum == 10
    body, liver = found.regions
    sizes = [int((clean * slope - 1024 > -500).sum()) for slope in (0.5, 2.0)]
    assert body.voxels == sum(sizes)
    assert body.mean_abs == pytest.approx((sizes[0] * 2.5 + sizes[1] * 10) / sum(sizes))
    assert (liver.name, liver.voxels, liver.mean_abs, liver.max_abs) == ("liver", 16, 10, 10)
