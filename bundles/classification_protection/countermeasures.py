"""Recompute what readers who take countermeasures get out of a release of each method, and write the tables.

Every step that is finished is kept, so a stopped run goes on where it was:

    python bundles/classification_protection/countermeasures.py --data ../shared/data --work reproduce_output
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

sys.path.insert(0, str(Path(__file__).parents[1]))  # the bundles share how figures are made
from against_countermeasures import KINDS, against_countermeasures, variant
from data_sets import DATA_SETS
from reproduction import Experiment, main

from monai_unlearnable.audit import VictimRecipe
from monai_unlearnable.audit.adversaries import with_adversaries
from monai_unlearnable.audit.extras import Extra
from monai_unlearnable.audit.pretraining import Pretraining
from monai_unlearnable.networks import small_densenet
from monai_unlearnable.perturbations import Stripes
from monai_unlearnable.workflows import (
    AutoregressiveRecipe,
    ErrorMinimizingRecipe,
    GeneratorRecipe,
    LinearErrorMinimizingRecipe,
    Recipe,
    RobustErrorMinimizingRecipe,
    SyntheticRecipe,
    TargetedAdversarialRecipe,
)

FOLDER = Path(__file__).parent
EPOCHS: Mapping[str, int] = MappingProxyType({"breastmnist": 20, "pneumoniamnist": 4, "mednist": 4})
OTHER_IMAGES: Mapping[str, str] = MappingProxyType(
    {"breastmnist": "pneumoniamnist", "pneumoniamnist": "breastmnist", "mednist": "pneumoniamnist"}
)
"""What pretrained victims have learnt before."""
SEEN_PX: Mapping[str, int] = MappingProxyType({"mednist": 28})
"""Size at which victims and surrogates look at images; others are looked at as they are."""
TWO_PHASES = SyntheticRecipe(patterns=Stripes(phases=2))
OTHER_RADII = ("4/255", "2/255", "16/255")
METHODS: tuple[tuple[str, Recipe], ...] = (
    ("", TWO_PHASES),
    ("one phase", SyntheticRecipe(patterns=Stripes())),
    ("", AutoregressiveRecipe()),
    ("", LinearErrorMinimizingRecipe()),
    ("", ErrorMinimizingRecipe()),
    ("", RobustErrorMinimizingRecipe()),
    ("", TargetedAdversarialRecipe()),
    ("", GeneratorRecipe()),
)
"""What tells a method from others of its name, and how it is set up."""


def victims(dataset: str, data: Path) -> tuple[VictimRecipe, ...]:
    """Return a small DenseNet, of which a training takes a third of a small ResNet's time, under every countermeasure.

    It is also the one of the two that keeps more of what it learns from protected images.
    """
    plain = VictimRecipe(
        name="small_densenet",
        network=small_densenet,
        epochs=EPOCHS[dataset],
        image_size_px=SEEN_PX.get(dataset),
    )
    other = Pretraining(source=data / "medmnist" / f"{OTHER_IMAGES[dataset]}.npz")
    return with_adversaries([plain], KINDS, dense=False, other=other)


def experiments(big: bool, data: Path) -> list[Experiment]:
    """Return every method on every data set; ``big`` makes no difference."""
    rows = []
    for dataset in EPOCHS:
        for words, recipe in METHODS:
            if dataset != "breastmnist" and isinstance(recipe, TargetedAdversarialRecipe):
                recipe = replace(recipe, surrogate_epochs=10)
            rows.append((dataset, "8/255", words, recipe))
    rows += [(dataset, radius, "", TWO_PHASES) for dataset in EPOCHS for radius in OTHER_RADII]
    return [
        Experiment(
            dataset=dataset,
            radius=radius,
            recipe=recipe.seen_at(SEEN_PX[dataset]) if dataset in SEEN_PX else recipe,
            victims=victims(dataset, data),
            variant=variant(words),
            extras=tuple(Extra),
        )
        for dataset, radius, words, recipe in rows
    ]


BUNDLE = against_countermeasures(FOLDER, __doc__ or "", DATA_SETS, experiments)

if __name__ == "__main__":
    sys.exit(main(BUNDLE))
