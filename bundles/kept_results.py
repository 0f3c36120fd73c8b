"""What earlier runs found of an experiment, and what is missing in it; shared by the bundles."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from monai_unlearnable.audit import VictimRecipe
from monai_unlearnable.audit.extras import Extra
from monai_unlearnable.workflows import Recipe

__all__ = ["merged", "missing_victims", "of_whole_audit", "published"]

_OF_ALL_VICTIMS = ("held", "checks", "best_adversary", "schema_version")


class Wanted(Protocol):
    """Of an experiment: what its figures depend on."""

    @property
    def label(self) -> str: ...
    @property
    def recipe(self) -> Recipe: ...
    @property
    def victims(self) -> tuple[VictimRecipe, ...]: ...
    @property
    def extras(self) -> tuple[Extra, ...]: ...


def published(experiment: Wanted, file: Path) -> dict[str, Any] | None:
    """Return the row of a results file that was computed with exactly the same settings, whoever its victims are."""
    for one in json.loads(file.read_text()) if file.exists() else []:
        if one["experiment"] == experiment.label and one["settings"] == _as_json(experiment.recipe.describe()):
            return dict(one)
    return None


def missing_victims(experiment: Wanted, audit: Mapping[str, Any]) -> tuple[VictimRecipe, ...]:
    """Return the victims that an audit does not have as they are set up now; all of them where an extra is missing."""
    if not all(audit.get(one.value.replace("-", "_")) for one in experiment.extras):
        return experiment.victims
    known = {one["recipe"]["name"]: one["recipe"] for one in _found(audit)}
    return tuple(one for one in experiment.victims if known.get(one.name) != _as_json(one.describe()))


def merged(experiment: Wanted, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return an audit with the victims of two, in the experiment's order: of the new one those that the old one lacks.

    What follows from all victims together is left out.
    """
    order = {one.name: place for place, one in enumerate(experiment.victims)}
    missing = {one.name for one in missing_victims(experiment, old)}
    lists: dict[str, list[Any]] = {}
    for name in ("recipes", "not_applied"):
        kept = [one for one in old.get(name, ()) if one["recipe"]["name"] in order.keys() - missing]
        added = [one for one in new.get(name, ()) if one["recipe"]["name"] in missing]
        lists[name] = sorted((*kept, *added), key=lambda one: order[one["recipe"]["name"]])
    return of_whole_audit(old) | lists


def of_whole_audit(audit: Mapping[str, Any]) -> dict[str, Any]:
    """Return an audit without what follows from all of its victims together."""
    return {name: value for name, value in audit.items() if name not in _OF_ALL_VICTIMS}


def _found(audit: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from audit["recipes"]
    yield from audit.get("not_applied", ())


def _as_json(value: object) -> Any:
    return json.loads(json.dumps(value))  # as a file holds it
