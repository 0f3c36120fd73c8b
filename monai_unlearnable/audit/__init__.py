"""Did it work? Victims trained on the released files, beside a clean baseline and the majority class."""

from monai_unlearnable.audit.outcomes import RecipeOutcome, Verdict
from monai_unlearnable.audit.report import AuditReport
from monai_unlearnable.audit.run import audit_release
from monai_unlearnable.audit.training import TrainingResult, train_victim
from monai_unlearnable.audit.victims import VictimRecipe, adam_optimizer, default_recipe, sgd_optimizer

__all__ = [
    "AuditReport",
    "RecipeOutcome",
    "TrainingResult",
    "Verdict",
    "VictimRecipe",
    "adam_optimizer",
    "audit_release",
    "default_recipe",
    "sgd_optimizer",
    "train_victim",
]
