"""``AddDeltad`` on a mapped store against ``LoadImaged`` of the same PNG files."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import PILReader
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged
from PIL import Image

from monai_unlearnable.stores import MappedStore, StoreHeader
from monai_unlearnable.transforms import AddDeltad
from tests.benchmarks.measure import Outcome, Ratio, Row, Size, interleaved_seconds, quotients, scaled

_SIDE_PX = 256
_RADIUS = 8


def run(size: Size) -> Outcome:
    """Time loading, adding, and both as one chain."""
    with tempfile.TemporaryDirectory() as folder:
        items = _write_pictures(Path(folder), size.pictures)
        store = _store(Path(folder) / "store", [item["sample_id"] for item in items])
        with warnings.catch_warnings():
            # MONAI looks for an optional decoder of DICOM files whatever it is about to read.
            warnings.filterwarnings("ignore", "NvImgCodecPydicomReader")
            reader: Any = PILReader(reverse_indexing=False)
            load = LoadImaged("image", reader=reader, image_only=True)
        add = AddDeltad("image", store, valid_range=(0, 255))
        loaded = [EnsureChannelFirstd("image")(load(item)) for item in items]
        chain = Compose([load, EnsureChannelFirstd("image"), add])
        functions = {
            "LoadImaged": lambda: [load(item) for item in items],
            "AddDeltad": lambda: [add(item) for item in loaded],
            "LoadImaged and AddDeltad in a Compose": lambda: [chain(item) for item in items],
        }
        seconds = interleaved_seconds(functions, size)
    rows = (Row(name=name, unit="ms per image", values=scaled(s, 1e3 / len(items))) for name, s in seconds.items())
    loading, adding, both = (seconds[name] for name in functions)
    return Outcome(
        tuple(rows),
        (
            Ratio(name="AddDeltad / LoadImaged", values=quotients(adding, loading)),
            Ratio(name="AddDeltad's share of the chain", values=quotients(adding, both)),
        ),
    )


def _write_pictures(folder: Path, count: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:_SIDE_PX, 0:_SIDE_PX]
    items = []
    for number in range(count):
        # Smooth with a little grain, so that PNG has about as much to unpack as in a radiograph.
        smooth = 128 + 80 * np.sin(rows / (20 + number % 7)) * np.cos(columns / 31)
        pixels = np.clip(smooth + random.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)
        path = folder / f"{number:04d}.png"
        Image.fromarray(pixels).save(path)
        items.append({"image": str(path), "sample_id": path.name})
    return items


def _store(directory: Path, sample_ids: list[str]) -> MappedStore:
    shape = (1, _SIDE_PX, _SIDE_PX)
    store = MappedStore.create(directory, StoreHeader(dict.fromkeys(sample_ids, shape), _RADIUS, {}, "synthetic", 0))
    generator = torch.Generator().manual_seed(0)
    for sample_id in sample_ids:
        store.write([sample_id], torch.randint(-_RADIUS, _RADIUS + 1, (1, *shape), generator=generator))
    return store
