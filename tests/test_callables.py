"""Functions are told apart by their names, and where names do not, by what they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from monai_unlearnable.callables import describe_callable
from monai_unlearnable.networks import small_resnet


@dataclass
class Scaled:
    times: int

    def __call__(self, value: int) -> int:
        return self.times * value


def scaled(times: int) -> Callable[[int], int]:
    def function(value: int) -> int:
        return times * value

    return function


def with_default(times: int) -> Callable[[int], int]:
    return lambda value, times=times: times * value  # type: ignore[misc]


def test_what_has_a_name_is_called_by_it() -> None:
    assert describe_callable(small_resnet) == "monai_unlearnable.networks.small_resnet"
    assert describe_callable(Scaled) == "tests.test_callables.Scaled"
    given = partial(partial(small_resnet, spatial_dims=2), num_classes=3, in_channels=1)
    assert describe_callable(given) == (
        "monai_unlearnable.networks.small_resnet(in_channels=1, num_classes=3, spatial_dims=2)"
    )


@pytest.mark.parametrize("make", [Scaled, scaled, with_default])
def test_what_does_something_else_is_called_something_else(make: Callable[[int], Any]) -> None:
    two, three = describe_callable(make(2)), describe_callable(make(3))
    assert two != three and two == describe_callable(make(2))


def test_two_functions_without_a_name_are_two() -> None:
    assert describe_callable(lambda value: value + 1) != describe_callable(lambda value: value + 2)
