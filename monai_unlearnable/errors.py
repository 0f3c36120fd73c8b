"""The few exceptions that a caller can act on.

Every message names the file or sample, the rule, the value that broke it and what to do.
"""

from __future__ import annotations

__all__ = [
    "BudgetError",
    "DivergedError",
    "LedgerError",
    "NotApplicableError",
    "ReleaseError",
    "SourceError",
    "StoreError",
    "UnlearnableError",
]


class UnlearnableError(Exception):
    """Base of every error that this package raises on purpose."""


class BudgetError(UnlearnableError, ValueError):
    """A radius, range or delta that breaks the rules of a budget."""


class SourceError(UnlearnableError, ValueError):
    """Images, labels or sample ids that cannot be read or do not match."""


class StoreError(UnlearnableError, ValueError):
    """A store that does not fit what it is used for, or a damaged one."""


class DivergedError(UnlearnableError, ArithmeticError):
    """A surrogate or delta that is no longer finite."""


class ReleaseError(UnlearnableError, ValueError):
    """A release that cannot be written, read or trusted."""


class LedgerError(UnlearnableError, ValueError):
    """A ledger that is missing, damaged, in the wrong place, or of another release."""


class NotApplicableError(UnlearnableError, ValueError):
    """A countermeasure that such images cannot undergo; to be reported as that, never as survived."""
