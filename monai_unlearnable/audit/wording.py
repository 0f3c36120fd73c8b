"""The report's sentences, for readers who do not train networks."""

from __future__ import annotations

from statistics import mean, stdev

from monai_unlearnable.audit.best_adversary import BestAdversary
from monai_unlearnable.audit.outcomes import (
    DENSE_LEARNED,
    DENSE_LIMIT,
    LEARNED_MARGIN,
    MULTI_LABEL_LIMIT,
    RecipeOutcome,
    Verdict,
)
from monai_unlearnable.audit.report import AuditReport
from monai_unlearnable.audit.training import TrainingResult
from monai_unlearnable.audit.victims import VictimRecipe
from monai_unlearnable.sources.base import Task

__all__ = [
    "LIMITS",
    "best_adversary_sentences",
    "headline_sentence",
    "how_to_read",
    "notes",
    "overall_verdict",
    "score_name",
    "score_text",
    "spread_text",
    "trivial_name",
]

_ABOUT_VICTIMS = (
    "A victim is a network that somebody trains on the released images. The audit trains such networks itself, from "
    "the released files alone unless the table says what else they have, and then asks them about clean images that "
    "they have never seen.",
    "The clean baseline is the same network, trained the same way on the originals (without a countermeasure for those "
    "who have a clean part). It shows what could be learned.",
)

_ABOUT_CLASSES = (
    "The majority class is the score of somebody who never looks at an image and always gives the most frequent "
    f"answer (for several labels per image: a macro AUROC of 0.5). Single-label releases count as protected when the "
    "victims' mean score is at or below it, multi-label releases when their mean macro AUROC is at most "
    f"{MULTI_LABEL_LIMIT:.2f}.",
    "A victim gives no verdict when its clean baseline itself hardly beats that limit (by less than "
    f"{LEARNED_MARGIN:.0%}), and it does not learn from the release either: a victim that cannot learn proves nothing.",
)

_ABOUT_MASKS = (
    "The score is the mean IoU: how much of the area that is marked in truth or by the victim both agree on, from 0 "
    "(nothing) to 1 (everything); for each test image the mean over its structures without the background, then the "
    "mean over the images. It is measured on the grid that the victim sees.",
    "The best trivial predictor is the score of somebody who never looks at an image and gives every pixel the same "
    "answer: all background, or all one structure.",
    f"A release counts as protected when the victims' mean IoU is at most {DENSE_LIMIT:.2f}. There is no verdict when "
    f"the clean baseline's is below {DENSE_LEARNED:.2f}, or not {LEARNED_MARGIN:.2f} above the best trivial predictor, "
    "and the victim does not learn from the release either: a victim that cannot learn proves nothing.",
    f"{DENSE_LIMIT:.2f} is a choice, not a law: what is outlined so badly is of no use for measuring or planning, but "
    "may still hint at where a structure lies.",
)

_ABOUT_FIGURES = (
    "± is the standard deviation over trainings that differ only in their random seed. A figure that is published "
    "needs at least three.",
    "“Best epoch” is the highest score that a victim had at any time: somebody with clean images at hand could have "
    "stopped there.",
)

LIMITS = (
    "Protection is no guarantee. It is what these victims showed, not a proof about every network or reader.",
    "Victims that start from pretrained weights can learn from a release all the same.",
    "A reader who has some clean images of the same kind, or a release in which only a part is protected, can "
    "recover much of what was protected.",
    "Adversarial training, strong augmentation, JPEG compression, low-pass filtering and other strong purification "
    "can recover a part or all of it. Only those that the table of victims names were tested here.",
    "A delta that is the same for all images of a class can be estimated by averaging, and then taken off.",
    "A held-out fifth is chosen image by image: images of one patient can lie on both sides and flatter both scores.",
    "This is not de-identification: whatever identified a patient in an image, or in what travels with it, still does.",
    "Released images are slightly altered. Do not use them for diagnosis.",
)


def best_adversary_sentences(report: AuditReport) -> tuple[str, ...]:
    """Say what the best of all victims got, and which countermeasures were none for these images."""
    best = report.best_adversary
    sentences = []
    if best is None:
        sentences.append("No best adversary: no victim learned anything, from clean images either, so that none tells.")
    else:
        sentences.append(
            f"The best adversary of all is {best.name}: {score_text(best.score, report.task)}, where the same victim "
            f"has {score_text(best.clean, report.task)} from the originals and a reader who never looks has "
            f"{score_text(best.majority, report.task)}. {_regained(best)}"
        )
    sentences += [
        f"Says nothing: {one.recipe.name}. It learns nothing even from the originals, so its figure means nothing."
        for one in report.outcomes
        if one.verdict is Verdict.NO_VERDICT
    ]
    sentences += [
        f"{'Could not be trained' if one.diverged else 'Not applicable'}: {one.recipe.name}. {one.reason}"
        for one in report.not_applied
    ]
    return tuple(sentences)


def _regained(best: BestAdversary) -> str:
    share = best.regained_share
    if share is not None:
        return (
            f"It regains {max(0.0, share):.0%} of the clean gap, which is what plain training on the originals gains."
        )
    why = "no victim without a countermeasure learned from the originals"
    return f"What share of the clean gap that is cannot be said: {why}."


def how_to_read(task: Task) -> tuple[str, ...]:
    """Explain the report's words and its verdict."""
    return (*_ABOUT_VICTIMS, *(_ABOUT_MASKS if task is Task.SEGMENTATION else _ABOUT_CLASSES), *_ABOUT_FIGURES)


def score_name(task: Task) -> str:
    """Name the headline score in words."""
    names = {Task.SINGLE_LABEL: "accuracy", Task.MULTI_LABEL: "macro AUROC", Task.SEGMENTATION: "mean IoU"}
    return names[task]


def trivial_name(task: Task) -> str:
    """Name in words the reader who never looks at an image."""
    return "Best trivial predictor" if task is Task.SEGMENTATION else "Majority class"


def score_text(value: float, task: Task) -> str:
    """Write a score: percent for an accuracy, a number for an AUROC or an IoU."""
    return f"{value:.1%}" if task is Task.SINGLE_LABEL else f"{value:.3f}"


def spread_text(results: tuple[TrainingResult, ...], task: Task) -> str:
    """Write mean and standard deviation over the seeds."""
    scores = [one.score for one in results]
    if len(scores) < 2:
        return f"{score_text(mean(scores), task)} (one seed)"
    return f"{score_text(mean(scores), task)} ± {score_text(stdev(scores), task)}"


def overall_verdict(report: AuditReport) -> tuple[Verdict, str]:
    """Return one verdict for all victims, and its short title."""
    if report.verdict is Verdict.NOT_PROTECTED:
        return Verdict.NOT_PROTECTED, "Not protected"
    if report.verdict is Verdict.NO_VERDICT:
        return Verdict.NO_VERDICT, "No verdict"
    if not all(one.held for one in report.checks):
        return Verdict.NO_VERDICT, "Checks failed: no verdict can be relied on"
    return Verdict.PROTECTED, "Protected against the victims of this audit"


def headline_sentence(outcome: RecipeOutcome) -> str:
    """Say in one sentence what the victims of one recipe learned."""
    task, trained = outcome.task, _trained_on(outcome.recipe)
    released = score_text(mean(one.score for one in outcome.released), task)
    clean = score_text(mean(one.score for one in outcome.clean), task)
    majority = score_text(outcome.majority, task)
    if task is Task.SINGLE_LABEL:
        return (
            f"A {outcome.recipe.name} network trained on {trained} answers {released} of clean test images "
            f"correctly; the same network trained on the originals answers {clean}; always giving the most frequent "
            f"answer is right for {majority}."
        )
    if task is Task.SEGMENTATION:
        return (
            f"A {outcome.recipe.name} network trained on {trained} outlines clean test images with a mean "
            f"IoU of {released} (0: no overlap with the true outlines, 1: the same); the same network trained on the "
            f"originals reaches {clean}; the best answer without looking gives {majority}. Protected means at most "
            f"{outcome.limit:.2f}."
        )
    return (
        f"A {outcome.recipe.name} network trained on {trained} reaches a macro AUROC of {released} on clean "
        f"test images; the same network trained on the originals reaches {clean}; guessing gives {majority}."
    )


def _trained_on(recipe: VictimRecipe) -> str:
    if recipe.early_stopping is not None:
        part = f"{recipe.early_stopping.share:.0%}"
        return f"the released images and stopped when it was best on {part} of the originals, which it has clean,"
    if recipe.clean_part is None:
        return "the released images"
    part = f"{recipe.clean_part.share:.0%}"
    return f"the released images, {part} of them clean," if recipe.sees_release else f"{part} of the originals alone"


def notes(report: AuditReport) -> tuple[str, ...]:
    """List what the reader of this very report has to know."""
    found = [
        f"Victims were trained on {report.counts['trained_on']} images and tested on {report.counts['tested_on']}: "
        f"{report.test_origin}."
    ]
    if len(report.outcomes[0].seeds) < 3:
        found.append("Fewer than three seeds: treat every figure as a first impression.")
    if report.facts.jpeg_sources:
        found.append(
            f"{report.facts.jpeg_sources} released files were made from JPEG files. They are written as PNG, without "
            "loss, because JPEG compression would damage the perturbation; they are larger than their sources."
        )
    found += _mask_notes(report) if report.task is Task.SEGMENTATION else []
    if not report.facts.has_manifest:
        found.append("The release has no readable manifest.json: method and radius are unknown.")
    return tuple(found)


def _mask_notes(report: AuditReport) -> list[str]:
    found = ["Masks are released as they are: whoever has the release has the outlines of its own images."]
    answer = max(report.outcomes[0].trivial, key=lambda one: one.iou)
    if answer.iou > DENSE_LIMIT:
        found.append(
            f"The answer “{answer.name}” gets {answer.iou:.3f} without looking, more than the limit of "
            f"{DENSE_LIMIT:.2f}: a victim that learned no more than this answer counts as not protected."
        )
    return found
