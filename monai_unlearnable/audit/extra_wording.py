"""Sentences about what was looked at besides the victims' scores."""

from __future__ import annotations

from statistics import mean

from monai_unlearnable.audit.authorised_use import AuthorisedUse
from monai_unlearnable.audit.detector import Detection
from monai_unlearnable.audit.membership import Membership
from monai_unlearnable.audit.report import AuditReport
from monai_unlearnable.audit.wording import score_name, score_text
from monai_unlearnable.sources.base import Task

__all__ = [
    "agreement_name",
    "agreement_text",
    "detector_sentences",
    "extra_sentences",
    "membership_sentence",
    "use_sentence",
]

_CLEAR = 2.0
"""An AUROC so many standard deviations of chance from 0.5 is no chance."""


def extra_sentences(report: AuditReport) -> tuple[str, ...]:
    """Say what was found."""
    use, membership = report.extras.authorised_use or (), report.extras.membership or ()
    detector = () if report.extras.detector is None else detector_sentences(report.extras.detector)
    return (*detector, *map(use_sentence, use), *map(membership_sentence, membership))


def detector_sentences(found: Detection) -> tuple[str, ...]:
    """Say whether a release is seen to be one, and whether its deltas alone say the classes."""
    best = max(found.released, key=lambda one: one.auroc or 0.0)
    seen = (
        f"Seen to be protected: the best of {len(found.released)} small networks, with originals to learn from, tells "
        f"released files from others with an AUROC of {best.auroc:.3f} and is right about {best.accuracy:.1%} "
        f"({best.network}, {best.look}; a guess is 0.5)."
    )
    if not found.classes:
        return (seen,)
    linear = max((one for one in found.classes if one.network == "linear"), key=lambda one: one.accuracy)
    deeper = max((one for one in found.classes if one.network != "linear"), key=lambda one: one.accuracy)
    return (
        seen,
        f"Classes by deltas alone: a linear network is right about {linear.accuracy:.1%} and one of two layers about "
        f"{deeper.accuracy:.1%}; always giving the most frequent class is right for {linear.chance:.1%}.",
    )


def use_sentence(found: AuthorisedUse) -> str:
    """Say what a model of clean images makes of released ones."""
    clean, released = (
        score_text(mean(values), found.task)
        for values in ([one.on_clean for one in found.runs], [one.on_released for one in found.runs])
    )
    agreement = agreement_text(found.agreement, found.task)
    sentence = (
        f"Authorised use: a {found.victim} network of clean images has {score_name(found.task)} {clean} on other "
        f"originals and {released} on their released files; {agreement_name(found.task)} {agreement}."
    )
    return sentence if found.learned else f"{sentence} It learned too little for that to mean anything."


def agreement_name(task: Task) -> str:
    """Name how far answers to both forms are the same."""
    names = {
        Task.SINGLE_LABEL: "images with the same answer:",
        Task.MULTI_LABEL: "labels with the same answer:",
        Task.SEGMENTATION: "Dice of both predictions:",
    }
    return names[task]


def agreement_text(value: float | None, task: Task) -> str:
    """Write an agreement."""
    if value is None:
        return "none (nothing is predicted)"
    return f"{value:.3f}" if task is Task.SEGMENTATION else f"{value:.1%}"


def membership_sentence(found: Membership) -> str:
    """Say whether originals tell somebody with a model of the release which of them it was trained on."""
    release, clean = (found.mean_auroc(trained_on=one, seen="clean") for one in ("released", "clean"))
    own = found.mean_auroc(trained_on="released", seen="released")
    # That of one run: the images of several seeds are the same, so that their mean is hardly surer.
    spread = _CLEAR * found.chance_std
    return (
        f"Membership: who has a {found.victim} network of released images tells by its loss which originals are "
        f"those of its training images with an AUROC of {release:.3f} ({clean:.3f} where it was trained on the "
        f"originals themselves), and which released files with {own:.3f}; {0.5 - spread:.2f} to {0.5 + spread:.2f} is "
        "chance."
    )
