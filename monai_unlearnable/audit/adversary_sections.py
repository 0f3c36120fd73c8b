"""The parts of the HTML report about countermeasures; every text that comes from data is escaped here."""

from __future__ import annotations

from html import escape
from statistics import mean

from monai_unlearnable.audit.figures import draw_sweep
from monai_unlearnable.audit.grid import Grid, GridColumn, Sweep, find_sweeps, grid_of
from monai_unlearnable.audit.outcomes import NotApplied, RecipeOutcome
from monai_unlearnable.audit.report import AuditReport
from monai_unlearnable.audit.tables import build_section
from monai_unlearnable.audit.wording import score_name, score_text, trivial_name
from monai_unlearnable.sources.base import Task

__all__ = ["heat_map", "sweeps"]

_NOTHING_COLOUR, _ALL_COLOUR = (255, 255, 255), (242, 166, 90)
"""Of the majority class and of the plain clean baseline: black text stands out from both, and from all between."""


def heat_map(report: AuditReport) -> str:
    """Show mean scores by countermeasure and victim, coloured by where they lie; nothing without a countermeasure."""
    grid = grid_of(report.outcomes, report.not_applied)
    if not report.not_applied and all(one.recipe.is_plain for one in report.outcomes):
        return ""
    name, trivial = score_name(report.task), trivial_name(report.task).lower()
    text = (
        f"Mean {name.removeprefix('mean ')} on clean test images of victims that were trained on released images and, "
        "beside it, on clean originals under the same countermeasure (of victims with a clean part without any). The "
        f"percentage says where a score lies between the {trivial} (0 %, or less) and the clean baseline of the same "
        "victim without a countermeasure (100 %); the colour says the same, from white to orange. What a victim got "
        "that learns nothing even from the originals means nothing, and has no colour."
    )
    legend = "".join(_colour_cell(share, f"{share:.0%}") for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    scale = f'<table class="scale" aria-label="Colours"><tr>{legend}</tr></table>'
    return build_section("By countermeasure", f"<p>{escape(text)}</p>{scale}{_table(grid, report.task)}{_gaps(grid)}")


def _table(grid: Grid, task: Task) -> str:
    top = "".join(f'<th scope="colgroup" colspan="2">{escape(one.name)}</th>' for one in grid.columns)
    kinds = '<th scope="col">released</th><th scope="col">clean</th>' * len(grid.columns)
    rows = "".join(
        f'<tr><th scope="row">{escape(row)}</th>{"".join(_cells(one, at, task) for one in grid.columns)}</tr>'
        for at, row in enumerate(grid.rows)
    )
    groups = "<col>" + '<colgroup span="2"></colgroup>' * len(grid.columns)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Scores by countermeasure and victim">'
        f'<table class="heat">{groups}<thead><tr><th scope="col" rowspan="2">Countermeasure</th>{top}</tr>'
        f"<tr>{kinds}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cells(column: GridColumn, at: int, task: Task) -> str:
    found = column.cells[at]
    if isinstance(found, NotApplied):
        return f'<td colspan="2">{"diverged" if found.diverged else "not applicable"}</td>'
    if found is None:
        return '<td colspan="2">not tested</td>'
    if not found.learned:
        released, clean = (score_text(mean(one.score for one in runs), task) for runs in (found.released, found.clean))
        return f"<td>{released} (means nothing)</td><td>{clean} (not learned)</td>"
    cells = ""
    for results in (found.released, found.clean):
        score = mean(one.score for one in results)
        share = column.share(score)
        percent = "" if share is None else f" ({max(0.0, share):.0%})"
        cells += _colour_cell(share, f"<strong>{score_text(score, task)}</strong>{percent}")
    return cells


def _colour_cell(share: float | None, content: str) -> str:
    """Build a cell; the content is HTML already."""
    if share is None:
        return f"<td>{content}</td>"
    cut = min(1.0, max(0.0, share))
    colour = (round(low + cut * (high - low)) for low, high in zip(_NOTHING_COLOUR, _ALL_COLOUR, strict=True))
    return f'<td style="background: #{"".join(f"{one:02x}" for one in colour)}">{content}</td>'


def _gaps(grid: Grid) -> str:
    """Say of which victims there is nothing to measure a share by."""
    without = [one.name for one in grid.columns if one.share(0.0) is None]
    if not without:
        return ""
    names = ", ".join(map(escape, without))
    return f"<p>No percentages for {names}: there is no clean baseline without a countermeasure that learned.</p>"


def sweeps(report: AuditReport) -> str:
    """Show scores over the strength of each countermeasure that was taken at two strengths or more."""
    figures = "".join(_figure(one, report.task) for one in find_sweeps(report.outcomes))
    return build_section("By strength of a countermeasure", figures) if figures else ""


def _figure(sweep: Sweep, task: Task) -> str:
    name, trivial = score_name(task), trivial_name(task).lower()
    chart = draw_sweep(sweep, score_name=name, trivial_name=trivial)
    points = "; ".join(
        f"{value:g}: released {_text(one, task, clean=False)}, clean {_text(one, task, clean=True)}"
        for value, one in zip(sweep.values, sweep.outcomes, strict=True)
    )
    majority = score_text(sweep.outcomes[0].majority, task)
    alt = f"{name} of victim {sweep.victim} by {sweep.axis.title}. {points}. {trivial.capitalize()} {majority}."
    return (
        f'<figure><img class="chart" src="{chart}" alt="{escape(alt, quote=True)}">'
        f"<figcaption>Victim {escape(sweep.victim)} by {escape(sweep.axis.title)}: mean over seeds, with the standard "
        "deviation where there are several.</figcaption></figure>"
    )


def _text(outcome: RecipeOutcome, task: Task, *, clean: bool) -> str:
    return score_text(mean(one.score for one in (outcome.clean if clean else outcome.released)), task)
