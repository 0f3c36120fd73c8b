"""Finished trainings on disk, so that a killed audit goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import monai
import torch
from torch import Tensor

from monai_unlearnable.audit.dense_scores import DenseScores
from monai_unlearnable.audit.loading import ImageSet
from monai_unlearnable.audit.packed import PackedMap
from monai_unlearnable.audit.training import TrainingResult
from monai_unlearnable.audit.victims import VictimRecipe

__all__ = ["RunFolder", "run_key", "write_atomically"]

_TRAINING_VERSION = 1
"""Raised whenever the same recipe, data and seed no longer mean the same training."""


def run_key(
    recipe: VictimRecipe,
    train: ImageSet,
    test: ImageSet,
    *,
    seed: int,
    start: ImageSet | None = None,
    validation: ImageSet | None = None,
) -> str:
    """Hash everything that decides a training's outcome: all data, recipe, seed, versions."""
    facts = {
        "training_version": _TRAINING_VERSION,
        "recipe": recipe.describe(),
        "seed": seed,
        "train": train.sha256,
        "test": test.sha256,
        "classes": train.class_count,
        "monai": monai.__version__,
        "torch": torch.__version__,
        **({} if start is None else {"start": start.sha256}),
        **({} if validation is None else {"validation": validation.sha256}),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class RunFolder:
    """A folder of finished trainings: a JSON file for each key, and for those of a start the weights.

    Args:
        path: the folder; made when the first training is saved.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, key: str) -> TrainingResult | None:
        """Return the training of this key; None where there is none or its file is damaged."""
        content = self.load_json(key)
        try:
            parsed = None if content is None else _parsed(content)
            whole = parsed is not None and _is_whole(parsed)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return parsed if whole else None

    def save(self, key: str, result: TrainingResult, *, about: dict[str, Any]) -> None:
        """Write a finished training, with ``about`` (JSON values) for people who read the file."""
        self.save_json(key, asdict(result), about=about)

    def load_json(self, key: str) -> dict[str, Any] | None:
        """Return the JSON values that were saved under a key; None where there are none or their file is damaged."""
        try:
            content = json.loads(self._file(key).read_text(encoding="utf-8"), parse_constant=_refuse)
            found = content["result"] if content["key"] == key else None
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def save_json(self, key: str, result: dict[str, Any], *, about: dict[str, Any]) -> None:
        """Write JSON values under a key, with ``about`` (JSON values) for people who read the file."""
        content = {"key": key, **about, "result": result}
        write_atomically(self._file(key), json.dumps(content, indent=2, allow_nan=False) + "\n")

    def load_weights(self, key: str) -> dict[str, Tensor] | None:
        """Return the weights that were saved under a key; None where there are none or their file is damaged."""
        try:
            content = torch.load(self._file(key, ".pt"), map_location="cpu", weights_only=True)
        except (FileNotFoundError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
            return None
        if not isinstance(content, dict) or content.pop("key", None) != key:
            return None
        return content if all(isinstance(one, Tensor) for one in content.values()) else None

    def save_weights(self, key: str, weights: Mapping[str, Tensor]) -> None:
        """Write a network's weights under a key."""
        file = self._file(key, ".pt")
        part = file.with_name(f".{file.name}.{os.getpid()}.part")
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save({**{name: one.cpu() for name, one in weights.items()}, "key": key}, part)
        part.replace(file)

    def _file(self, key: str, ending: str = ".json") -> Path:
        return self._path / f"{key[:32]}{ending}"


def write_atomically(path: Path, text: str) -> None:
    """Write a text file that is complete or absent, never half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _parsed(content: dict[str, Any]) -> TrainingResult:
    curves = {name: tuple(content[name]) for name in ("loss_curve", "score_curve")}
    dense, predictions = content.get("dense"), content.get("predictions", ())
    return TrainingResult(
        **{
            **content,
            **curves,
            "dense": None if dense is None else DenseScores.from_json(dense),
            "predictions": tuple(map(PackedMap.from_json, predictions)),
        }
    )


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON.")


def _is_whole(result: TrainingResult) -> bool:
    numbers = [result.score, result.peak, result.seconds, *result.loss_curve, *result.score_curve]
    return bool(result.score_curve) and all(math.isfinite(one) for one in numbers)
