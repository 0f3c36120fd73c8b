"""Dictionary transforms have the names that MONAI gives its own."""

from __future__ import annotations

from types import ModuleType

import pytest
from monai.transforms import MapTransform

from monai_unlearnable import countermeasures, transforms


def _dictionary_transforms(room: ModuleType) -> set[str]:
    values = {name: getattr(room, name) for name in room.__all__}
    return {
        value.__name__
        for name, value in values.items()
        if isinstance(value, type) and issubclass(value, MapTransform) and not value.__abstractmethods__
        if not name.endswith("Transformd")  # what others are derived from
    }


@pytest.mark.parametrize("room", [transforms, countermeasures])
def test_every_dictionary_transform_has_its_other_names(room: ModuleType) -> None:
    found = _dictionary_transforms(room)
    assert len(found) >= 4
    for name in found:
        assert name.endswith("d")
        short = name.removesuffix("d")
        transform = getattr(room, name)
        assert getattr(room, f"{short}D") is getattr(room, f"{short}Dict") is transform
        assert hasattr(room, short), "the array transform"
