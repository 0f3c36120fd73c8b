"""Damaged files of every format: protected within the budget and proved, or refused by name, and nothing else."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.campaign.attempts import RADIUS_LEVELS
from tests.campaign.forks import Ended, Forks
from tests.campaign.headers import damage_header
from tests.campaign.templates import Template, write_templates
from tests.sources.mutations import mutations

MEMORY_MB = 1024
LIMIT_S = 60
_MEMORY = re.compile(r"out of memory|MemoryError|[Uu]nable to allocate|bad_alloc|Cannot allocate")


@dataclass
class Tried:
    """What became of one damaged file.

    Attributes:
        template: which file was damaged.
        number: of the damage; with the campaign's seed it gives the file again.
        damage: ``header`` or ``bytes``.
        outcome: ``protected``, ``refused`` or what should not be.
        reason: why it was refused, in the words of the error without names and numbers.
        peak_mb: largest memory.
        problem: what is not as it should be.
        unproved: why no other library could look at it.
    """

    template: str
    number: int
    damage: str
    outcome: str = ""
    reason: str = ""
    peak_mb: float = 0.0
    problem: str = ""
    unproved: str = ""


@dataclass(frozen=True)
class Mutant:
    """A damaged file in the place of a whole one."""

    template: Template
    number: int
    damage: str
    data: bytes = field(repr=False)


def mutants(folder: Path, *, each: int, seed: int) -> Iterator[Mutant]:
    """Damage every template ``each`` times: a third in its header's fields, the rest in its bytes."""
    for position, template in enumerate(write_templates(folder)):
        whole = template.suspect.read_bytes()
        generator = random.Random(1000 * seed + position)
        others = mutations(whole, count=each, seed=1000 * seed + position)
        for number, other in enumerate(others):
            header = number % 3 == 0 and template.kind != "none"
            data = damage_header(template.kind, whole, generator) if header else other
            yield Mutant(template, number, "header" if header else "bytes", data)


def try_all(forks: Forks, folder: Path, *, each: int, seed: int) -> Iterator[Tried]:
    """Try every mutant in a process of its own."""
    for mutant in mutants(folder / "templates", each=each, seed=seed):
        whole = mutant.template.suspect.read_bytes()
        mutant.template.suspect.write_bytes(mutant.data)
        try:
            yield _try(forks, mutant, folder / "places")
        finally:
            mutant.template.suspect.write_bytes(whole)
            shutil.rmtree(folder / "places", ignore_errors=True)


def _try(forks: Forks, mutant: Mutant, places: Path) -> Tried:
    template = mutant.template
    tried = Tried(template.name, mutant.number, mutant.damage)
    ended = forks.call(
        "tests.campaign.attempts:protect_and_prove",
        str(template.source),
        str(places),
        *([] if template.level_size is None else ["--level-size", str(template.level_size)]),
        limit_s=LIMIT_S,
        more_memory_mb=MEMORY_MB,
    )
    tried.peak_mb = round(ended.peak_mb)
    if ended.crashed:
        tried.outcome, tried.problem = "crashed", f"{ended.status}: {ended.err[-1500:]}"
    elif _MEMORY.search(ended.err):
        tried.outcome, tried.problem = "took too much memory", ended.err[-500:]
    elif ended.status == 0:
        tried.outcome = "protected"
        _prove(forks, tried, template, places)
    else:
        _read_refusal(tried, ended, template)
    return tried


def _read_refusal(tried: Tried, ended: Ended, template: Template) -> None:
    line = next((one for one in ended.err.splitlines() if one.startswith("monai-unlearnable")), ended.err)
    tried.outcome, tried.reason = "refused", reason_of(line)
    if "suspect" not in line and template.suspect.parent.name not in Path(line.split(": ")[1]).parts:
        tried.problem = f"the error does not name the file: {line[-500:]}"


def _prove(forks: Forks, tried: Tried, template: Template, places: Path) -> None:
    """Let another library say by how much the released file differs."""
    relative = (
        template.suspect.relative_to(template.source) if template.source.is_dir() else Path(template.suspect.name)
    )
    relative = relative.with_name(re.sub(r"\.(jpg|bmp)$", ".png", relative.name).replace(".mhd", ".mha"))
    original = template.suspect
    if relative.suffix == ".raw":
        relative, original = relative.with_suffix(".mha"), original.with_suffix(".mhd")
    largest = RADIUS_LEVELS * (template.level_size or 1.0)
    paths = [original, *(places / name / relative for name in ("release", "restored"))]
    ended = forks.call("tests.campaign.attempts:compare", *map(str, paths), limit_s=LIMIT_S)
    if ended.status != 0 or not ended.out.strip():
        tried.unproved = f"the other library crashed ({ended.status})"
        return
    told = json.loads(ended.out.splitlines()[-1])
    if "unreadable" in told:
        tried.unproved = told["unreadable"]
    elif not isinstance(told["released"], float) or told["released"] > largest or told["restored"] != 0:
        tried.problem = f"another library sees {told}"


def reason_of(line: str) -> str:
    """An error without what is particular to one file."""
    text = re.sub(r"^monai-unlearnable \w+: (usage: )?", "", line)
    text = text.partition(": ")[2] or text
    return re.sub(r"'[^']*'|\d[\d.,e+-]*", "_", text)[:90]


def summary(results: list[Tried]) -> dict[str, Any]:
    """Return counts by format and outcome, the commonest reasons, and every file that led to a problem."""
    by_template: dict[str, Counter[str]] = {}
    for one in results:
        by_template.setdefault(one.template, Counter())[one.outcome] += 1
    return {
        "files": len(results),
        "by_outcome": dict(Counter(one.outcome for one in results).most_common()),
        "by_damage": dict(Counter(one.damage for one in results).most_common()),
        "by_format": {name: dict(sorted(counts.items())) for name, counts in by_template.items()},
        "protected_and_seen_by_another_library": sum(
            one.outcome == "protected" and not one.unproved for one in results
        ),
        "protected_and_not_readable_by_it": sum(one.outcome == "protected" and bool(one.unproved) for one in results),
        "largest_memory_mb": max((one.peak_mb for one in results), default=0.0),
        "reasons": dict(Counter(one.reason for one in results if one.reason).most_common(60)),
        "files_with_problems": [asdict(one) for one in results if one.problem],
    }
