"""WHAT may a reader do to a release, before or while training on it? Nothing here knows how it was protected."""

from monai_unlearnable.countermeasures.adversarial import AdversarialSteps
from monai_unlearnable.countermeasures.adversarial_training import AdversarialTraining

__all__ = ["AdversarialSteps", "AdversarialTraining"]
