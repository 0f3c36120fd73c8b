"""The form of the result file."""

from __future__ import annotations

from typing import Any

import jsonschema

_ROW: dict[str, Any] = {
    "name": {"type": "string", "minLength": 1},
    "unit": {"type": "string", "minLength": 1},
    "median": {"type": "number", "exclusiveMinimum": 0},
    "min": {"type": "number", "exclusiveMinimum": 0},
    "max": {"type": "number", "exclusiveMinimum": 0},
    "repeats": {"type": "integer", "minimum": 1},
}
_RATIO = _ROW | {"goal": {"type": ["number", "null"]}, "met": {"type": ["boolean", "null"]}}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


SCHEMA = _object(
    {
        "format": {"const": 1},
        "quick": {"type": "boolean"},
        "clock": {"enum": ["wall", "cpu"]},
        "commit": {"type": ["string", "null"], "pattern": "^[0-9a-f]{40,64}$"},
        "versions": {"type": "object", "additionalProperties": {"type": "string"}, "required": ["python", "torch"]},
        "machine": {"type": "object", "required": ["architecture", "cpus", "threads"]},
        "rows": {"type": "array", "minItems": 1, "items": _object(_ROW)},
        "ratios": {"type": "array", "minItems": 1, "items": _object(_RATIO)},
    }
)


def validate(results: dict[str, Any]) -> None:
    """Refuse results that a reader of the file could not rely on."""
    jsonschema.validate(results, SCHEMA)
    for one in results["rows"] + results["ratios"]:
        if not one["min"] <= one["median"] <= one["max"]:
            raise ValueError(f"{one['name']}: the median {one['median']} is outside {one['min']} to {one['max']}.")
    names = [one["name"] for one in results["rows"] + results["ratios"]]
    if len(set(names)) != len(names):
        raise ValueError(f"a name occurs twice: {sorted(names)}.")
