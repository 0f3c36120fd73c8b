"""From a radius as people write it to budgets that a manifest can hold."""

from __future__ import annotations

import pytest

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.workflows.intensity import ImageLevels
from monai_unlearnable.workflows.radii import make_budget


def test_a_slope_that_makes_a_radius_infinite_is_refused_by_the_name_of_the_image() -> None:
    image = ImageLevels(
        sample_id="a.dcm",
        low_level=0,
        high_level=4095,
        window_low_level=0.0,
        window_high_level=4095.0,
        range_levels=4095.0,
        level_size=1e308,
    )
    with pytest.raises(BudgetError, match=r"a\.dcm: 8 levels of 1e\+308 each are no number .* take the file out"):
        make_budget("8 levels", image)
    assert make_budget("1 levels", image).radius_levels == 1
