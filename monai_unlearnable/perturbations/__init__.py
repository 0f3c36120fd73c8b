"""WHICH delta? One method per file, on one shared descent loop."""

from monai_unlearnable.perturbations.base import Patches, Perturbation, PerturbationBatch, StepHook, SurrogateModel
from monai_unlearnable.perturbations.dense_objectives import (
    DenseObjective,
    EmptiedMask,
    ShiftedMask,
    SwappedMask,
    resize_masks,
)
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
from monai_unlearnable.perturbations.on_grid import OnGrid, on_grid
from monai_unlearnable.perturbations.patterns import Blocks, PatternFamily, Stripes
from monai_unlearnable.perturbations.synthetic import Synthetic
from monai_unlearnable.perturbations.targeted import TargetedAdversarial

__all__ = [
    "Blocks",
    "ComplementTarget",
    "DenseObjective",
    "EmptiedMask",
    "ErrorMinimizing",
    "MemberObjective",
    "MultiLabelObjective",
    "NextClassTarget",
    "Objective",
    "OnGrid",
    "Patches",
    "PatternFamily",
    "Perturbation",
    "PerturbationBatch",
    "ShiftedMask",
    "SingleLabelObjective",
    "StepHook",
    "Stripes",
    "SurrogateModel",
    "SwappedMask",
    "Synthetic",
    "TargetMap",
    "TargetedAdversarial",
    "descend",
    "on_grid",
    "resize_masks",
]
