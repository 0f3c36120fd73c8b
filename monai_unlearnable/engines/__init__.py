"""WHEN are deltas updated? The engine, and its handlers."""

from monai_unlearnable.engines.checkpoint import SaveProtection
from monai_unlearnable.engines.handlers import StartFrom, StopWhenFitted, TrainSurrogate
from monai_unlearnable.engines.prepare import PrepareClean, PrepareProtected, PrepareViews
from monai_unlearnable.engines.protection import ProtectionEngine

__all__ = [
    "PrepareClean",
    "PrepareProtected",
    "PrepareViews",
    "ProtectionEngine",
    "SaveProtection",
    "StartFrom",
    "StopWhenFitted",
    "TrainSurrogate",
]
