"""Run a configuration of the bundle in this process, as ``python -m monai.bundle run`` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from monai.bundle import ConfigWorkflow

from tests.small_data import class_images

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
BUNDLE = BUNDLES / "classification_protection"
CONFIGS = BUNDLE / "configs"


def make_workflow(
    *names: str, bundle: Path = BUNDLE, workflow_type: str | None = None, **overrides: Any
) -> ConfigWorkflow:
    """Read configurations, a later one over the earlier ones, and start nothing."""
    files = [str(bundle / "configs" / f"{name}.yaml") for name in names]
    workflow = ConfigWorkflow(config_file=files, logging_file=False, workflow_type=workflow_type, **overrides)
    workflow.initialize()
    return workflow


def run_bundle(*names: str, bundle: Path = BUNDLE, **overrides: Any) -> None:
    """Run configurations; paths become texts, as on a command line."""
    texts = {name: str(value) if isinstance(value, Path) else value for name, value in overrides.items()}
    workflow = make_workflow(*names, bundle=bundle, **texts)
    workflow.run()
    workflow.finalize()


def recorded(ledger: Path) -> dict[str, Any]:
    """The configuration that a ledger holds."""
    content: dict[str, Any] = json.loads((ledger / "ledger.json").read_text(encoding="utf-8"))
    configuration: dict[str, Any] = content["configuration"]
    return configuration


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its relative name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def write_multi_label_npz(path: Path) -> Path:
    """Three label columns: brighter half, bright corner, dark image."""
    arrays: dict[str, Any] = {}
    for seed, split in enumerate(("train", "val", "test")):
        images, labels = class_images(per_class=6, seed=seed)
        corner, dark = np.arange(12) % 3 == 0, np.arange(12) % 4 < 2
        images[corner, :6, :6] = 220
        images[dark] //= 2
        arrays[f"{split}_images"] = images
        arrays[f"{split}_labels"] = np.stack([labels, corner, dark], axis=1).astype(np.uint8)
    np.savez(path, **arrays)
    return path
