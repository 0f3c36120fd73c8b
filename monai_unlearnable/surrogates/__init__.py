"""AGAINST WHAT? A network with the differentiable preprocessing that its loss sees images through."""

from monai_unlearnable.surrogates.ensemble import MemberLoss, NetworkEnsemble
from monai_unlearnable.surrogates.preprocessing import CentreCrop, InOrder, IntensityWindow, ResampleTo
from monai_unlearnable.surrogates.stand_ins import (
    RandJpegStandInd,
    RandUniformShiftd,
    jpeg_stand_in,
    usual_countermeasures,
)
from monai_unlearnable.surrogates.surrogate import Surrogate
from monai_unlearnable.surrogates.ways import ReaderWays, usual_ways, whole_ways

__all__ = [
    "CentreCrop",
    "InOrder",
    "IntensityWindow",
    "MemberLoss",
    "NetworkEnsemble",
    "RandJpegStandInd",
    "RandUniformShiftd",
    "ReaderWays",
    "ResampleTo",
    "Surrogate",
    "jpeg_stand_in",
    "usual_countermeasures",
    "usual_ways",
    "whole_ways",
]
