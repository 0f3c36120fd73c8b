"""HOW do deltas enter a pipeline? MONAI transforms, for arrays and for dictionaries."""

from monai_unlearnable.transforms.array import (
    AddDelta,
    GeneratorPerturbation,
    SurrogatePerturbation,
    SyntheticPerturbation,
)
from monai_unlearnable.transforms.base import DeltaTransform, DeltaTransformd
from monai_unlearnable.transforms.dictionary import (
    AddDeltaD,
    AddDeltad,
    AddDeltaDict,
    GeneratorPerturbationD,
    GeneratorPerturbationd,
    GeneratorPerturbationDict,
    SurrogatePerturbationD,
    SurrogatePerturbationd,
    SurrogatePerturbationDict,
    SyntheticPerturbationD,
    SyntheticPerturbationd,
    SyntheticPerturbationDict,
)

__all__ = [
    "AddDelta",
    "AddDeltaD",
    "AddDeltaDict",
    "AddDeltad",
    "DeltaTransform",
    "DeltaTransformd",
    "GeneratorPerturbation",
    "GeneratorPerturbationD",
    "GeneratorPerturbationDict",
    "GeneratorPerturbationd",
    "SurrogatePerturbation",
    "SurrogatePerturbationD",
    "SurrogatePerturbationDict",
    "SurrogatePerturbationd",
    "SyntheticPerturbation",
    "SyntheticPerturbationD",
    "SyntheticPerturbationDict",
    "SyntheticPerturbationd",
]
