"""Run the command line inside the test's process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from monai_unlearnable.cli import main
from tests.small_data import class_images


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Answer]


def run_main(capsys: Any, *words: object) -> Answer:
    capsys.readouterr()
    code = main([str(one) for one in words])
    captured = capsys.readouterr()
    return Answer(code, captured.out, captured.err)


def write_pictures(folder: Path, *, per_class: int = 4, size_px: int = 12, seed: int = 0) -> Path:
    """Write ``folder/{left,right}/<number>.png``, small enough for a run of every method in a second or two."""
    images, labels = class_images(per_class=per_class, size_px=size_px, seed=seed)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        target = folder / ("left", "right")[label] / f"{number:03d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target)
    return folder


def write_archive(path: Path, *, per_class: int = 4, size_px: int = 12) -> Path:
    arrays: dict[str, Any] = {}
    for seed, split in enumerate(("train", "val", "test")):
        images, labels = class_images(per_class=per_class, size_px=size_px, seed=seed)
        arrays |= {f"{split}_images": images, f"{split}_labels": labels[:, None].astype(np.uint8)}
    np.savez(path, **arrays)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in folder.rglob("*") if one.is_file()}
