"""What an audit found, as values and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources
from typing import Any

import jsonschema

from monai_unlearnable.audit.best_adversary import BestAdversary, find_best_adversary
from monai_unlearnable.audit.extras import Extras
from monai_unlearnable.audit.facts import ReleaseFacts
from monai_unlearnable.audit.fidelity import Fidelity
from monai_unlearnable.audit.outcomes import NotApplied, RecipeOutcome, Verdict
from monai_unlearnable.audit.scores import headline_name
from monai_unlearnable.audit.selfchecks import Check
from monai_unlearnable.sources.base import Task

__all__ = ["AuditReport", "validate_report"]

SCHEMA_VERSION = 6


@dataclass(frozen=True)
class AuditReport:
    """Everything that an audit found.

    Attributes:
        task: what a label is.
        class_names: a name for each class or label column.
        counts: numbers of images: released, clean, trained_on, tested_on.
        test_origin: where the test images come from.
        facts: what the release says about itself.
        outcomes: one for each recipe.
        fidelity: distances between released and clean files.
        checks: what must hold for the report to mean what it says.
        machine: where it was computed.
        not_applied: victims whose countermeasure is none for these images.
        extras: what else was looked at.
    """

    task: Task
    class_names: tuple[str, ...]
    counts: Mapping[str, int]
    test_origin: str
    facts: ReleaseFacts
    outcomes: tuple[RecipeOutcome, ...]
    fidelity: Fidelity
    checks: tuple[Check, ...]
    machine: Mapping[str, Any]
    not_applied: tuple[NotApplied, ...] = ()
    extras: Extras = field(default_factory=Extras)

    @property
    def best_adversary(self) -> BestAdversary | None:
        """The victim that got most out of the release, of those that learn anything; None if none does."""
        return find_best_adversary(self.outcomes)

    @property
    def verdicts(self) -> frozenset[Verdict]:
        """What the victims say that were trained on released images."""
        return frozenset(one.verdict for one in self.outcomes) - {Verdict.REFERENCE}

    @property
    def verdict(self) -> Verdict:
        """The worst that a victim says; there is none where plain training learns nothing even from clean images.

        Who learns nothing under a countermeasure, not even from clean images, says nothing, and takes nothing from what
        others say.
        """
        if Verdict.NOT_PROTECTED in self.verdicts:
            return Verdict.NOT_PROTECTED
        plain = {one.verdict for one in self.outcomes if one.recipe.is_plain}
        if Verdict.PROTECTED not in self.verdicts or Verdict.NO_VERDICT in plain:
            return Verdict.NO_VERDICT
        return Verdict.PROTECTED

    @property
    def held(self) -> bool:
        """Whether every check held and the verdict is "protected"."""
        return all(one.held for one in self.checks) and self.verdict is Verdict.PROTECTED

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values that the shipped schema accepts."""
        best = self.best_adversary
        content = {
            "schema_version": SCHEMA_VERSION,
            "held": self.held,
            "task": self.task.value,
            "headline": headline_name(self.task),
            "class_names": list(self.class_names),
            "counts": dict(self.counts),
            "test_origin": self.test_origin,
            "release": asdict(self.facts),
            "recipes": [one.to_json() for one in self.outcomes],
            "not_applied": [one.to_json() for one in self.not_applied],
            "best_adversary": None if best is None else best.to_json(),
            **self.extras.to_json(),
            "fidelity": asdict(self.fidelity),
            "checks": [asdict(one) for one in self.checks],
            "machine": dict(self.machine),
        }
        plain: dict[str, Any] = json.loads(json.dumps(content, allow_nan=False))
        validate_report(plain)
        return plain


def validate_report(content: object) -> None:
    """Check a parsed ``audit.json`` against the schema that the package ships.

    Raises:
        jsonschema.ValidationError: it breaks the schema.
    """
    text = resources.files(__package__).joinpath("audit.schema.json").read_text(encoding="utf-8")
    jsonschema.Draft202012Validator(json.loads(text)).validate(content)
