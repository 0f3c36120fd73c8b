"""Sets of countermeasures that an audit takes together."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["SUITES"]

_QUICK = ("jpeg:75", "blur:1", "low-resolution:0.5")
_STANDARD = (
    *("jpeg:90", "jpeg:75", "jpeg:50", "jpeg:30", "jpeg:10"),
    *("grey", "blur:1", "low-resolution:0.5"),
    *("adversarial:2/255", "adversarial:4/255", "adversarial:8/255"),
    *("ueraser", "projection", "pretrained:all"),
)
_FULL = (
    *_STANDARD,
    *("bits:2", "median:1", "gamma:1.5", "jpeg2000:10", "noise:8/255"),
    *("notch", "affine", "cutout", "mixup", "cutmix", "pretrained:last", "self-supervised"),
    *("clean-part:0.1", "clean-part-alone:0.1", "clean-part:0.2", "clean-part-alone:0.2"),
    *("clean-part:0.5", "clean-part-alone:0.5", "early-stopping:0.1"),
)

SUITES: Mapping[str, tuple[str, ...]] = MappingProxyType({"quick": _QUICK, "standard": _STANDARD, "full": _FULL})
"""The countermeasures of each suite (:data:`~monai_unlearnable.audit.adversaries.COUNTERMEASURES`); each victim is
trained without any, too.

``quick`` takes about 4 times as long as an audit without countermeasures. Adversarial training takes 11 times as long
as a plain one (8 times of masks), the worst of five versions about 6 times, a pretrained victim twice as long, a
self-supervised one 11 times: so ``standard`` takes about 50 times as long and ``full`` 75 times. Measured on
BreastMNIST with a small DenseNet, one core of a machine without a GPU: 40 times, which is 8 minutes for each seed, and
as long again for the clean files of the first audit.
"""
