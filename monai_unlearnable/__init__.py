"""Protect shared medical images from unauthorised training, on top of MONAI.

Importing the package loads neither PyTorch nor MONAI: a public name is loaded from its room when it
is first used, so that ``monai-unlearnable --help`` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monai_unlearnable.audit import audit_release as audit_release
    from monai_unlearnable.budgets import L2Budget as L2Budget
    from monai_unlearnable.budgets import LinfBudget as LinfBudget
    from monai_unlearnable.engines import ProtectionEngine as ProtectionEngine
    from monai_unlearnable.errors import UnlearnableError as UnlearnableError
    from monai_unlearnable.release import restore_release as restore_release
    from monai_unlearnable.release import verify_release as verify_release
    from monai_unlearnable.sources import open_source as open_source
    from monai_unlearnable.stores import MappedStore as MappedStore
    from monai_unlearnable.stores import MemoryStore as MemoryStore
    from monai_unlearnable.transforms import AddDeltad as AddDeltad
    from monai_unlearnable.transforms import GeneratorPerturbationd as GeneratorPerturbationd
    from monai_unlearnable.transforms import SurrogatePerturbationd as SurrogatePerturbationd
    from monai_unlearnable.transforms import SyntheticPerturbationd as SyntheticPerturbationd
    from monai_unlearnable.workflows import AutoregressiveRecipe as AutoregressiveRecipe
    from monai_unlearnable.workflows import ErrorMinimizingRecipe as ErrorMinimizingRecipe
    from monai_unlearnable.workflows import GeneratorRecipe as GeneratorRecipe
    from monai_unlearnable.workflows import LinearErrorMinimizingRecipe as LinearErrorMinimizingRecipe
    from monai_unlearnable.workflows import ProtectionRun as ProtectionRun
    from monai_unlearnable.workflows import RobustErrorMinimizingRecipe as RobustErrorMinimizingRecipe
    from monai_unlearnable.workflows import SyntheticRecipe as SyntheticRecipe
    from monai_unlearnable.workflows import TargetedAdversarialRecipe as TargetedAdversarialRecipe
    from monai_unlearnable.workflows import load_generator as load_generator
    from monai_unlearnable.workflows import load_surrogate as load_surrogate
    from monai_unlearnable.workflows.protect import protect as protect

__version__ = "0.1.0"

_PUBLIC = {
    "AddDeltad": "monai_unlearnable.transforms",
    "AutoregressiveRecipe": "monai_unlearnable.workflows",
    "ErrorMinimizingRecipe": "monai_unlearnable.workflows",
    "GeneratorPerturbationd": "monai_unlearnable.transforms",
    "GeneratorRecipe": "monai_unlearnable.workflows",
    "L2Budget": "monai_unlearnable.budgets",
    "LinearErrorMinimizingRecipe": "monai_unlearnable.workflows",
    "LinfBudget": "monai_unlearnable.budgets",
    "MappedStore": "monai_unlearnable.stores",
    "MemoryStore": "monai_unlearnable.stores",
    "ProtectionEngine": "monai_unlearnable.engines",
    "ProtectionRun": "monai_unlearnable.workflows",
    "RobustErrorMinimizingRecipe": "monai_unlearnable.workflows",
    "SurrogatePerturbationd": "monai_unlearnable.transforms",
    "SyntheticPerturbationd": "monai_unlearnable.transforms",
    "SyntheticRecipe": "monai_unlearnable.workflows",
    "TargetedAdversarialRecipe": "monai_unlearnable.workflows",
    "UnlearnableError": "monai_unlearnable.errors",
    "audit_release": "monai_unlearnable.audit",
    "load_generator": "monai_unlearnable.workflows",
    "load_surrogate": "monai_unlearnable.workflows",
    "open_source": "monai_unlearnable.sources",
    "protect": "monai_unlearnable.workflows",
    "restore_release": "monai_unlearnable.release",
    "verify_release": "monai_unlearnable.release",
}
"""Where each public name is found. Add a name here and in the imports above."""

__all__ = [
    "AddDeltad",
    "AutoregressiveRecipe",
    "ErrorMinimizingRecipe",
    "GeneratorPerturbationd",
    "GeneratorRecipe",
    "L2Budget",
    "LinearErrorMinimizingRecipe",
    "LinfBudget",
    "MappedStore",
    "MemoryStore",
    "ProtectionEngine",
    "ProtectionRun",
    "RobustErrorMinimizingRecipe",
    "SurrogatePerturbationd",
    "SyntheticPerturbationd",
    "SyntheticRecipe",
    "TargetedAdversarialRecipe",
    "UnlearnableError",
    "__version__",
    "audit_release",
    "load_generator",
    "load_surrogate",
    "open_source",
    "protect",
    "restore_release",
    "verify_release",
]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
