"""Recompute what adversarial training at half of the deltas' radius gets out of protected masks, and write the table.

The setting of Liu et al. (2023, Table II): deltas of 8/255 against victims of 4/255, and of 16/255 against 8/255, on
pictures that have the size already at which networks look at them. Every step that is finished is kept, so a stopped
run goes on where it was:

    python bundles/segmentation_protection/adversarial_training.py --data ../shared/data --work reproduce_output
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the bundles share how figures are made
from countermeasure_tables import against_countermeasures, variant
from countermeasures import VICTIM
from data_sets import DATA_SETS
from reproduce import ERROR_MINIMIZING
from reproduction import Experiment, main

from monai_unlearnable.audit.adversaries import with_adversaries
from monai_unlearnable.perturbations import Stripes
from monai_unlearnable.surrogates import whole_ways
from monai_unlearnable.workflows import Recipe, SyntheticRecipe

FOLDER = Path(__file__).parent
NAME = "adversarial_training"
HALF_OF = (("8/255", "adversarial:4/255"), ("16/255", "adversarial:8/255"))
ALONG_AXES = Stripes(along_axes=True)
METHODS: tuple[tuple[str, Recipe], ...] = (
    ("", SyntheticRecipe(patterns=ALONG_AXES)),
    ("background half as strong", SyntheticRecipe(patterns=ALONG_AXES, faint_share=0.5)),
    ("", replace(ERROR_MINIMIZING, start=ALONG_AXES, dense_ways=whole_ways)),
)
"""What tells a method from others of its name, and how it is set up."""
UNSHIFTED = replace(VICTIM, name="unet, flips alone", shift=False)
"""Who shifts images as well learns the images under adversarial training, and not the stripes."""


def experiments(big: bool, data: Path) -> Sequence[Experiment]:
    """Return every method at both radii; ``big`` and ``data`` make no difference."""
    return [
        Experiment(
            dataset="kvasir_64px",
            radius=radius,
            recipe=recipe,
            victims=with_adversaries([UNSHIFTED], (kind,), dense=True),
            variant=variant(words, NAME),
        )
        for radius, kind in HALF_OF
        for words, recipe in METHODS
    ]


BUNDLE = against_countermeasures(FOLDER, __doc__ or "", DATA_SETS, experiments, name=NAME)

if __name__ == "__main__":
    sys.exit(main(BUNDLE))
