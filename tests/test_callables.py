"""Functions are told apart by their names, and where names do not, by what they do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from monai_unlearnable.callables import describe_callable
from monai_unlearnable.networks import small_densenet, small_resnet


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


def wrapped(build: Callable[..., Any]) -> Callable[..., Any]:
    def function(**options: Any) -> list[Any]:
        return [build(**options) for _ in range(2)]

    return function


class Bare:
    __slots__ = ("times",)

    def __call__(self, value: int) -> int:
        return value


def counted(value: int) -> Callable[[int], int]:
    def function(left: int) -> int:
        return value if left == 0 else function(left - 1)

    return function


SAME_EVERYWHERE = """
from functools import partial
from pathlib import Path
from monai_unlearnable.callables import describe_callable
from monai_unlearnable.networks import small_densenet, small_resnet
from tests.test_callables import Scaled, counted, wrapped
for one in (wrapped(small_resnet), partial(map, small_resnet), lambda a: [b in {"x", "y"} for b in a], counted(2)):
    print(describe_callable(one))
print(describe_callable(Scaled(small_resnet)), describe_callable(Scaled({"a": object()})))
"""


def test_names_are_the_same_in_every_process(repository: Path) -> None:
    texts = {
        subprocess.run(
            [sys.executable, "-c", SAME_EVERYWHERE],
            capture_output=True,
            text=True,
            check=True,
            cwd=repository,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1 and " at 0x" not in texts.pop()


def test_what_a_function_was_made_of_tells_it_from_others() -> None:
    assert describe_callable(wrapped(small_resnet)) != describe_callable(wrapped(small_densenet))
    assert describe_callable(counted(2)) != describe_callable(counted(3))
    one, other = (describe_callable(Scaled(build)) for build in (small_resnet, small_densenet))  # type: ignore[arg-type]
    assert one != other
    assert describe_callable(Bare()) == "tests.test_callables.Bare"


def test_two_functions_without_a_name_are_two() -> None:
    assert describe_callable(lambda value: value + 1) != describe_callable(lambda value: value + 2)
