"""Recompute what readers who take countermeasures get out of protected masks of each method, and write the tables.

Every step that is finished is kept, so a stopped run goes on where it was:

    python bundles/segmentation_protection/countermeasures.py --data ../shared/data --work reproduce_output
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the bundles share how figures are made
from against_countermeasures import KINDS, against_countermeasures, variant
from data_sets import DATA_SETS
from reproduce import ERROR_MINIMIZING, GENERATOR, ONE_PHASE, UNET
from reproduction import Experiment, main

from monai_unlearnable.audit import VictimRecipe
from monai_unlearnable.audit.adversaries import with_adversaries
from monai_unlearnable.audit.extras import Extra
from monai_unlearnable.audit.pretraining import Pretraining
from monai_unlearnable.workflows import (
    AutoregressiveRecipe,
    Recipe,
    RobustErrorMinimizingRecipe,
    TargetedAdversarialRecipe,
)

FOLDER = Path(__file__).parent
VICTIM = replace(UNET, name="unet", epochs=6, image_size_px=64)
"""Adversarial training of it takes minutes where that of the one that looks at 128 pixels takes half an hour."""
ROBUST = RobustErrorMinimizingRecipe(surrogate_epochs=2, steps=8, min_rounds=2, max_rounds=6)
ALIKE = replace(ONE_PHASE, channel_signs=(1, 1, -1))
"""Stripes of which grey pictures keep three quarters, in the place of a sixth."""
METHODS: tuple[tuple[str, str, Recipe], ...] = (
    ("", "8/255", ONE_PHASE),
    ("", "8/255", AutoregressiveRecipe()),
    ("", "8/255", ERROR_MINIMIZING),
    ("", "8/255", ROBUST),
    ("", "8/255", TargetedAdversarialRecipe(surrogate_epochs=10, steps=20)),
    ("", "8/255", GENERATOR),
    ("red and green alike", "8/255", ALIKE),
    ("red and green alike", "16/255", ALIKE),
)
"""What tells a method from others of its name, its radius, and how it is set up."""


def victims(data: Path) -> tuple[VictimRecipe, ...]:
    """Return a U-Net under every countermeasure; pretrained ones have learnt pictures that nobody releases."""
    other = Pretraining(source=data / "kvasir_seg", labels=FOLDER / "other_images.csv")
    return with_adversaries([VICTIM], KINDS, dense=True, other=other)


def experiments(big: bool, data: Path) -> list[Experiment]:
    """Return every method; ``big`` makes no difference."""
    return [
        Experiment(
            dataset="kvasir",
            radius=radius,
            recipe=recipe,
            victims=victims(data),
            variant=variant(words),
            extras=(Extra.AUTHORISED_USE,),
        )
        for words, radius, recipe in METHODS
    ]


BUNDLE = against_countermeasures(FOLDER, __doc__ or "", DATA_SETS, experiments)

if __name__ == "__main__":
    sys.exit(main(BUNDLE))
