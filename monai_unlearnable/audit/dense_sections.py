"""The parts of the HTML report that only segmentation has; every text that comes from data is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from statistics import mean

from monai_unlearnable.audit.dense_scores import DenseScores, StructureScores
from monai_unlearnable.audit.outcomes import RecipeOutcome
from monai_unlearnable.audit.overlays import OUTLINE_COLOURS, Overlay
from monai_unlearnable.audit.report import AuditReport
from monai_unlearnable.audit.tables import build_section, build_table
from monai_unlearnable.audit.training import TrainingResult

__all__ = ["overlays", "structures", "trivial"]


def structures(report: AuditReport) -> str:
    """Show for every victim what it found of each structure, trained on clean and on released images."""
    tables = "".join(_structure_table(one, report.class_names[1:]) for one in report.outcomes)
    text = (
        "IoU is the share of overlap of the true and the predicted area, Dice another measure of it (both 1 when they "
        "are the same), as a mean over the images that show the structure in the mask or in the prediction; “pooled” "
        "counts the pixels of all images together. The 95 % Hausdorff distance is how far the outlines are apart, in "
        "pixels of the grid that the victim sees, and counts only images in which the victim finds the structure."
    )
    return build_section("What they found, structure by structure", f"<p>{escape(text)}</p>{tables}")


def _structure_table(outcome: RecipeOutcome, names: Sequence[str]) -> str:
    head = ("Structure", "Trained on", "IoU", "IoU, pooled", "Dice", "95 % Hausdorff (px)", "Found in")
    kinds = (("clean originals", outcome.clean), ("released images", outcome.released))
    rows = [
        [escape(name), kind, *_structure_cells([one.structures[at] for one in _scores(results)])]
        for at, name in enumerate(names)
        for kind, results in kinds
    ]
    rows += [["<strong>All</strong>", kind, *_all_cells(_scores(results))] for kind, results in kinds]
    return build_table(f"Victim {outcome.recipe.name}, mean over {len(outcome.seeds)} seed(s)", head, rows)


def _structure_cells(found: Sequence[StructureScores]) -> list[str]:
    return [
        _mean_text([one.iou for one in found]),
        _mean_text([one.iou_pooled for one in found]),
        _mean_text([one.dice for one in found]),
        _mean_text([one.hausdorff95_px for one in found], ".1f"),
        f"{mean(one.found_images for one in found):.4g} of {found[0].images} images",
    ]


def _all_cells(found: Sequence[DenseScores]) -> list[str]:
    return [
        f"<strong>{_mean_text([one.iou for one in found])}</strong>",
        _mean_text([one.iou_pooled for one in found]),
        _mean_text([one.dice for one in found]),
        _mean_text([one.hausdorff95_px for one in found], ".1f"),
        "",
    ]


def _scores(results: Sequence[TrainingResult]) -> list[DenseScores]:
    return [one.dense for one in results if one.dense is not None]


def _mean_text(values: Iterable[float | None], form: str = ".3f") -> str:
    known = [one for one in values if one is not None]
    return format(mean(known), form) if known else "none"


def trivial(report: AuditReport) -> str:
    """Show what predictors reach that never look at an image."""
    tables = []
    for one in report.outcomes:
        rows = [[escape(two.name), f"{two.iou:.3f}", f"{two.dice:.3f}"] for two in one.trivial]
        caption = f"One answer for every pixel of every test image, on the grid of victim {one.recipe.name}"
        tables.append(build_table(caption, ("Answer", "Mean IoU", "Mean Dice"), rows))
    return build_section("Without looking", "".join(tables))


def overlays(shown: Sequence[Overlay], class_names: Sequence[str]) -> str:
    """Show test images with the outlines of true and predicted masks.

    Args:
        shown: what to show.
        class_names: a name for each class, the background first.
    """
    if not shown:
        return ""
    legend = ", ".join(
        f'<span class="swatch" style="background: {OUTLINE_COLOURS[at % len(OUTLINE_COLOURS)]}"></span> {escape(name)}'
        for at, name in enumerate(class_names[1:])
    )
    text = "The first clean test images, as the victim sees them, with outlines of its first seed. Outlines: "
    rows = "".join(map(_overlay_row, shown))
    return build_section("What victims see in clean test images", f"<p>{escape(text)}{legend}.</p>{rows}")


def _overlay_row(one: Overlay) -> str:
    victim, sample = escape(one.recipe, quote=True), escape(one.sample_id, quote=True)
    seen = f" ({escape(one.plane, quote=True)} of the victim's grid)" if one.plane else ""
    pictures = (
        (one.image, f"Test image {sample}{seen}", "test image"),
        (one.truth, f"Test image {sample} with the outline of its true mask", "true mask"),
        (one.released, f"The same with what {victim} predicts, trained on released images", "trained on released"),
        (one.clean, f"The same with what {victim} predicts, trained on clean originals", "trained on clean"),
    )
    style = f'style="aspect-ratio: {one.aspect:.4f}"'
    cells = "".join(f'<div><img src="{uri}" alt="{alt}" {style}><p>{label}</p></div>' for uri, alt, label in pictures)
    caption = f"Victim <strong>{victim}</strong>, {sample}{seen}"
    return f'<figure class="example"><figcaption>{caption}</figcaption><div class="triple four">{cells}</div></figure>'
