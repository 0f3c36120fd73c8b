"""WHAT may a reader do to a release, before or while training on it? Nothing here knows how it was protected."""

from monai_unlearnable.countermeasures.adversarial import AdversarialSteps
from monai_unlearnable.countermeasures.adversarial_training import AdversarialTraining
from monai_unlearnable.countermeasures.base import PictureTransform, PictureTransformd
from monai_unlearnable.countermeasures.compression import Jpeg2000RoundTrip, JpegRoundTrip
from monai_unlearnable.countermeasures.dictionary import (
    BitDepthd,
    Blurredd,
    GammaChangedd,
    Greyd,
    Jpeg2000RoundTripd,
    JpegRoundTripd,
    LowResolutionRoundTripd,
    MedianFilteredd,
)
from monai_unlearnable.countermeasures.filters import Blurred, GammaChanged, MedianFiltered
from monai_unlearnable.countermeasures.levels import BitDepth, Grey
from monai_unlearnable.countermeasures.projection import OrthogonalProjection
from monai_unlearnable.countermeasures.resolution import LowResolutionRoundTrip
from monai_unlearnable.countermeasures.worst_of import WorstAugmentation, strong_augmentations

__all__ = [
    "AdversarialSteps",
    "AdversarialTraining",
    "BitDepth",
    "BitDepthd",
    "Blurred",
    "Blurredd",
    "GammaChanged",
    "GammaChangedd",
    "Grey",
    "Greyd",
    "Jpeg2000RoundTrip",
    "Jpeg2000RoundTripd",
    "JpegRoundTrip",
    "JpegRoundTripd",
    "LowResolutionRoundTrip",
    "LowResolutionRoundTripd",
    "MedianFiltered",
    "MedianFilteredd",
    "OrthogonalProjection",
    "PictureTransform",
    "PictureTransformd",
    "WorstAugmentation",
    "strong_augmentations",
]
