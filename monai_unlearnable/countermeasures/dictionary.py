"""Dictionary forms of the countermeasures on images."""

from __future__ import annotations

from monai.config import KeysCollection

from monai_unlearnable.countermeasures.base import PictureTransformd
from monai_unlearnable.countermeasures.compression import Jpeg2000RoundTrip, JpegRoundTrip
from monai_unlearnable.countermeasures.filters import Blurred, GammaChanged, MedianFiltered
from monai_unlearnable.countermeasures.levels import BitDepth, Grey
from monai_unlearnable.countermeasures.resolution import LowResolutionRoundTrip

__all__ = [
    "BitDepthD",
    "BitDepthDict",
    "BitDepthd",
    "BlurredD",
    "BlurredDict",
    "Blurredd",
    "GammaChangedD",
    "GammaChangedDict",
    "GammaChangedd",
    "GreyD",
    "GreyDict",
    "Greyd",
    "Jpeg2000RoundTripD",
    "Jpeg2000RoundTripDict",
    "Jpeg2000RoundTripd",
    "JpegRoundTripD",
    "JpegRoundTripDict",
    "JpegRoundTripd",
    "LowResolutionRoundTripD",
    "LowResolutionRoundTripDict",
    "LowResolutionRoundTripd",
    "MedianFilteredD",
    "MedianFilteredDict",
    "MedianFilteredd",
]


class JpegRoundTripd(PictureTransformd):
    """Dictionary form of :class:`JpegRoundTrip`.

    Args:
        keys: of the images.
        quality: see :class:`JpegRoundTrip`.
        subsampling: likewise.
        allow_missing_keys: skip images that a dictionary does not have.
    """

    def __init__(
        self,
        keys: KeysCollection,
        quality: int,
        *,
        subsampling: int | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, JpegRoundTrip(quality, subsampling=subsampling), allow_missing_keys)


class Jpeg2000RoundTripd(PictureTransformd):
    """Dictionary form of :class:`Jpeg2000RoundTrip`.

    Args:
        keys: of the images.
        ratio: see :class:`Jpeg2000RoundTrip`.
        allow_missing_keys: skip images that a dictionary does not have.
    """

    def __init__(self, keys: KeysCollection, ratio: float, *, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, Jpeg2000RoundTrip(ratio), allow_missing_keys)


class BitDepthd(PictureTransformd):
    """Dictionary form of :class:`BitDepth`.

    Args:
        keys: of the images.
        bits: see :class:`BitDepth`.
        allow_missing_keys: skip images that a dictionary does not have.
    """

    def __init__(self, keys: KeysCollection, bits: int, *, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, BitDepth(bits), allow_missing_keys)


class Greyd(PictureTransformd):
    """Dictionary form of :class:`Grey`.

    Args:
        keys: of the images.
        allow_missing_keys: skip images that a dictionary does not have.
    """

    def __init__(self, keys: KeysCollection, *, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, Grey(), allow_missing_keys)


class LowResolutionRoundTripd(PictureTransformd):
    """Dictionary form of :class:`LowResolutionRoundTrip`.

    Args:
        keys: of the images.
        factor: see :class:`LowResolutionRoundTrip`.
        allow_missing_keys: skip images that a dictionary does not have.
    """

    def __init__(self, keys: KeysCollection, factor: float = 0.5, *, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, LowResolutionRoundTrip(factor), allow_missing_keys)


class Blurredd(PictureTransformd):
    """Dictionary form of :class:`Blurred`.

    Args:
        keys: of the images.
        sigma_px: see :class:`Blurred`.
        allow_missing_keys: skip images that a dictionary does not have.
    """

    def __init__(self, keys: KeysCollection, sigma_px: float = 1.0, *, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, Blurred(sigma_px), allow_missing_keys)


class MedianFilteredd(PictureTransformd):
    """Dictionary form of :class:`MedianFiltered`.

    Args:
        keys: of the images.
        radius_px: see :class:`MedianFiltered`.
        allow_missing_keys: skip images that a dictionary does not have.
    """

    def __init__(self, keys: KeysCollection, radius_px: int = 1, *, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, MedianFiltered(radius_px), allow_missing_keys)


class GammaChangedd(PictureTransformd):
    """Dictionary form of :class:`GammaChanged`.

    Args:
        keys: of the images.
        gamma: see :class:`GammaChanged`.
        allow_missing_keys: skip images that a dictionary does not have.
    """

    def __init__(self, keys: KeysCollection, gamma: float, *, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, GammaChanged(gamma), allow_missing_keys)


BitDepthD = BitDepthDict = BitDepthd
BlurredD = BlurredDict = Blurredd
GammaChangedD = GammaChangedDict = GammaChangedd
GreyD = GreyDict = Greyd
Jpeg2000RoundTripD = Jpeg2000RoundTripDict = Jpeg2000RoundTripd
JpegRoundTripD = JpegRoundTripDict = JpegRoundTripd
LowResolutionRoundTripD = LowResolutionRoundTripDict = LowResolutionRoundTripd
MedianFilteredD = MedianFilteredDict = MedianFilteredd
