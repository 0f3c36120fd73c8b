"""The parts of the HTML report; every text that comes from data is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from statistics import mean

from monai_unlearnable.audit.facts import ReleaseFacts
from monai_unlearnable.audit.fidelity import Fidelity, Spread
from monai_unlearnable.audit.figures import draw_curves
from monai_unlearnable.audit.outcomes import RecipeOutcome, Verdict
from monai_unlearnable.audit.previews import Example, Triple
from monai_unlearnable.audit.report import AuditReport
from monai_unlearnable.audit.tables import build_section, build_table
from monai_unlearnable.audit.wording import (
    best_adversary_sentences,
    headline_sentence,
    notes,
    overall_verdict,
    score_name,
    score_text,
    spread_text,
    trivial_name,
)

__all__ = ["checks", "curves", "examples", "fidelity", "results", "settings", "text_list", "verdict"]

_MARKS = {
    Verdict.PROTECTED: ("good", "✓"),
    Verdict.NOT_PROTECTED: ("bad", "✗"),
    Verdict.NO_VERDICT: ("open", "?"),
    Verdict.REFERENCE: ("open", "·"),
}


def verdict(report: AuditReport) -> str:
    """Show the verdict in one box, with its sentences and what has to be known."""
    overall, title = overall_verdict(report)
    failed = [one for one in report.checks if not one.held]
    look, mark = _MARKS[overall]
    sentences = "".join(f"<p>{escape(headline_sentence(one))}</p>" for one in report.outcomes)
    warning = ""
    if failed:
        names = "; ".join(one.name for one in failed)
        warning = f'<p class="warning">{len(failed)} of {len(report.checks)} checks failed: {escape(names)}.</p>'
    known = text_list(notes(report))
    return (
        f'<section class="verdict {look}"><p class="title"><span aria-hidden="true">{mark}</span> {escape(title)}</p>'
        f"{sentences}{warning}</section>{known}"
    )


def results(report: AuditReport) -> str:
    """Show the scores of all victims in a table."""
    head = (
        "Victim",
        "Clean baseline",
        "Trained on released images",
        "Best epoch",
        trivial_name(report.task),
        "Verdict",
    )
    rows = [_result_row(one) for one in report.outcomes]
    name = score_name(report.task)
    seeds = len(report.outcomes[0].seeds)
    caption = f"Mean {name.removeprefix('mean ')} on clean test images ± standard deviation over {seeds} seed(s)"
    best = "".join(f"<p>{escape(one)}</p>" for one in best_adversary_sentences(report))
    return build_section("What victims learned", build_table(caption, head, rows) + best)


def _result_row(outcome: RecipeOutcome) -> list[str]:
    look, mark = _MARKS[outcome.verdict]
    return [
        escape(outcome.recipe.name),
        spread_text(outcome.clean, outcome.task),
        f"<strong>{spread_text(outcome.released, outcome.task)}</strong>",
        score_text(mean(one.peak for one in outcome.released), outcome.task),
        score_text(outcome.majority, outcome.task),
        f'<span class="{look}">{mark} {outcome.verdict.value}</span>',
    ]


def examples(shown: Sequence[Example]) -> str:
    """Show clean image, magnified delta and released image of a few classes."""
    if not shown:
        return ""
    rows = "".join(_example_row(one) for one in shown)
    text = (
        "Left the original, in the middle what was added to it (mid grey: nothing; brighter: added; darker: taken "
        "off), magnified as stated, right the released image in the same window."
    )
    if any(triple.name.startswith("axial") for one in shown for triple in one.triples):
        text += (
            " Slices go through the middle of the body in the file's own grid, nearest to the patient's planes: axial "
            "seen from the feet, coronal from the front, sagittal from the left."
        )
    return build_section("What the images look like", f"<p>{escape(text)}</p>{rows}")


def _example_row(one: Example) -> str:
    name, sample = escape(one.class_name, quote=True), escape(one.sample_id, quote=True)
    label = f"delta, magnified {one.magnification:g} times (white: +{escape(one.white_text)})"
    rows = "".join(_triple(triple, name, label) for triple in one.triples)
    largest = f"{one.largest_levels:.4g} levels" + (f" ({escape(one.largest_text)})" if one.largest_text else "")
    return (
        f'<figure class="example"><figcaption>Class <strong>{name}</strong>, {sample}. Largest change {largest}. '
        f"Window: {escape(one.window)}.</figcaption>{rows}</figure>"
    )


def _triple(one: Triple, name: str, delta_label: str) -> str:
    title = f'<p class="plane">{escape(one.name[:1].upper() + one.name[1:])}</p>' if one.name else ""
    seen = f", {escape(one.name, quote=True)}" if one.name else ""
    pictures = (
        (one.clean, f"Original of class {name}{seen}", "original"),
        (one.delta, f"{delta_label[:1].upper()}{delta_label[1:]} of the same image{seen}", delta_label),
        (one.released, f"Released image{seen}", "released"),
    )
    style = f'style="aspect-ratio: {one.aspect:.4f}"'
    cells = "".join(f'<div><img src="{uri}" alt="{alt}" {style}><p>{label}</p></div>' for uri, alt, label in pictures)
    return f'{title}<div class="triple">{cells}</div>'


def curves(report: AuditReport) -> str:
    """Show the learning curves of every victim."""
    name, line = score_name(report.task), trivial_name(report.task).lower()
    figures = []
    for one in report.outcomes:
        alt = (
            f"{name} on clean test images after each epoch for {one.recipe.name}. After the last epoch: trained on "
            f"clean originals {spread_text(one.clean, one.task)}, trained on released images "
            f"{spread_text(one.released, one.task)}, {line} {score_text(one.majority, one.task)}."
        )
        chart = draw_curves(one, score_name=name, trivial_name=line)
        figures.append(
            f'<figure><img class="chart" src="{chart}" alt="{escape(alt, quote=True)}">'
            f"<figcaption>Victim {escape(one.recipe.name)}: thin lines are single seeds, thick lines their mean."
            "</figcaption></figure>"
        )
    return build_section("How they learned", "".join(figures))


def fidelity(measured: Fidelity) -> str:
    """Show how far released pixels are from the originals, in levels, in the file's unit and by region."""
    unit = measured.unit or "the file's own unit"
    rows = [
        _spread_row("Largest change of a pixel (levels)", measured.max_abs_levels, ".0f"),
        _spread_row(f"Largest change of a pixel ({unit})", measured.max_abs_unit, ".4g"),
        _spread_row("Mean change of a pixel (levels)", measured.mean_abs_levels, ".2f"),
        _spread_row(f"Mean change of a pixel ({unit})", measured.mean_abs_unit, ".3g"),
        _spread_row("Share of changed pixels", measured.changed_share, ".1%"),
        _spread_row("PSNR (dB; higher is closer)", measured.psnr_db, ".1f"),
        _spread_row("SSIM (1 is identical)", measured.ssim, ".3f"),
    ]
    scale = "of each image's own" if measured.full_scale is None else f"of {measured.full_scale:g} levels"
    caption = f"Over {measured.images} images, from the files; PSNR and SSIM take a data range {scale}"
    table = build_table(caption, ("Measure", "Smallest", "Median", "Largest"), rows)
    return build_section("How close the images are", table + _regions(measured))


def _regions(measured: Fidelity) -> str:
    if not measured.regions:
        return ""
    unit = escape(measured.unit or "the file's own unit")
    head = ("Region", "Voxels", f"Mean change ({unit})", f"Largest change ({unit})")
    rows = [
        [escape(one.name), f"{one.voxels:,}", f"{one.mean_abs:.3g}", f"{one.max_abs:.4g}"] for one in measured.regions
    ]
    return build_table(f"Change by region, over all {measured.images} images", head, rows)


def _spread_row(name: str, spread: Spread | None, form: str) -> list[str]:
    if spread is None:
        return [name, "none", "none", "none"]
    return [name, *(format(one, form) for one in (spread.minimum, spread.median, spread.maximum))]


def checks(report: AuditReport) -> str:
    """Show the checks of files and pipeline."""
    rows = [
        [
            f'<span class="{"good" if one.held else "bad"}">{"✓ held" if one.held else "✗ failed"}</span>',
            escape(one.name),
            escape(one.detail),
        ]
        for one in report.checks
    ]
    return build_section(
        "Checks", build_table("What must hold for these figures to mean anything", ("", "Check", "Found"), rows)
    )


def settings(report: AuditReport) -> str:
    """Show what the release says about itself, how victims were trained, and where."""
    rows = [[escape(name), escape(value)] for name, value in _release_rows(report.facts)]
    for one in report.outcomes:
        facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in one.recipe.describe().items())
        rows.append([f"Victim {escape(one.recipe.name)}", escape(f"{facts}; seeds {', '.join(map(str, one.seeds))}")])
        seconds = mean(run.seconds for run in (*one.released, *one.clean))
        rows.append(["Time for one training", f"{seconds:.1f} seconds"])
    rows += [
        [escape(name.replace("_", " ").capitalize()), escape(str(value))] for name, value in report.machine.items()
    ]
    return build_section("Settings and machine", build_table("", ("Setting", "Value"), rows))


def _release_rows(facts: ReleaseFacts) -> list[tuple[str, str]]:
    smallest, largest = facts.smallest_radius_levels, facts.radius_levels
    several = "" if smallest is None or smallest == largest else f"{smallest:.4g} to "
    radius = "unknown" if largest is None else f"{several}{largest:.4g} levels"
    if facts.radius_given:
        radius += f" (given as {facts.radius_given})"
    return [
        ("Method (by the manifest)", facts.method or "unknown"),
        ("Norm (by the manifest)", facts.norm or "unknown"),
        ("Radius (by the manifest)", radius),
    ]


def text_list(sentences: Iterable[str]) -> str:
    """Show sentences as a list."""
    return f"<ul>{''.join(f'<li>{escape(one)}</li>' for one in sentences)}</ul>"
