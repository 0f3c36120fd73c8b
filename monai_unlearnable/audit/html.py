"""The report as one self-contained HTML file: no script, no request to anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources

from monai_unlearnable.audit import adversary_sections, dense_sections, extra_sections, sections
from monai_unlearnable.audit.overlays import Overlay
from monai_unlearnable.audit.previews import Example
from monai_unlearnable.audit.report import AuditReport
from monai_unlearnable.audit.wording import LIMITS, how_to_read
from monai_unlearnable.sources.base import Task

__all__ = ["render_html"]

_TITLE = "What a model learns from this release"


def render_html(report: AuditReport, examples: Sequence[Example] = (), overlays: Sequence[Overlay] = ()) -> str:
    """Write the whole page.

    Args:
        report: what the audit found.
        examples: images to show.
        overlays: test images with predicted masks to show, of segmentation.

    Returns:
        An HTML document with its style and figures inside; its policy forbids scripts and requests.
    """
    style = resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    body = "".join(
        (
            sections.verdict(report),
            sections.results(report),
            adversary_sections.heat_map(report),
            adversary_sections.sweeps(report),
            *_masks(report, overlays),
            extra_sections.detector(report),
            extra_sections.authorised_use(report),
            extra_sections.membership(report),
            sections.examples(examples),
            sections.curves(report),
            sections.fidelity(report.fidelity),
            sections.checks(report),
            f"<section><h2>How to read this</h2>{sections.text_list(how_to_read(report.task))}</section>",
            f"<section><h2>Known limits</h2>{sections.text_list(LIMITS)}</section>",
            sections.settings(report),
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(_TITLE)}</title><style>{style}</style></head>"
        f"<body><main><h1>{escape(_TITLE)}</h1>{body}</main></body></html>\n"
    )


def _masks(report: AuditReport, overlays: Sequence[Overlay]) -> tuple[str, ...]:
    if report.task is not Task.SEGMENTATION:
        return ()
    return (
        dense_sections.structures(report),
        dense_sections.trivial(report),
        dense_sections.overlays(overlays, report.class_names),
    )
