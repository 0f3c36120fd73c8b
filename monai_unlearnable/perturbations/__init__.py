"""WHICH delta? One method per file, on one shared descent loop."""

from monai_unlearnable.perturbations.base import Patches, Perturbation, PerturbationBatch, StepHook, SurrogateModel
from monai_unlearnable.perturbations.descent import descend
from monai_unlearnable.perturbations.error_minimizing import ErrorMinimizing
from monai_unlearnable.perturbations.objectives import (
    ComplementTarget,
    MemberObjective,
    MultiLabelObjective,
    NextClassTarget,
    Objective,
    SingleLabelObjective,
    TargetMap,
)
from monai_unlearnable.perturbations.patterns import Blocks, PatternFamily, Stripes
from monai_unlearnable.perturbations.synthetic import Synthetic
from monai_unlearnable.perturbations.targeted import TargetedAdversarial

__all__ = [
    "Blocks",
    "ComplementTarget",
    "ErrorMinimizing",
    "MemberObjective",
    "MultiLabelObjective",
    "NextClassTarget",
    "Objective",
    "Patches",
    "PatternFamily",
    "Perturbation",
    "PerturbationBatch",
    "SingleLabelObjective",
    "StepHook",
    "Stripes",
    "SurrogateModel",
    "Synthetic",
    "TargetMap",
    "TargetedAdversarial",
    "descend",
]
