"""Each countermeasure where it is known to win: the same victim is misled without it and learns with it.

The releases are made so that by construction the countermeasure takes their patterns off, as the literature reports it:
colours for grey pictures, high frequencies for JPEG and filters, isolated pixels for medians (Wu et al., ICLR 2023, on
one-pixel shortcuts), patterns of whole classes for the projection (Sandoval-Segura et al., NeurIPS 2023), deltas
that are much smaller than what the images show for adversarial training (Tao et al., NeurIPS 2021) and for
what resamples, blurs or drowns them at every look; waves for a notch filter. Cutout, mixup and CutMix are not here:
alone they win nowhere that we know of.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from monai_unlearnable.audit import VictimRecipe
from monai_unlearnable.audit.adversaries import adversary_of
from tests.audit.shortcuts import RECIPE, SIZE_PX, Pattern, score

ROWS, COLUMNS = np.mgrid[:SIZE_PX, :SIZE_PX]
MISLED, LEARNT = 0.75, 0.8


def tints(label: int) -> NDArray[np.float64]:
    """Colours of the same luma: red up and green down, or the other way round."""
    return (1 if label else -1) * np.broadcast_to([16.0, -16 * 0.299 / 0.587, 0.0], (SIZE_PX, SIZE_PX, 3))


def stripes(label: int) -> NDArray[np.float64]:
    """Every other column or every other row, the highest frequency that there is."""
    return np.where((ROWS if label else COLUMNS) % 2, -12.0, 12.0)[..., None]


def checkerboard(label: int) -> NDArray[np.float64]:
    """A checkerboard of single pixels in one of the classes."""
    return label * np.where((ROWS + COLUMNS) % 2, -12.0, 12.0)[..., None]


def isolated_pixels(label: int) -> NDArray[np.float64]:
    """One bright pixel, always at the place of its class."""
    pattern = np.zeros((SIZE_PX, SIZE_PX, 1))
    pattern[(3, 12) if label else (12, 3)] = 140
    return pattern


def random_signs(label: int) -> NDArray[np.float64]:
    """A random pattern of each class."""
    signs: NDArray[np.float64] = np.random.default_rng(5).choice([-12.0, 12.0], (2, SIZE_PX, SIZE_PX, 1))
    return np.asarray(signs[label])


@pytest.mark.parametrize(
    ("kind", "pattern", "channels"),
    [
        ("grey", tints, 3),
        ("jpeg:10", stripes, 1),
        ("jpeg2000:20", stripes, 1),
        ("blur:1", stripes, 1),
        ("blur:1", checkerboard, 1),
        ("low-resolution:0.5", stripes, 1),
        ("median:1", isolated_pixels, 1),
        ("projection", random_signs, 1),
        ("notch", stripes, 1),
    ],
)
def test_a_victim_learns_with_it_and_not_without(kind: str, pattern: Pattern, channels: int, tmp_path: Path) -> None:
    plain = score(tmp_path, RECIPE, pattern, channels=channels)
    against = score(tmp_path, adversary_of(RECIPE, kind), pattern, channels=channels)
    assert plain < MISLED, "the pattern misleads"
    assert against > LEARNT, "and is taken off"


@pytest.fixture(scope="module")
def patient() -> VictimRecipe:
    """A victim who trains for longer and at a higher rate, as training against somebody needs."""
    return replace(RECIPE, epochs=20, learning_rate=1e-2)


def test_stripes_mislead_a_patient_victim(patient: VictimRecipe, tmp_path: Path) -> None:
    assert score(tmp_path, patient, stripes, contrast=60) < MISLED


@pytest.mark.parametrize("kind", ["ueraser:3", "affine", "noise:48/255", "adversarial:12/255"])
def test_a_patient_victim_learns_with_it(kind: str, patient: VictimRecipe, tmp_path: Path) -> None:
    assert score(tmp_path, adversary_of(patient, kind), stripes, contrast=60) > LEARNT


def test_what_takes_off_nothing_of_a_pattern_changes_nothing(tmp_path: Path) -> None:
    against = score(tmp_path, adversary_of(RECIPE, "gamma:0.8"), stripes)
    assert against < MISLED


def test_bars_without_a_pattern_are_learnt(tmp_path: Path) -> None:
    assert score(tmp_path, RECIPE, None) > 0.95
