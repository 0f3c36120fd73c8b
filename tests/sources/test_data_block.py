"""Turned volumes are copied value by value, however large they are and whatever their axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monai_unlearnable.sources.data_block import DataBlock


def oracle(stored: NDArray[Any], channel_axes: tuple[int, ...]) -> NDArray[Any]:
    """Channels first, then space in the reverse order of the file, by NumPy alone."""
    space = [axis for axis in range(stored.ndim) if axis not in channel_axes]
    turned = np.transpose(stored, (*channel_axes, *reversed(space)))
    return turned.reshape(-1, *turned.shape[len(channel_axes) :])


def check(shape: tuple[int, ...], dtype: str, channel_axes: tuple[int, ...]) -> None:
    block = DataBlock(dtype=np.dtype(dtype), file_shape=shape, channel_axes=channel_axes)
    stored = np.arange(np.prod(shape)).astype(dtype).reshape(shape)
    image = block.decode(stored.tobytes())
    assert image.shape == block.shape and image.dtype == block.dtype.newbyteorder("=")
    assert image.flags.c_contiguous and image.flags.writeable
    assert np.array_equal(image, oracle(stored, channel_axes))
    assert block.encode(image) == stored.tobytes()


@pytest.mark.parametrize(
    ("shape", "dtype", "channel_axes"),
    [
        ((5, 256, 128), "<i2", ()),
        ((300, 3, 256), "<i2", ()),  # one plane is more than the buffer is made for
        ((2, 17, 66, 64), ">i4", (0,)),
        ((40, 64, 33, 3), "<f4", (3,)),
        ((2, 3, 9, 64, 65), "<u2", (0, 1)),
        ((512, 300), ">u2", ()),
        ((64, 65, 3), "u1", (2,)),
    ],
)
def test_large_blocks_come_back(shape: tuple[int, ...], dtype: str, channel_axes: tuple[int, ...]) -> None:
    check(shape, dtype, channel_axes)


@settings(max_examples=60)
@given(st.data())
def test_any_block_comes_back(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=5)))
    space = data.draw(st.integers(2, min(3, len(shape))))
    first = data.draw(st.booleans())
    channels = range(len(shape) - space) if first else range(space, len(shape))
    check(shape, data.draw(st.sampled_from(["u1", "<i2", ">u2", ">i4", "<f8"])), tuple(channels))
