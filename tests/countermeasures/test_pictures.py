"""Countermeasures on one image: against other implementations, and where they do not apply."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from monai.data import MetaTensor
from monai.transforms import Compose
from numpy.typing import NDArray
from PIL import Image
from skimage.transform import resize

from monai_unlearnable.countermeasures import (
    BitDepth,
    BitDepthd,
    Blurred,
    Blurredd,
    GammaChanged,
    GammaChangedd,
    Grey,
    Greyd,
    Jpeg2000RoundTrip,
    Jpeg2000RoundTripd,
    JpegRoundTrip,
    JpegRoundTripd,
    LowResolutionRoundTrip,
    LowResolutionRoundTripd,
    MedianFiltered,
    MedianFilteredd,
    PictureTransform,
)
from monai_unlearnable.errors import NotApplicableError

BYTES = arrays.arrays(np.uint8, st.tuples(st.sampled_from([1, 3]), st.integers(1, 20), st.integers(1, 20)))
ALL: dict[str, tuple[PictureTransform, Any]] = {
    "jpeg": (JpegRoundTrip(50), JpegRoundTripd("image", 50)),
    "jpeg 2000": (Jpeg2000RoundTrip(20), Jpeg2000RoundTripd("image", 20)),
    "bits": (BitDepth(2), BitDepthd("image", 2)),
    "grey": (Grey(), Greyd("image")),
    "blur": (Blurred(1.0), Blurredd("image", 1.0)),
    "median": (MedianFiltered(1), MedianFilteredd("image", 1)),
    "gamma": (GammaChanged(0.5), GammaChangedd("image", 0.5)),
    "half": (LowResolutionRoundTrip(0.5), LowResolutionRoundTripd("image", 0.5)),
}
# Annex K of ITU-T T.81, table K.1.
LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)

_rows, _columns = np.mgrid[:8, :8]
COSINES = np.where(_rows == 0, np.sqrt(1 / 8), 0.5 * np.cos((2 * _columns + 1) * _rows * np.pi / 16))


def picture(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def slow_jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.float64]:
    """Quantise the cosine transform of every block of 8 x 8 grey pixels, as libjpeg scales the standard's table."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    table = np.clip((LUMINANCE * scale + 50) // 100, 1, 255)
    found = np.empty(image.shape)
    for row in range(0, image.shape[0], 8):
        for column in range(0, image.shape[1], 8):
            block = image[row : row + 8, column : column + 8].astype(float) - 128
            kept = np.rint(COSINES @ block @ COSINES.T / table) * table
            found[row : row + 8, column : column + 8] = COSINES.T @ kept @ COSINES + 128
    return found.clip(0, 255)


@pytest.mark.parametrize("quality", [90, 75, 50, 30, 10])
def test_jpeg_is_a_quantised_cosine_transform(quality: int) -> None:
    smooth = np.cumsum(np.random.default_rng(1).normal(0, 6, (32, 24)), axis=0) + 128
    image = smooth.clip(0, 255).astype(np.uint8)
    found = JpegRoundTrip(quality)(image[None])[0].astype(float)
    difference = np.abs(found - slow_jpeg(image, quality))
    # libjpeg calculates with whole numbers, so that a few coefficients fall on the other side of a half.
    assert difference.mean() < 1.2 and np.median(difference) < 0.5
    assert (found != image).any()


@pytest.mark.parametrize("kind", [JpegRoundTrip, Jpeg2000RoundTrip])
def test_the_stronger_the_compression_the_further_from_the_picture(kind: Any) -> None:
    image = np.asarray(Image.fromarray(picture(12, 12, 3)).resize((96, 96))).transpose(2, 0, 1)
    settings_ = (95, 50, 10) if kind is JpegRoundTrip else (2, 30, 200)
    errors = [float(((kind(one)(image).astype(float) - image) ** 2).mean()) for one in settings_]
    assert errors == sorted(errors) and errors[0] < errors[2] / 3


def test_colours_are_subsampled_unless_told_otherwise() -> None:
    image = np.zeros((3, 16, 16), dtype=np.uint8)
    image[0, :, ::2], image[2, :, 1::2] = 255, 255
    whole, halved = (JpegRoundTrip(85, subsampling=one)(image).astype(int) for one in (0, 2))
    assert np.abs(whole - image).mean() < np.abs(halved - image).mean() / 3


@given(image=BYTES, bits=st.integers(1, 7))
def test_bits_are_the_nearest_of_the_coarser_scale(image: NDArray[np.uint8], bits: int) -> None:
    scale = [round(255 * step / (2**bits - 1)) for step in range(2**bits)]
    found = BitDepth(bits)(image)
    for before, after in zip(image.flat, found.flat, strict=True):
        assert int(after) in scale
        assert abs(int(after) - int(before)) <= min(abs(one - int(before)) for one in scale) + 1


@given(image=BYTES.filter(lambda one: len(one) == 3))
def test_grey_is_the_luma_of_pillow(image: NDArray[np.uint8]) -> None:
    found = Grey()(image)
    expected = np.asarray(Image.fromarray(image.transpose(1, 2, 0)).convert("L")).astype(int)
    assert all(np.abs(channel.astype(int) - expected).max() <= 1 for channel in found)


@pytest.mark.parametrize("shape", [(1, 16, 24), (3, 8, 8), (1, 8, 12, 16)])
def test_half_resolution_is_area_means_enlarged_linearly(shape: tuple[int, ...]) -> None:
    image = picture(*shape).astype(np.float32)
    found = LowResolutionRoundTrip(0.5)(image)
    for before, after in zip(image, found, strict=True):
        small = before
        for axis in range(before.ndim):
            small = (
                small.take(range(0, small.shape[axis], 2), axis) + small.take(range(1, small.shape[axis], 2), axis)
            ) / 2
        expected = resize(small, before.shape, order=1, mode="edge", anti_aliasing=False, preserve_range=True)
        np.testing.assert_allclose(after, expected, atol=0.02)


def slow_blur(image: NDArray[np.float32], sigma_px: float) -> NDArray[np.float64]:
    """Weigh neighbours by the Gaussian's integral over each pixel, one axis after the other."""
    reach = 2
    edges = [math.erf((at - 0.5) / sigma_px / math.sqrt(2)) for at in range(-reach, reach + 2)]
    weights = np.diff(edges) / np.sum(np.diff(edges))
    found = image.astype(float)
    for axis in range(1, image.ndim):
        shifted = [np.roll(found, step, axis) * weight for step, weight in enumerate(weights, start=-reach)]
        found = np.sum(shifted, axis=0)
    return found


@pytest.mark.parametrize("shape", [(3, 12, 9), (1, 7, 8, 6)])
def test_filters_are_what_their_definitions_say(shape: tuple[int, ...]) -> None:
    image = picture(*shape).astype(np.float32)
    inside = (slice(None), *[slice(2, -2)] * (image.ndim - 1))
    np.testing.assert_allclose(Blurred(0.5)(image)[inside], slow_blur(image, 0.5)[inside], atol=0.05)
    medians = MedianFiltered(1)(image)
    for place in itertools.product(*[range(1, size - 1) for size in shape[1:]]):
        around = (slice(None), *[slice(one - 1, one + 2) for one in place])
        np.testing.assert_array_equal(
            medians[(slice(None), *place)], np.median(image[around].reshape(len(image), -1), 1)
        )
    low, width = image.min(), image.max() - image.min()
    np.testing.assert_allclose(GammaChanged(0.5)(image), ((image - low) / width) ** 0.5 * width + low, atol=0.01)


@pytest.mark.parametrize("name", ALL)
def test_one_image_in_one_of_its_kind_out(name: str) -> None:
    transform, dictionary = ALL[name]
    image = picture(3, 17, 22)
    expected = transform(image)
    assert isinstance(expected, np.ndarray) and expected.dtype == np.uint8 and expected.shape == image.shape
    assert (image == picture(3, 17, 22)).all() and (expected != image).any()
    tensor = transform(torch.from_numpy(image))
    assert type(tensor) is torch.Tensor and tensor.dtype == torch.uint8 and (tensor.numpy() == expected).all()
    meta = MetaTensor(torch.from_numpy(image), meta={"filename_or_obj": "a.png"})
    changed = transform(meta)
    assert isinstance(changed, MetaTensor) and changed.meta["filename_or_obj"] == "a.png"
    item = {"image": image.astype(np.float32), "other": 3}
    result = Compose([dictionary])(item)
    assert result["other"] == 3 and result["image"].dtype == np.float32
    assert np.abs(result["image"] - expected.astype(float)).max() <= (0.5 if name in ("half", "blur", "gamma") else 0)
    assert (item["image"] == image).all()
    with pytest.raises(KeyError):
        dictionary({"other": 3})


@pytest.mark.parametrize("name", ["jpeg", "jpeg 2000", "bits", "grey"])
@pytest.mark.parametrize(
    ("image", "text"),
    [
        (picture(1, 8, 8, 8), r"needs pictures of 1 or 3 channels, not an image of shape \(1, 8, 8, 8\)"),
        (picture(2, 8, 8), r"not an image of shape \(2, 8, 8\)"),
        (picture(3, 8, 8).astype(np.uint16) * 10, "needs pictures of 8 bits; this one has values of type uint16"),
        (picture(3, 8, 8) / 255, "values of type float64 from 0 to 1"),
    ],
)
def test_what_does_not_apply_says_so(name: str, image: NDArray[Any], text: str) -> None:
    with pytest.raises(NotApplicableError, match=text):
        ALL[name][0](image)


def test_grey_pictures_are_grey_already_and_flat_arrays_no_images() -> None:
    with pytest.raises(NotApplicableError, match="Grey: a picture of 1 channel is grey already"):
        Grey()(picture(1, 8, 8))
    with pytest.raises(NotApplicableError, match=r"LowResolutionRoundTrip: an image of shape \(8, 8\)"):
        LowResolutionRoundTrip()(picture(8, 8))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: JpegRoundTrip(0), "quality=0: from 1 to 100"),
        (lambda: JpegRoundTrip(50, subsampling=3), "subsampling=3: choose 0, 1, 2 or None"),
        (lambda: Jpeg2000RoundTrip(0.5), "ratio=0.5: at least 1"),
        (lambda: BitDepth(8), "bits=8: from 1 to 7"),
        (lambda: Blurred(0), "sigma_px=0: above 0, and at most 100"),
        (lambda: MedianFiltered(0), "radius_px=0: from 1 to 10"),
        (lambda: Blurred(900_000_000), "sigma_px=900000000: above 0, and at most 100"),
        (lambda: MedianFiltered(400), "radius_px=400: from 1 to 10"),
        (lambda: GammaChanged(-1), "gamma=-1: must be positive"),
        (lambda: LowResolutionRoundTrip(1), "factor=1: above 0 and below 1"),
    ],
)
def test_refuses_settings(make: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()
