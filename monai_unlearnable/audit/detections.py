"""Look for what was added to the files of a release, once: what was found is kept."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import monai
import torch

from monai_unlearnable.audit.detector import LEAST_PAIRS, MOST_PAIRS, SEEDS, Detection, LookResult, LookRun, detect
from monai_unlearnable.audit.detector_views import read_pairs
from monai_unlearnable.audit.pairing import AuditData
from monai_unlearnable.audit.runs import RunFolder
from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Task

__all__ = ["comparable_pairs", "detect_in"]

_DETECTION_VERSION = 1
"""Raised whenever the same files no longer give the same result."""


def comparable_pairs(data: AuditData) -> tuple[tuple[int, int], ...]:
    """Return pairs (index in release, index in clean) of one shape each: all, or a draw of so many as are enough.

    Raises:
        SourceError: there are too few.
    """
    same = [one for one in data.pairs if data.release.shape(one[0]) == data.clean.shape(one[1])]
    if len(same) < LEAST_PAIRS:
        raise SourceError(
            f"{data.release.path}: {len(same)} released images have the shape of their originals; to look for what was "
            f"added, {LEAST_PAIRS} are needed. Leave the detector out."
        )
    drawn = torch.randperm(len(same), generator=torch.Generator().manual_seed(0))[:MOST_PAIRS]
    return tuple(same[at] for at in drawn.sort().values.tolist())


def detect_in(data: AuditData, *, runs: RunFolder, resume: bool) -> Detection:
    """Look for what was added to the files of a release, or read what was found in the same files before.

    Args:
        data: what is audited.
        runs: where findings are kept.
        resume: use them again.

    Raises:
        SourceError: there are too few images, or one cannot be read.
    """
    views = read_pairs(data, comparable_pairs(data), labelled=data.clean.task is Task.SINGLE_LABEL)
    facts = [_DETECTION_VERSION, views.sha256, SEEDS, monai.__version__, torch.__version__]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    kept = runs.load_json(key) if resume else None
    found = None if kept is None else _parsed(kept)
    if found is None:
        found = detect(views)
        runs.save_json(key, found.to_json(), about={"looked_for": "what was added"})
    return found


def _parsed(content: dict[str, Any]) -> Detection | None:
    try:
        looks = [tuple(map(_look, content[name])) for name in ("released", "classes")]
        found = Detection(content["pairs"], *looks)
        return found if found.to_json() == content and type(found.pairs) is int else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _look(content: dict[str, Any]) -> LookResult:
    return LookResult(content["look"], content["network"], tuple(LookRun(**one) for one in content["runs"]))
