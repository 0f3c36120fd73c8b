"""What a release says about itself in its public manifest; read as plain JSON and never trusted."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ReleaseFacts", "read_facts", "read_radii"]

_LONGEST_TEXT = 200


@dataclass(frozen=True)
class ReleaseFacts:
    """The claims of a manifest that the report repeats.

    Attributes:
        has_manifest: whether there is a readable ``manifest.json``.
        method: name of the perturbation.
        norm: ``linf`` or ``l2``.
        radius_levels: largest delta in levels, by that norm; where images have several radii, the largest of them.
        smallest_radius_levels: the smallest of them.
        radius_given: the radius as its owner wrote it, such as ``8/255``.
        jpeg_sources: how many released files were made from lossy JPEG files.
    """

    has_manifest: bool = False
    method: str | None = None
    norm: str | None = None
    radius_levels: float | None = None
    smallest_radius_levels: float | None = None
    radius_given: str | None = None
    jpeg_sources: int = 0


def read_facts(release: str | Path) -> ReleaseFacts:
    """Read ``manifest.json`` beside the released files; anything missing or odd is left out."""
    content = _read_manifest(release)
    if content is None:
        return ReleaseFacts()
    budgets = _dictionaries(content.get("budgets"))
    radii = [radius for one in budgets if (radius := _number(one.get("radius_levels"))) is not None]
    norms = {_text(one.get("norm")) for one in budgets}
    jpeg = [one for one in _dictionaries(content.get("files")) if one.get("source_format") == "jpeg"]
    return ReleaseFacts(
        has_manifest=True,
        method=_text(content.get("method")),
        norm=norms.pop() if len(norms) == 1 else None,
        radius_levels=max(radii, default=None),
        smallest_radius_levels=min(radii, default=None),
        radius_given=_text(content.get("radius_given")),
        jpeg_sources=len(jpeg),
    )


def read_radii(release: str | Path) -> dict[str, tuple[float, ...]]:
    """Read from ``manifest.json`` how far the stored values of each file's images may be from the originals.

    Returns:
        By the name of a file, or of the folder of a volume's slices: one radius for all its images, or one for each in
        order, in stored values. Anything missing or odd is left out.
    """
    content = _read_manifest(release) or {}
    budgets = content.get("budgets")
    radii = [_stored_radius(one) for one in budgets] if isinstance(budgets, list) else []
    found: dict[str, tuple[float, ...]] = {}
    for one in _dictionaries(content.get("files")):
        name, places = one.get("volume") or one.get("name"), one.get("budgets")
        if not isinstance(name, str) or not isinstance(places, list) or not places:
            continue
        chosen = [radii[place] for place in places if type(place) is int and 0 <= place < len(radii)]
        known = [radius for radius in chosen if radius is not None]
        if len(known) == len(places):
            found[name] = tuple(known)
    return found


def _read_manifest(release: str | Path) -> dict[str, Any] | None:
    where = Path(release)
    try:
        content = json.loads(((where if where.is_dir() else where.parent) / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _dictionaries(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _stored_radius(budget: Any) -> float | None:
    if not isinstance(budget, dict):
        return None
    radius, size = _number(budget.get("radius_levels")), _number(budget.get("stored_level_size", 1.0))
    return None if radius is None or size is None else radius * size


def _text(value: Any) -> str | None:
    return value[:_LONGEST_TEXT] if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None
