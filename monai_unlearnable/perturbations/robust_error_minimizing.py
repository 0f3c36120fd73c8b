"""Error-minimizing deltas that outlast what readers do against deltas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from monai_unlearnable.perturbations.error_minimizing import ErrorMinimizing

__all__ = ["RobustErrorMinimizing"]


@dataclass(frozen=True, kw_only=True)
class RobustErrorMinimizing(ErrorMinimizing):
    """The inner minimum of ``min_theta E[min_delta E_T max_rho L(f(T(x + delta) + rho), y)]``.

    (Fu et al., ICLR 2022, eq. 7; with one uniform draw in the place of the inner maximum of a delta step: Liu et al.,
    AAAI 2024.) The outer maximum is the surrogate's adversarial training; ``T`` and the draw belong to the surrogate's
    :class:`~monai_unlearnable.surrogates.ReaderWays`, so that what is called here is drawn anew at every step.
    """

    name: ClassVar[str] = "robust_error_minimizing"
    keep_best: bool = False
