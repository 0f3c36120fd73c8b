"""WHEN are deltas updated? The engine, and its handlers."""

from monai_unlearnable.engines.checkpoint import SaveProtection
from monai_unlearnable.engines.handlers import StartFrom, StopWhenFitted, TrainSurrogate
from monai_unlearnable.engines.min_min import GeneratorWithSurrogates, PrepareGeneratorViews, ViewLimits
from monai_unlearnable.engines.min_min_handlers import RenewSurrogates, TrainGenerator
from monai_unlearnable.engines.prepare import PrepareClean, PrepareProtected, PrepareViews
from monai_unlearnable.engines.protection import ProtectionEngine

__all__ = [
    "GeneratorWithSurrogates",
    "PrepareClean",
    "PrepareGeneratorViews",
    "PrepareProtected",
    "PrepareViews",
    "ProtectionEngine",
    "RenewSurrogates",
    "SaveProtection",
    "StartFrom",
    "StopWhenFitted",
    "TrainGenerator",
    "TrainSurrogate",
    "ViewLimits",
]
