"""Tables of what readers who take countermeasures get; shared by the bundles."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from countermeasure_results import SUITE, counts, learned, left_out, method_of, share_text, victims_by_kind
from reproduction import proof_line

__all__ = ["overview", "published_suites", "tables"]

_WITHOUT_LOOKING = {"segmentation": "IoU of the best blind answer"}
_SUMMARIES = (
    ("**largest share of the clean gap regained**", ()),
    ("the same, who knows of the stripes", ("notch",)),
    ("the same, pretrained", ("pretrained",)),
    ("the same, a fifth not protected", ("clean-part:",)),
    ("the same, stopped by a clean tenth", ("early-stopping:",)),
)


def tables(results: Sequence[dict[str, Any]], name: str = SUITE) -> str:
    """Return a table for each data set and radius with a column a method, and one of radii.

    Args:
        results: what is shown.
        name: how their variants end.
    """
    groups = _grouped(results, _data_set)
    parts = [f"### {title}\n\n{_table(rows, name)}" for title, rows in groups.items()]
    return "\n\n".join([*parts, *_strengths(results, name), proof_line(results)])


def published_suites(bundles: Path) -> list[dict[str, Any]]:
    """Return the results that bundles have published of the suite, in the order of their names."""
    return [one for file in sorted(bundles.glob(f"*/docs/{SUITE}.json")) for one in json.loads(file.read_text())]


def overview(results: Sequence[dict[str, Any]]) -> str:
    """Return what the best reader regains: a row for each method, a column where several were tried."""
    compared = {title: rows for title, rows in _grouped(results, _data_set).items() if len(rows) > 1}
    shares = [{method_of(one, SUITE): share_text(one, ()) for one in rows} for rows in compared.values()]
    return "\n".join(
        [
            f"| largest share of the clean gap regained | {' | '.join(compared)} |",
            "|" + "---|" * (len(compared) + 1),
            *(
                f"| {method} | {' | '.join(found.get(method, 'not computed') for found in shares)} |"
                for method in dict.fromkeys(method for found in shares for method in found)
            ),
            f"| *clean files, without looking* | {' | '.join(_ends(rows[0]) for rows in compared.values())} |",
        ]
    )


def _ends(one: dict[str, Any]) -> str:
    plain = victims_by_kind(one)["none"]
    return f"{plain['clean']['mean']:.3f}, {plain['majority']:.3f}"


def _data_set(one: dict[str, Any]) -> str:
    return f"{one['dataset']}, {one['radius']}"


def _grouped(
    results: Sequence[dict[str, Any]], title_of: Callable[[dict[str, Any]], str]
) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in results:
        groups.setdefault(title_of(one), []).append(one)
    return groups


def _strengths(results: Sequence[dict[str, Any]], name: str) -> list[str]:
    """Return a table of radii for every data set and method that was computed at several."""
    parts = []
    for title, rows in _grouped(results, lambda one: f"{one['dataset']}, {method_of(one, name)}").items():
        if len(rows) > 1:
            rows = sorted(rows, key=lambda one: Fraction(one["radius"]))
            lines = [
                "| radius | PSNR dB, SSIM | no countermeasure | largest share of the clean gap regained |",
                "|---|---|---|---|",
                *(
                    f"| {one['radius']} | {_fidelity(one)} | {_released(one, 'none')} | {share_text(one, ())} |"
                    for one in rows
                ),
            ]
            parts.append(f"### {title}, by radius\n\n" + "\n".join(lines))
    return parts


def _table(rows: Sequence[dict[str, Any]], name: str) -> str:
    methods = [method_of(one, name) for one in rows]
    lines = [f"| countermeasure | clean files | {' | '.join(methods)} |", "|" + "---|" * (len(methods) + 2)]
    victims = [victims_by_kind(one) for one in rows]
    tried = dict.fromkeys(kind for one in victims for kind in one)
    for kind in tried | dict.fromkeys(kind for one in rows for kind in left_out(one)):
        clean = next((f"{one[kind]['clean']['mean']:.3f}" for one in victims if kind in one), "")
        released = [_released(one, kind) for one in rows]
        lines.append(f"| {kind} | {clean} | {' | '.join(released)} |")
    for title, kinds in _SUMMARIES:
        if any(counts(kind, kinds) for kind in tried):
            lines.append(f"| {title} | | {' | '.join(share_text(one, kinds) for one in rows)} |")
    peaks = [share_text(one, (), "peak") for one in rows]
    lines.append(f"| the same, stopped at its best on the test images | | {' | '.join(peaks)} |")
    lines.append(f"| seconds to protect | | {' | '.join(format(one['protect_seconds'], '.0f') for one in rows)} |")
    lines += [f"| {title} | | {' | '.join(look(one['audit']) for one in rows)} |" for title, look in _looks(rows)]
    lines.append(f"| PSNR dB, SSIM | | {' | '.join(_fidelity(one) for one in rows)} |")
    without = _WITHOUT_LOOKING.get(rows[0]["audit"]["task"], "Majority class")
    return "\n".join([*lines, "", f"{without}: {victims[0]['none']['majority']:.3f}."])


def _use(audit: dict[str, Any]) -> str:
    (found,) = audit["authorised_use"]
    return f"{found['on_released_mean']:.3f} ({found['on_clean_mean']:.3f}), {found['agreement_mean']:.0%} alike"


def _membership(audit: dict[str, Any]) -> str:
    (found,) = audit["membership"]
    means = found["mean_auroc"]
    return f"{means['trained_on_released_seen_released']:.2f} ({means['trained_on_clean_seen_clean']:.2f})"


def _seen(audit: dict[str, Any], what: str) -> str:
    best = max(audit["detector"][what], key=lambda one: float(one["accuracy_mean"]))
    return f"{best['accuracy_mean']:.2f} ({best['chance_mean']:.2f})"


_EXTRAS: tuple[tuple[str, str, Callable[[dict[str, Any]], str]], ...] = (
    ("authorised_use", "authorised use: a clean model's score on released images (on their originals)", _use),
    ("membership", "membership AUROC, released (clean)", _membership),
    ("detector", "released files told from originals (chance)", lambda audit: _seen(audit, "released")),
    ("detector", "classes told by deltas alone (chance)", lambda audit: _seen(audit, "classes")),
)


def _looks(rows: Sequence[dict[str, Any]]) -> list[tuple[str, Callable[[dict[str, Any]], str]]]:
    """Return what every one of these audits has besides scores."""
    return [(title, look) for name, title, look in _EXTRAS if all(one["audit"].get(name) for one in rows)]


def _released(one: dict[str, Any], kind: str) -> str:
    victim = victims_by_kind(one).get(kind)
    if victim is not None:
        return f"{victim['released']['mean']:.3f}" + ("" if learned(one, victim) else ", learns nothing")
    return "not applicable" if kind in left_out(one) else "not computed"


def _fidelity(one: dict[str, Any]) -> str:
    fidelity = one["audit"]["fidelity"]
    return f"{fidelity['psnr_db']['median']:.1f}, {fidelity['ssim']['median']:.3f}"
