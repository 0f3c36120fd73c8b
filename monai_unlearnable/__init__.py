"""Protect shared medical images from unauthorised training, on top of MONAI.

Importing the package loads neither PyTorch nor MONAI: a public name is loaded from its room when it
is first used, so that ``monai-unlearnable --help`` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monai_unlearnable.errors import UnlearnableError as UnlearnableError

__version__ = "0.1.0"

_PUBLIC = {
    "UnlearnableError": "monai_unlearnable.errors",
}
"""Where each public name is found. Add a name here and in the imports above."""

__all__ = ["UnlearnableError", "__version__"]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
