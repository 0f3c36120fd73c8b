"""Whether a source is a release itself."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["MANIFEST_NAME", "SOFTWARE_NAME", "is_release"]

MANIFEST_NAME = "manifest.json"
SOFTWARE_NAME = "monai-unlearnable"
_LONGEST_BYTES = 1 << 28


def is_release(path: str | Path) -> bool:
    """Tell whether the manifest of a release of this software lies in a folder, or beside a file."""
    where = Path(path)
    manifest = (where if where.is_dir() else where.parent) / MANIFEST_NAME
    try:
        if manifest.stat().st_size > _LONGEST_BYTES:
            return False
        content = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    software = content.get("software") if isinstance(content, dict) else None
    return isinstance(software, dict) and software.get("name") == SOFTWARE_NAME
