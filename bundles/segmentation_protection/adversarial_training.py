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
from against_countermeasures import against_countermeasures, variant
from countermeasures import VICTIM
from data_sets import DATA_SETS
from reproduce import ERROR_MINIMIZING
from reproduction import Experiment, main

from monai_unlearnable.audit import VictimRecipe
from monai_unlearnable.audit.adversaries import with_adversaries
from monai_unlearnable.perturbations import Stripes
from monai_unlearnable.workflows import Recipe, SyntheticRecipe

FOLDER = Path(__file__).parent
NAME = "adversarial_training"
UNSHIFTED = replace(VICTIM, name="unet, flips alone", shift=False)
"""Who shifts images as well learns stripes later still."""
LONGER = replace(UNSHIFTED, name="unet, flips alone, 4 times the steps", epochs=12, batch_size=4)
"""Stripes of 8/255 are hardly learnt in six epochs of batches of eight; images are, in both."""
ALONG_AXES = Stripes(along_axes=True)
SYNTHETIC = SyntheticRecipe(patterns=ALONG_AXES)
STARTED_ALONG_AXES = replace(ERROR_MINIMIZING, start=ALONG_AXES)
FAINT_SHARES = (("background half as strong", 0.5), ("background three eighths as strong", 0.375))
ROWS: tuple[tuple[str, str, VictimRecipe, str, Recipe], ...] = (
    *(
        ("8/255", "adversarial:4/255", LONGER, words, replace(method, faint_share=share))
        for words, share in FAINT_SHARES
        for method in (SYNTHETIC, STARTED_ALONG_AXES)
    ),
    ("16/255", "adversarial:8/255", UNSHIFTED, "", SYNTHETIC),
    ("16/255", "adversarial:8/255", UNSHIFTED, "", STARTED_ALONG_AXES),
)
"""Radius, what the victim does at half of it, the victim, what tells a method from others of its name, the method."""


def experiments(big: bool, data: Path) -> Sequence[Experiment]:
    """Return every row; ``big`` and ``data`` make no difference."""
    return [
        Experiment(
            dataset="kvasir_64px",
            radius=radius,
            recipe=recipe,
            victims=with_adversaries([victim], (kind,), dense=True),
            variant=variant(words, NAME),
        )
        for radius, kind, victim, words, recipe in ROWS
    ]


BUNDLE = against_countermeasures(FOLDER, __doc__ or "", DATA_SETS, experiments, name=NAME)

if __name__ == "__main__":
    sys.exit(main(BUNDLE))
