"""Sections and tables of the HTML report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["build_section", "build_table"]


def build_section(title: str, body: str) -> str:
    """Build a section; the body is HTML already."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def build_table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Build a table; cells are HTML already, caption and head are not."""
    top = "".join(f'<th scope="col">{escape(one)}</th>' for one in head)
    body = "".join(f"<tr>{''.join(f'<td>{one}</td>' for one in row)}</tr>" for row in rows)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption or head[0], quote=True)}">'
        f"<table>{title}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )
