"""The arithmetic, against plain NumPy in int64 and float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_unlearnable.errors import BudgetError, StoreError
from monai_unlearnable.transforms.levels import AppliedLevels, ImageUnit

INTEGERS = {
    np.uint8: torch.uint8,
    np.int8: torch.int8,
    np.int16: torch.int16,
    np.uint16: torch.uint16,
    np.int32: torch.int32,
    np.int64: torch.int64,
}
SHAPES = [(1, 3, 4), (3, 2, 5), (1, 2, 3, 4)]
properties = settings(max_examples=60)


@properties
@given(
    dtype=st.sampled_from(sorted(INTEGERS, key=str)),
    shape=st.sampled_from(SHAPES),
    radius=st.integers(1, 300),
    size=st.sampled_from([1, 2, 5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_integers_are_cut_to_the_range_and_restored(
    dtype: type[np.integer], shape: tuple[int, ...], radius: int, size: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    low, high = max(np.iinfo(dtype).min, -5000), min(np.iinfo(dtype).max, 70000)
    image = random.integers(low, high, shape, endpoint=True).astype(dtype)
    levels = random.integers(-radius, radius, shape, endpoint=True)
    tensor = torch.from_numpy(image)
    unit = ImageUnit(level_size=float(size), valid_range=(low, high))

    protected, applied = unit.add(tensor, torch.from_numpy(levels), name="a")

    wide = image.astype(np.int64)
    expected = np.clip(levels, -((wide - low) // size), (high - wide) // size)
    np.testing.assert_array_equal(applied.numpy(), expected)
    assert protected.dtype == INTEGERS[dtype]
    np.testing.assert_array_equal(protected.to(torch.int64).numpy(), wide + expected * size)
    np.testing.assert_array_equal(unit.subtract(protected, applied, name="a").numpy(), image)


@properties
@given(
    dtype=st.sampled_from(sorted(INTEGERS, key=str)),
    value=st.integers(-(2**63), 2**63 - 1),
    delta=st.integers(-40000, 40000),
)
def test_integers_never_wrap(dtype: type[np.integer], value: int, delta: int) -> None:
    low, high = max(np.iinfo(dtype).min, -(2**62)), min(np.iinfo(dtype).max, 2**62)
    value = min(max(value, low), high)
    image, levels = torch.from_numpy(np.array([[value]], dtype=dtype)), torch.tensor([[delta]])
    unit = ImageUnit()
    if low <= value + delta <= high:
        protected, applied = unit.add(image, levels, name="a")
        assert int(protected.to(torch.int64)) == value + delta
        assert int(unit.subtract(protected, applied, name="a").to(torch.int64)) == value
    else:
        with pytest.raises(BudgetError, match=r"'a'.*leaves the range .* of torch.*valid_range"):
            unit.add(image, levels, name="a")


@properties
@given(
    dtype=st.sampled_from([torch.float32, torch.float64]),
    levels_of_range=st.sampled_from([255, 4095, 65535]),
    shape=st.sampled_from(SHAPES),
    seed=st.integers(0, 2**32 - 1),
)
def test_floats_on_the_grid_get_whole_levels(
    dtype: torch.dtype, levels_of_range: int, shape: tuple[int, ...], seed: int
) -> None:
    random = np.random.default_rng(seed)
    image_levels = random.integers(0, levels_of_range, shape, endpoint=True)
    levels = random.integers(-16, 16, shape, endpoint=True)
    image = torch.from_numpy(image_levels / levels_of_range).to(dtype)
    unit = ImageUnit(level_size=1 / levels_of_range, valid_range=(0.0, 1.0))

    protected, applied = unit.add(image, torch.from_numpy(levels), name="a")

    expected = np.clip(image_levels + levels, 0, levels_of_range)
    assert protected.dtype == dtype
    assert float(protected.min()) >= 0 and float(protected.max()) <= 1
    np.testing.assert_array_equal(applied.numpy(), expected - image_levels)
    np.testing.assert_array_equal((protected.double() * levels_of_range).round().numpy(), expected)
    torch.testing.assert_close(unit.subtract(protected, applied, name="a"), image, rtol=0, atol=2e-7)


@properties
@given(seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32]))
def test_floats_off_the_grid_stay_inside_and_come_back(seed: int, dtype: torch.dtype) -> None:
    random = np.random.default_rng(seed)
    image = torch.from_numpy(random.uniform(0, 1, (1, 4, 4))).to(dtype)
    levels = torch.from_numpy(random.integers(-16, 16, (1, 4, 4), endpoint=True))
    unit = ImageUnit(level_size=1 / 255, valid_range=(0.0, 1.0))
    protected, applied = unit.add(image, levels, name="a")
    assert float(protected.min()) >= 0 and float(protected.max()) <= 1
    assert bool((applied.abs() <= levels.abs()).all())
    rounding = 2 * torch.finfo(dtype).eps
    torch.testing.assert_close(unit.subtract(protected, applied, name="a"), image, rtol=0, atol=rounding)


def test_raw_floats_are_exact() -> None:
    image = torch.tensor([[[0.0, 3000.0, 65535.0]]])
    levels = torch.tensor([[[-8, 8, 2056]]])
    unit = ImageUnit()
    protected, applied = unit.add(image, levels, name="a")
    assert protected.tolist() == [[[-8.0, 3008.0, 67591.0]]]
    assert torch.equal(unit.subtract(protected, applied, name="a"), image)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("valid_range", [None, (0.0, 1.0)])
def test_images_that_are_not_finite_are_refused(value: float, valid_range: tuple[float, float] | None) -> None:
    image = torch.tensor([[[0.5, value]]])
    with pytest.raises(BudgetError, match=r"'scan 7': holds NaN or infinite"):
        ImageUnit(valid_range=valid_range).add(image, torch.zeros(1, 1, 2), name="scan 7")


def test_half_precision_does_not_overflow_silently() -> None:
    image = torch.full((1, 1, 1), 65504.0, dtype=torch.float16)
    with pytest.raises(BudgetError, match="infinite"):
        ImageUnit().add(image, torch.full((1, 1, 1), 2000), name="a")


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.float32])
def test_image_in_another_unit_is_refused(dtype: torch.dtype) -> None:
    image = torch.tensor([[[0, 100]]]).to(dtype)
    with pytest.raises(BudgetError, match=r"'a': values 0 to 100 leave valid_range=\(0, 1\).*in the unit"):
        ImageUnit(valid_range=(0, 1)).add(image, torch.zeros(1, 1, 2), name="a")


def test_shapes_must_be_equal_not_only_broadcastable() -> None:
    with pytest.raises(StoreError, match=r"'a': the image has shape \(3, 4, 4\), its delta \(1, 4, 4\).*before crop"):
        ImageUnit().add(torch.zeros(3, 4, 4), torch.zeros(1, 4, 4), name="a")
    with pytest.raises(StoreError, match=r"shape \(2, 4, 4\)"):
        ImageUnit().subtract(torch.zeros(2, 4, 4), torch.zeros(1, 4, 4), name="a")


def test_scaled_levels_on_integers_are_refused() -> None:
    with pytest.raises(BudgetError, match=r"level_size=0.0039\d* of an integer image must be a whole number"):
        ImageUnit(level_size=1 / 255).add(torch.zeros(1, 2, 2, dtype=torch.uint8), torch.ones(1, 2, 2), name="a")


@pytest.mark.parametrize("dtype", [torch.bool, torch.complex64])
def test_other_types_are_refused(dtype: torch.dtype) -> None:
    with pytest.raises(BudgetError, match=rf"cannot be added to {dtype}"):
        ImageUnit().add(torch.zeros(1, 2, 2, dtype=dtype), torch.ones(1, 2, 2), name="a")


@pytest.mark.parametrize("level_size", [0.0, -1.0, float("nan"), float("inf")])
def test_level_size_is_checked_at_construction(level_size: float) -> None:
    with pytest.raises(BudgetError, match="level_size="):
        ImageUnit(level_size=level_size)


@pytest.mark.parametrize("valid_range", [(1.0, 0.0), (0.0, 0.0), (0.0, float("nan")), (-float("inf"), 0.0)])
def test_valid_range_is_checked_at_construction(valid_range: tuple[float, float]) -> None:
    with pytest.raises(BudgetError, match="valid_range="):
        ImageUnit(valid_range=valid_range)


@pytest.mark.parametrize(("largest", "dtype"), [(127, "int8"), (128, "int16"), (32767, "int16"), (32768, "int32")])
def test_trace_takes_the_smallest_type(largest: int, dtype: str) -> None:
    levels = torch.tensor([[[-largest, largest]]])
    packed = AppliedLevels.pack(levels)
    assert packed.dtype == dtype
    assert torch.equal(AppliedLevels.from_trace(packed.to_trace()).unpack(), levels)
