"""WHAT may a reader do to a release, before or while training on it? Nothing here knows how it was protected."""

from monai_unlearnable.countermeasures.added import GaussianAdded
from monai_unlearnable.countermeasures.adversarial import AdversarialSteps
from monai_unlearnable.countermeasures.adversarial_training import AdversarialTraining
from monai_unlearnable.countermeasures.affine import AffineMoved
from monai_unlearnable.countermeasures.base import FittedCountermeasure, PictureTransform, PictureTransformd
from monai_unlearnable.countermeasures.batch_change import BatchChange, ChangedBatches, TrainingCountermeasure
from monai_unlearnable.countermeasures.boxes import BoxHidden, BoxSwapped
from monai_unlearnable.countermeasures.compression import Jpeg2000RoundTrip, JpegRoundTrip
from monai_unlearnable.countermeasures.denoiser import Denoised, DenoisedAs
from monai_unlearnable.countermeasures.dictionary import (
    BitDepthD,
    BitDepthd,
    BitDepthDict,
    BlurredD,
    Blurredd,
    BlurredDict,
    GammaChangedD,
    GammaChangedd,
    GammaChangedDict,
    GreyD,
    Greyd,
    GreyDict,
    Jpeg2000RoundTripD,
    Jpeg2000RoundTripd,
    Jpeg2000RoundTripDict,
    JpegRoundTripD,
    JpegRoundTripd,
    JpegRoundTripDict,
    LowResolutionRoundTripD,
    LowResolutionRoundTripd,
    LowResolutionRoundTripDict,
    MedianFilteredD,
    MedianFilteredd,
    MedianFilteredDict,
)
from monai_unlearnable.countermeasures.filters import Blurred, GammaChanged, MedianFiltered
from monai_unlearnable.countermeasures.item_by_item import ItemByItem
from monai_unlearnable.countermeasures.levels import BitDepth, Grey
from monai_unlearnable.countermeasures.mixing import ImagesMixed
from monai_unlearnable.countermeasures.notch import Notched, shared_waves
from monai_unlearnable.countermeasures.projection import OrthogonalProjection, Projected
from monai_unlearnable.countermeasures.resolution import LowResolutionRoundTrip
from monai_unlearnable.countermeasures.strong import StronglyAugmented
from monai_unlearnable.countermeasures.worst_of import WorstAugmentation, WorstOf

__all__ = [
    "AdversarialSteps",
    "AdversarialTraining",
    "AffineMoved",
    "BatchChange",
    "BitDepth",
    "BitDepthD",
    "BitDepthDict",
    "BitDepthd",
    "Blurred",
    "BlurredD",
    "BlurredDict",
    "Blurredd",
    "BoxHidden",
    "BoxSwapped",
    "ChangedBatches",
    "Denoised",
    "DenoisedAs",
    "FittedCountermeasure",
    "GammaChanged",
    "GammaChangedD",
    "GammaChangedDict",
    "GammaChangedd",
    "GaussianAdded",
    "Grey",
    "GreyD",
    "GreyDict",
    "Greyd",
    "ImagesMixed",
    "ItemByItem",
    "Jpeg2000RoundTrip",
    "Jpeg2000RoundTripD",
    "Jpeg2000RoundTripDict",
    "Jpeg2000RoundTripd",
    "JpegRoundTrip",
    "JpegRoundTripD",
    "JpegRoundTripDict",
    "JpegRoundTripd",
    "LowResolutionRoundTrip",
    "LowResolutionRoundTripD",
    "LowResolutionRoundTripDict",
    "LowResolutionRoundTripd",
    "MedianFiltered",
    "MedianFilteredD",
    "MedianFilteredDict",
    "MedianFilteredd",
    "Notched",
    "OrthogonalProjection",
    "PictureTransform",
    "PictureTransformd",
    "Projected",
    "StronglyAugmented",
    "TrainingCountermeasure",
    "WorstAugmentation",
    "WorstOf",
    "shared_waves",
]
