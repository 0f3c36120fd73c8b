"""Trained networks that a ledger keeps, for images that arrive later."""

from __future__ import annotations

import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from monai_unlearnable.engines import ProtectionEngine
from monai_unlearnable.errors import LedgerError
from monai_unlearnable.perturbations import GeneratedDeltas
from monai_unlearnable.release.atomic import PRIVATE_FILE, atomic_file
from monai_unlearnable.surrogates import Surrogate
from monai_unlearnable.workflows.context import RecipeContext
from monai_unlearnable.workflows.view_limits import find_view_limits, view_radii

__all__ = ["GENERATOR_NAME", "SURROGATE_NAME", "first_line", "keep_networks", "load_frozen", "read_weights"]

SURROGATE_NAME = "surrogate.pt"
"""File of a ledger that holds the weights of its run's surrogate."""

GENERATOR_NAME = "generator.pt"
"""File of a ledger that holds its run's generator: ``weights``, ``seen_px``, and ``radii`` in views (see
:class:`~monai_unlearnable.workflows.kept_generator.KeptGenerator`)."""


def keep_networks(folder: Path, engine: ProtectionEngine, context: RecipeContext) -> None:
    """Write the networks that an engine's deltas were made with, readable for the owner only.

    Args:
        folder: of the ledger.
        engine: has made its last pass.
        context: of the run.
    """
    # A method inside a region wraps the one that has the generator.
    method = getattr(engine.perturbation, "perturbation", engine.perturbation)
    if isinstance(method, GeneratedDeltas):
        radii = list(view_radii(find_view_limits(context)))
        kept = {"weights": method.generator.state_dict(), "seen_px": method.size_px, "radii": radii}
        _write(folder / GENERATOR_NAME, kept)
    if engine.surrogate is not None:
        _write(folder / SURROGATE_NAME, engine.surrogate.state_dict())


def read_weights(path: Path, device: str | torch.device, *, what: str) -> Any:
    """Read such a file; no code of it is run.

    Args:
        path: the file.
        device: where tensors go.
        what: which network it holds, for messages.

    Raises:
        LedgerError: it is not there, or cannot be read.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise LedgerError(f"{path}: is not there; this run kept no {what}.") from error
    except (OSError, RuntimeError, UnpicklingError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise LedgerError(f"{path}: cannot be read ({first_line(error)}).") from error


def load_frozen(surrogate: Surrogate, weights: Any, path: Path) -> None:
    """Give a network the weights that were read from a file, and freeze it.

    Raises:
        LedgerError: the weights are of another network; names the file.
    """
    try:
        surrogate.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise LedgerError(f"{path}: is not of this recipe's network ({first_line(error)}).") from error
    surrogate.eval().requires_grad_(False)


def first_line(error: Exception) -> str:
    """Return the beginning of what an error says."""
    return (str(error).partition("\n")[0] or type(error).__name__)[:200]


def _write(path: Path, content: Any) -> None:
    with atomic_file(path, permissions=PRIVATE_FILE) as unfinished:
        torch.save(content, unfinished)
