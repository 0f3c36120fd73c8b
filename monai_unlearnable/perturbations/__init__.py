"""WHICH delta? One method per file, on one shared descent loop."""

from monai_unlearnable.perturbations.autoregressive import Autoregressive
from monai_unlearnable.perturbations.base import Patches, Perturbation, PerturbationBatch, StepHook, SurrogateModel
from monai_unlearnable.perturbations.blocks import Blocks
from monai_unlearnable.perturbations.checks import Checks
from monai_unlearnable.perturbations.coarse import Coarse
from monai_unlearnable.perturbations.combined import Combined
from monai_unlearnable.perturbations.dense_objectives import (
    DenseObjective,
    EmptiedMask,
    ShiftedMask,
    resize_masks,
)
from monai_unlearnable.perturbations.descent import descend
from monai_unlearnable.perturbations.error_minimizing import ErrorMinimizing
from monai_unlearnable.perturbations.generator import GeneratedDeltas
from monai_unlearnable.perturbations.generator_network import PatternedGenerator, small_generator
from monai_unlearnable.perturbations.in_region import InRegion, in_region
from monai_unlearnable.perturbations.linear_error_minimizing import LinearErrorMinimizing
from monai_unlearnable.perturbations.low_pass import LEAST_WAVES, kept_waves, low_pass
from monai_unlearnable.perturbations.objectives import (
    ComplementTarget,
    MemberObjective,
    MultiLabelObjective,
    NextClassTarget,
    Objective,
    ObjectiveLoss,
    SingleLabelObjective,
    TargetMap,
    UnsaturatedObjective,
)
from monai_unlearnable.perturbations.on_grid import OnGrid, on_grid
from monai_unlearnable.perturbations.pattern_family import PatternFamily
from monai_unlearnable.perturbations.region_share import AtMost
from monai_unlearnable.perturbations.regions import Background, Body, ContourBand, Region, Salient, Structures
from monai_unlearnable.perturbations.robust_error_minimizing import RobustErrorMinimizing
from monai_unlearnable.perturbations.stripes import Stripes
from monai_unlearnable.perturbations.synthetic import Synthetic
from monai_unlearnable.perturbations.targeted import TargetedAdversarial

__all__ = [
    "LEAST_WAVES",
    "AtMost",
    "Autoregressive",
    "Background",
    "Blocks",
    "Body",
    "Checks",
    "Coarse",
    "Combined",
    "ComplementTarget",
    "ContourBand",
    "DenseObjective",
    "EmptiedMask",
    "ErrorMinimizing",
    "GeneratedDeltas",
    "InRegion",
    "LinearErrorMinimizing",
    "MemberObjective",
    "MultiLabelObjective",
    "NextClassTarget",
    "Objective",
    "ObjectiveLoss",
    "OnGrid",
    "Patches",
    "PatternFamily",
    "PatternedGenerator",
    "Perturbation",
    "PerturbationBatch",
    "Region",
    "RobustErrorMinimizing",
    "Salient",
    "ShiftedMask",
    "SingleLabelObjective",
    "StepHook",
    "Stripes",
    "Structures",
    "SurrogateModel",
    "Synthetic",
    "TargetMap",
    "TargetedAdversarial",
    "UnsaturatedObjective",
    "descend",
    "in_region",
    "kept_waves",
    "low_pass",
    "on_grid",
    "resize_masks",
    "small_generator",
]
