"""Grey pictures against error-minimizing deltas of colour pictures, computed here and read back from the release.

What networks read off colours they read first, because the channels of a picture rise and fall together; deltas of
masks begin there, and a grey picture has next to nothing of them (Liu et al., "Image Shortcut Squeezing", ICML 2023).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from PIL import Image

from monai_unlearnable.audit import audit_release, default_recipe
from monai_unlearnable.audit.adversaries import with_adversaries
from monai_unlearnable.sources import Task
from monai_unlearnable.workflows import ErrorMinimizingRecipe, protect
from tests.workflows.test_generator_learns import three_convolutions

SIZE_PX = 24


def grainy_discs(folder: Path, *, count: int, seed: int) -> Path:
    """Write colour pictures of a disc of coarse grain among even blocks, and its masks; colours differ by a little."""
    random = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX]
        middle = random.integers(6, SIZE_PX - 6, 2)
        disc = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < random.integers(25, 40)
        grey = random.integers(60, 180, (6, 6)).repeat(4, 0).repeat(4, 1) + random.integers(-14, 15, disc.shape) * disc
        colours = grey[..., None] + random.integers(-1, 2, (SIZE_PX, SIZE_PX, 3))
        Image.fromarray(colours.astype(np.uint8)).save(folder / "images" / f"{number:03d}.png")
        Image.fromarray((255 * disc).astype(np.uint8)).save(folder / "masks" / f"{number:03d}.png")
    return folder


FROM_STRIPES = ErrorMinimizingRecipe(dense_networks=(three_convolutions,), max_rounds=3, surrogate_epochs=4, steps=8)
FROM_ZERO = replace(FROM_STRIPES, start=None, dense_enough_loss=None, min_rounds=4, max_rounds=4, surrogate_epochs=3)
"""As published, but with masks (Huang et al., ICLR 2021)."""


@pytest.mark.parametrize(("recipe", "kept"), [(FROM_STRIPES, 0.5), (FROM_ZERO, 0.7)], ids=["stripes", "zero"])
def test_readers_of_grey_pictures_learn_and_others_less(
    recipe: ErrorMinimizingRecipe, kept: float, tmp_path: Path
) -> None:
    train, test = (grainy_discs(tmp_path / name, count=size, seed=size) for name, size in (("train", 60), ("test", 30)))
    report = protect(
        train, output=tmp_path / "release", ledger=tmp_path / "ledger", recipe=recipe, radius="12/255", seed=3
    )
    assert report.held
    victim = replace(
        default_recipe(Task.SEGMENTATION), name="small", network=three_convolutions, epochs=15, batch_size=8
    )
    audit = audit_release(
        tmp_path / "release",
        clean=train,
        test=test,
        output=tmp_path / "audit",
        recipes=with_adversaries([victim], ["grey"], dense=True),
        seeds=2,
    )
    plain, grey = (
        [mean(one.score for one in side) for side in (found.released, found.clean)] for found in audit.outcomes
    )
    assert plain[0] < kept * plain[1] and grey[0] > 0.8 * grey[1]
    assert grey[0] > plain[0] + 0.1
