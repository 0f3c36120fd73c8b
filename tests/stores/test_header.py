from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from monai_unlearnable.errors import StoreError
from monai_unlearnable.stores import StoreHeader

HEADER = StoreHeader({"a": (1, 3, 4), "b": (1, 3, 4)}, 8.0, {"norm": "linf"}, "synthetic", 0, "1234")


def test_json_is_the_identity() -> None:
    again = StoreHeader.from_json(HEADER.to_json())
    assert again == HEADER
    assert again.shapes["a"] == (1, 3, 4)
    HEADER.require(again)


@pytest.mark.parametrize(("radius", "dtype"), [(1, torch.int8), (127, torch.int8), (127.5, torch.int16)])
def test_smallest_type_that_holds_the_radius(radius: float, dtype: torch.dtype) -> None:
    assert replace(HEADER, radius_levels=radius).dtype == dtype


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"shapes": {"a": (1, 3, 4), "c": (1, 3, 4)}},
            r"1 keys are missing \(first \['c'\]\), 1 are not in",
        ),
        ({"shapes": {"a": (1, 3, 4), "b": (1, 3, 5)}}, r"key 'b': the store holds shape \(1, 3, 4\), .* \(1, 3, 5\)"),
        ({"radius_levels": 16.0}, r"another radius_levels: it has 8\.0, this run needs 16\.0"),
        ({"budget": {"norm": "l2"}}, r"another budget: it has \{'norm': 'linf'\}, this run needs \{'norm': 'l2'\}"),
        ({"method": "error_minimizing"}, "another method: it has 'synthetic', this run needs 'error_minimizing'"),
        ({"seed": 7}, "another seed: it has 0, this run needs 7"),
        ({"data_sha256": "5678"}, "another data_sha256: it has '1234', this run needs '5678'"),
        ({"level_size": 0.5}, r"another level_size: it has 1\.0, this run needs 0\.5"),
        ({"version": 2}, "another version: it has 1, this run needs 2"),
    ],
)
def test_require_names_what_differs(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(StoreError, match=text):
        HEADER.require(replace(HEADER, **changes))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"shapes": {}}, "at least one key"),
        ({"shapes": {"a": (3,)}}, r"key 'a': shape \(3,\) is not \(channel, \*space\)"),
        ({"shapes": {"a": (1, 0, 4)}}, r"key 'a': shape \(1, 0, 4\)"),
        ({"radius_levels": 0.5}, r"radius_levels=0\.5: a store keeps radii of 1 to 16777216"),
        ({"radius_levels": 2**24 + 1}, "radius_levels=16777217: a store keeps"),
        ({"radius_levels": float("nan")}, "radius_levels=nan: a store keeps"),
    ],
)
def test_refuses_at_construction(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(StoreError, match=text):
        replace(HEADER, **changes)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{}", '{"shapes": {"a": 5}}', HEADER.to_json()[:-1], HEADER.to_json().replace("8.0", '"8"')],
)
def test_refuses_text_that_is_no_header(text: str) -> None:
    with pytest.raises(StoreError, match="not a store header"):
        StoreHeader.from_json(text)
