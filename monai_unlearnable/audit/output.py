"""The audit's own output folder: what may be written where."""

from __future__ import annotations

import json
from pathlib import Path

from monai_unlearnable.audit.runs import write_atomically
from monai_unlearnable.errors import ReleaseError

__all__ = ["check_outside", "claim_output"]

_MARKER = "about_this_folder.json"
_CONTENT = {"written_by": "monai-unlearnable audit"}


def check_outside(folder: Path, *, inputs: tuple[Path, ...]) -> None:
    """Check that a folder may be written to.

    Args:
        folder: where the audit is to write.
        inputs: files and folders that it reads and must never write into.

    Raises:
        ReleaseError: the folder lies inside an input.
    """
    for one in inputs:
        if one.is_dir() and folder.resolve().is_relative_to(one.resolve()):
            raise ReleaseError(f"{folder}: lies inside {one}, which an audit only reads; choose another folder.")


def claim_output(output: Path) -> None:
    """Make the output folder and mark it as an audit's own.

    Raises:
        ReleaseError: it is a file, or holds something that no audit wrote.
    """
    if output.exists() and not output.is_dir():
        raise ReleaseError(f"{output}: is a file; an audit writes into a folder of its own.")
    if output.is_dir() and any(output.iterdir()) and not _is_own(output):
        raise ReleaseError(f"{output}: is not empty and no audit wrote it; choose a new folder.")
    write_atomically(output / _MARKER, json.dumps(_CONTENT) + "\n")


def _is_own(output: Path) -> bool:
    try:
        return bool(json.loads((output / _MARKER).read_text(encoding="utf-8")) == _CONTENT)
    except (OSError, ValueError):
        return False
