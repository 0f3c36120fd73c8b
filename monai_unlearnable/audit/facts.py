"""What a release says about itself in its public manifest; read as plain JSON and never trusted."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ReleaseFacts", "read_facts"]

_LONGEST_TEXT = 200


@dataclass(frozen=True)
class ReleaseFacts:
    """The claims of a manifest that the report repeats.

    Attributes:
        has_manifest: whether there is a readable ``manifest.json``.
        method: name of the perturbation.
        norm: ``linf`` or ``l2``.
        radius_levels: largest delta in levels, by that norm.
        radius_given: the radius as its owner wrote it, such as ``8/255``.
        jpeg_sources: how many released files were made from lossy JPEG files.
    """

    has_manifest: bool = False
    method: str | None = None
    norm: str | None = None
    radius_levels: float | None = None
    radius_given: str | None = None
    jpeg_sources: int = 0


def read_facts(release: str | Path) -> ReleaseFacts:
    """Read ``manifest.json`` beside the released files; anything missing or odd is left out."""
    where = Path(release)
    try:
        content = json.loads(((where if where.is_dir() else where.parent) / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return ReleaseFacts()
    if not isinstance(content, dict):
        return ReleaseFacts()
    budget = content.get("budget")
    budget = budget if isinstance(budget, dict) else {}
    files = content.get("files")
    entries = files if isinstance(files, list) else []
    jpeg = [one for one in entries if isinstance(one, dict) and one.get("source_format") == "jpeg"]
    return ReleaseFacts(
        has_manifest=True,
        method=_text(content.get("method")),
        norm=_text(budget.get("norm")),
        radius_levels=_number(budget.get("radius_levels")),
        radius_given=_text(budget.get("radius_given")),
        jpeg_sources=len(jpeg),
    )


def _text(value: Any) -> str | None:
    return value[:_LONGEST_TEXT] if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None
