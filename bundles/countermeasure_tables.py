"""Countermeasures that releases are tried against, and tables of what readers get; shared by the bundles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from reproduction import Bundle, DataSet, Experiment, proof_line, splice, write_results

from monai_unlearnable.audit.suites import SUITES

__all__ = ["KINDS", "SUITE", "against_countermeasures", "regained", "tables", "variant"]

SUITE = "countermeasures"
"""How the variants of experiments end whose victims take countermeasures, and what the files of figures are called."""
KINDS = (*SUITES["standard"], "notch", "clean-part:0.2", "clean-part-alone:0.2")
"""What every method is tried against."""
_APART = ("pretrained", "clean-part", "notch")
"""Readers who have more than the released files, or know how they were made."""
_WITHOUT_LOOKING = {"segmentation": "IoU of the best blind answer"}
_SUMMARIES = (
    ("**largest share of the clean gap regained**", ()),
    ("the same, who knows of the stripes", ("notch",)),
    ("the same, pretrained", ("pretrained",)),
    ("the same, a fifth not protected", ("clean-part:",)),
)


def against_countermeasures(
    folder: Path,
    description: str,
    datasets: Mapping[str, Callable[[Path, Path], DataSet]],
    experiments: Callable[[bool, Path], Sequence[Experiment]],
    *,
    name: str = SUITE,
) -> Bundle:
    """Return what a bundle publishes of them: a file of figures and one of tables, of that name, in its docs."""

    def publish(results: Sequence[dict[str, Any]]) -> None:
        write_results(results, folder / "docs" / f"{name}.json", curves=False)
        splice(folder / "docs" / f"{name}.md", tables(results, name))

    return Bundle(
        folder=folder,
        description=description,
        datasets=datasets,
        experiments=experiments,
        table=partial(tables, name=name),
        publish=publish,
        results_name=f"{name}.json",
    )


def tables(results: Sequence[dict[str, Any]], name: str = SUITE) -> str:
    """Return the shares of all methods, a table for each data set and radius with a column a method, and one of radii.

    Args:
        results: what is shown.
        name: how their variants end.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in results:
        groups.setdefault((one["dataset"], one["radius"]), []).append(one)
    parts = [f"### {dataset}, {radius}\n\n{_table(rows, name)}" for (dataset, radius), rows in groups.items()]
    return "\n\n".join([*_overview(groups, name), *parts, *_strengths(results, name), proof_line(results)])


def _overview(groups: Mapping[tuple[str, str], Sequence[dict[str, Any]]], name: str) -> list[str]:
    """Return a table of what the best reader regains, where several methods were tried on several data sets."""
    compared = {group: rows for group, rows in groups.items() if len(rows) > 1}
    if len({dataset for dataset, _ in compared}) < 2:
        return []
    titles = [f"{dataset}, {radius}" for dataset, radius in compared]
    shares = [{_method(one, name): _share(one, ()) for one in rows} for rows in compared.values()]
    lines = [
        f"| largest share of the clean gap regained | {' | '.join(titles)} |",
        "|" + "---|" * (len(titles) + 1),
        *(
            f"| {method} | {' | '.join(found.get(method, 'not computed') for found in shares)} |"
            for method in dict.fromkeys(method for found in shares for method in found)
        ),
    ]
    return ["### All methods\n\n" + "\n".join(lines)]


def _strengths(results: Sequence[dict[str, Any]], name: str) -> list[str]:
    """Return a table of radii for every data set and method that was computed at several."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in results:
        groups.setdefault((one["dataset"], _method(one, name)), []).append(one)
    parts = []
    for (dataset, method), rows in groups.items():
        if len(rows) > 1:
            rows = sorted(rows, key=lambda one: Fraction(one["radius"]))
            lines = [
                "| radius | PSNR dB, SSIM | no countermeasure | largest share of the clean gap regained |",
                "|---|---|---|---|",
                *(
                    f"| {one['radius']} | {_fidelity(one)} | {_released(one, 'none')} | {_share(one, ())} |"
                    for one in rows
                ),
            ]
            parts.append(f"### {dataset}, {method}, by radius\n\n" + "\n".join(lines))
    return parts


def _table(rows: Sequence[dict[str, Any]], name: str) -> str:
    methods = [_method(one, name) for one in rows]
    lines = [f"| countermeasure | clean files | {' | '.join(methods)} |", "|" + "---|" * (len(methods) + 2)]
    victims = [_victims(one) for one in rows]
    tried = dict.fromkeys(kind for one in victims for kind in one)
    for kind in tried | dict.fromkeys(kind for one in rows for kind in _left_out(one)):
        clean = next((f"{one[kind]['clean']['mean']:.3f}" for one in victims if kind in one), "")
        released = [_released(one, kind) for one in rows]
        lines.append(f"| {kind} | {clean} | {' | '.join(released)} |")
    for title, kinds in _SUMMARIES:
        if any(_counts(kind, kinds) for kind in tried):
            lines.append(f"| {title} | | {' | '.join(_share(one, kinds) for one in rows)} |")
    lines.append(
        f"| the same, stopped at its best on clean images | | {' | '.join(_share(one, (), 'peak') for one in rows)} |"
    )
    lines.append(f"| seconds to protect | | {' | '.join(format(one['protect_seconds'], '.0f') for one in rows)} |")
    lines += [f"| {title} | | {' | '.join(look(one['audit']) for one in rows)} |" for title, look in _looks(rows)]
    lines.append(f"| PSNR dB, SSIM | | {' | '.join(_fidelity(one) for one in rows)} |")
    without = _WITHOUT_LOOKING.get(rows[0]["audit"]["task"], "Majority class")
    return "\n".join([*lines, "", f"{without}: {victims[0]['none']['majority']:.3f}."])


def regained(one: dict[str, Any], kinds: Sequence[str] = (), score: str = "score") -> tuple[float, str]:
    """Return the largest share of the clean gap that a victim regains, and its countermeasure.

    The share is ``(score - majority) / (plain - majority)`` of mean scores over the seeds, where ``plain`` is that of
    victims trained on clean files without a countermeasure.

    Args:
        one: a result.
        kinds: how the countermeasures begin that count; none for all changes of the images, and plain training.
        score: ``score``, or ``peak`` for victims that stop at their best epoch.
    """
    victims = _victims(one)
    majority = victims["none"]["majority"]
    gap = _mean(victims["none"], "clean", "score") - majority
    scores = {kind: _mean(victim, "released", score) for kind, victim in victims.items() if _counts(kind, kinds)}
    best = max(scores, key=lambda kind: scores[kind])
    return (scores[best] - majority) / gap, best


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


def variant(words: str = "", name: str = SUITE) -> str:
    """Return the variant of an experiment of these tables: what tells its method from others, and their name."""
    return f"{words}, {name}" if words else name


def _method(one: dict[str, Any], name: str) -> str:
    words = one["variant"].removesuffix(name).removesuffix(", ")
    return f"{one['method']}, {words}" if words else str(one["method"])


def _counts(kind: str, kinds: Sequence[str]) -> bool:
    return kind.startswith(tuple(kinds)) if kinds else not kind.startswith(_APART)


def _victims(one: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {_kind(one, victim): victim for victim in one["audit"]["recipes"]}


def _left_out(one: dict[str, Any]) -> list[str]:
    """Return the countermeasures that the images of a result cannot undergo."""
    return [_kind(one, victim) for victim in one["audit"]["not_applied"]]


def _kind(one: dict[str, Any], victim: dict[str, Any]) -> str:
    names = [str(other["recipe"]["name"]) for other in one["audit"]["recipes"]]
    plain = min(names, key=len)  # the others add their countermeasure to its name
    return str(victim["recipe"]["name"]).removeprefix(plain).removeprefix(", ") or "none"


def _released(one: dict[str, Any], kind: str) -> str:
    victim = _victims(one).get(kind)
    if victim is not None:
        return f"{victim['released']['mean']:.3f}"
    return "not applicable" if kind in _left_out(one) else "not computed"


def _mean(victim: dict[str, Any], on: str, score: str) -> float:
    return fmean(run[score] for run in victim["runs"] if run["trained_on"] == on)


def _share(one: dict[str, Any], kinds: Sequence[str], score: str = "score") -> str:
    if not any(_counts(kind, kinds) for kind in _victims(one)):
        return "not computed"
    share, kind = regained(one, kinds, score)
    return f"{share:.0%} ({kind})"


def _fidelity(one: dict[str, Any]) -> str:
    fidelity = one["audit"]["fidelity"]
    return f"{fidelity['psnr_db']['median']:.1f}, {fidelity['ssim']['median']:.3f}"
