"""What a published result says of each countermeasure; shared by the bundles."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from monai_unlearnable.audit.outcomes import baseline_learned
from monai_unlearnable.sources import Task

__all__ = ["SUITE", "counts", "learned", "left_out", "method_of", "regained", "share_text", "victims_by_kind"]

SUITE = "countermeasures"
"""How the variants of experiments end whose victims take countermeasures, and what the files of figures are called."""
_APART = ("pretrained", "clean-part", "early-stopping", "notch")
"""Readers who have more than the released files, or know how they were made."""


def regained(one: dict[str, Any], kinds: Sequence[str] = (), score: str = "score") -> tuple[float, str]:
    """Return the largest share of the clean gap that a victim regains, and its countermeasure.

    The share is ``(score - majority) / (plain - majority)`` of mean scores over the seeds, where ``plain`` is that of
    victims trained on clean files without a countermeasure. Who learns nothing, not even from clean files, is left out.

    Args:
        one: a result.
        kinds: how the countermeasures begin that count; none for all changes of the images, and plain training.
        score: ``score``, or ``peak`` for victims that stop at their best epoch.
    """
    victims = victims_by_kind(one)
    majority = victims["none"]["majority"]
    gap = _mean(victims["none"], "clean", "score") - majority
    scores = {
        kind: _mean(victim, "released", score)
        for kind, victim in victims.items()
        if counts(kind, kinds) and learned(one, victim)
    }
    best = max(scores, key=lambda kind: scores[kind])
    return (scores[best] - majority) / gap, best


def share_text(one: dict[str, Any], kinds: Sequence[str], score: str = "score") -> str:
    """Return :func:`regained` in words, also where nobody computed it."""
    if not any(counts(kind, kinds) for kind in victims_by_kind(one)):
        return "not applicable" if any(counts(kind, kinds) for kind in left_out(one)) else "not computed"
    share, kind = regained(one, kinds, score)
    return f"{share:.0%} ({kind})"


def method_of(one: dict[str, Any], name: str) -> str:
    """Return the method of a result, and what tells it from others of its name; ``name`` is how variants end."""
    words = one["variant"].removesuffix(name).removesuffix(", ")
    return f"{one['method']}, {words}" if words else str(one["method"])


def counts(kind: str, kinds: Sequence[str]) -> bool:
    """Whether a countermeasure is of these kinds; of none: whether its reader has the released files alone."""
    return kind.startswith(tuple(kinds)) if kinds else not kind.startswith(_APART)


def learned(one: dict[str, Any], victim: dict[str, Any]) -> bool:
    """Whether a victim learned anything, from released or at least from clean files; the audit's own rule."""
    task = Task(one["audit"]["task"])
    means = (_mean(victim, on, "score") for on in ("released", "clean"))
    return any(baseline_learned(mean, task=task, majority=victim["majority"]) for mean in means)


def victims_by_kind(one: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the victims of a result by their countermeasure; ``none`` is plain training."""
    return {_kind(one, victim): victim for victim in one["audit"]["recipes"]}


def left_out(one: dict[str, Any]) -> list[str]:
    """Return the countermeasures that the images of a result cannot undergo."""
    return [_kind(one, victim) for victim in one["audit"]["not_applied"]]


def _kind(one: dict[str, Any], victim: dict[str, Any]) -> str:
    names = [str(other["recipe"]["name"]) for other in one["audit"]["recipes"]]
    plain = min(names, key=len)  # the others add their countermeasure to its name
    return str(victim["recipe"]["name"]).removeprefix(plain).removeprefix(", ") or "none"


def _mean(victim: dict[str, Any], on: str, score: str) -> float:
    return fmean(run[score] for run in victim["runs"] if run["trained_on"] == on)
