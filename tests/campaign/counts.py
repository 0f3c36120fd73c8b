"""Protect, verify and restore every real file there is, and count: ``python -m tests.campaign.counts``."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_unlearnable import __version__
from tests.campaign.forks import Forks, forking
from tests.campaign.inventory import file_sets
from tests.campaign.mutants import reason_of

RADIUS = "8/255"
_LIMIT_S = 900


@dataclass(frozen=True)
class Counted:
    """What became of one file, which is a release of its own.

    Attributes:
        set_name: where it comes from.
        name: of the file.
        outcome: ``restored`` after protecting and verifying, ``refused`` with a reason, or ``failed``.
        reason: why it was refused, without names and numbers.
        options: what it took beside the defaults.
        identical: whether what was restored is the source's file byte for byte.
        seen: whether another library sees changed pixels in the release and the original ones afterwards.
        said: the whole error.
    """

    set_name: str
    name: str
    outcome: str
    reason: str = ""
    options: tuple[str, ...] = ()
    identical: bool = False
    seen: bool = False
    said: str = ""


def count_files(forks: Forks, sets: Iterable[tuple[str, list[Path]]], *, folder: Path) -> Iterator[Counted]:
    """Yield what became of every file."""
    for set_name, paths in sets:
        for path in paths:
            yield _count(forks, set_name, path, folder)
            shutil.rmtree(folder, ignore_errors=True)


def _count(forks: Forks, set_name: str, path: Path, folder: Path) -> Counted:
    source, places = _source(path, folder / "source"), folder / "places"
    function, radius = "tests.campaign.attempts:protect_and_prove", ("--radius", RADIUS)
    ended = forks.call(function, str(source), str(places), *radius, limit_s=_LIMIT_S)
    options = _asked_for(ended.err)
    if options:
        ended = forks.call(function, str(source), str(places), *radius, *options, limit_s=_LIMIT_S)
    line = next((one for one in ended.err.splitlines() if one.startswith("monai-unlearnable")), "")
    said = line.replace(str(source), "").strip() or ended.err[-500:]
    if ended.crashed or ended.status not in (0, 1, 2) or (ended.status and not line):
        return Counted(set_name, path.name, "failed", said=f"{ended.status}: {said} {ended.out[-500:]}")
    if ended.status:
        return Counted(set_name, path.name, "refused", reason_of(line.replace(path.name, "FILE")), options, said=said)
    same = identical(source, places / "restored")
    seen = _seen(forks, source, path, places)
    return Counted(set_name, path.name, "restored", options=options, identical=same, seen=seen)


def identical(source: Path, restored: Path) -> bool:
    """Whether every file of a source, which may be one archive, came back byte for byte."""
    folder = source.parent if source.is_file() else source
    files = [one for one in folder.rglob("*") if one.is_file() and one.name != "labels.csv"]
    copies = [restored / one.relative_to(folder) for one in files]
    pairs = zip(files, copies, strict=True)
    return bool(files) and all(copy.is_file() and copy.read_bytes() == one.read_bytes() for one, copy in pairs)


def _asked_for(said: str) -> tuple[str, ...]:
    """Return the option that an error proposes: to take lossy files, or how large a level is."""
    found = re.search(r"(--allow-lossy)\b|(--level-size) (\d\S*)", said)
    return () if found is None else tuple(one for one in found.groups() if one)


def _source(path: Path, folder: Path) -> Path:
    """A source of one image; an archive is one by itself."""
    folder.mkdir(parents=True)
    if path.suffix == ".npz":
        return Path(shutil.copy(path, folder))
    if path.is_dir():
        shutil.copytree(path, folder / path.name)
    else:
        shutil.copy(path, folder)
    (folder / "labels.csv").write_text(f"file,label\n{path.name},one\n")
    return folder


def _seen(forks: Forks, source: Path, path: Path, places: Path) -> bool:
    if path.is_dir():
        return all(
            _differ(forks, one, *(places / name / one.relative_to(source) for name in ("release", "restored")))
            for one in (source / path.name).iterdir()
        )
    original = source if source.is_file() else source / path.name
    copies = [
        next(one for one in (places / name).iterdir() if one.stem == path.stem) for name in ("release", "restored")
    ]
    return _differ(forks, original, *copies)


def _differ(forks: Forks, original: Path, released: Path, restored: Path) -> bool:
    answer = forks.call("tests.campaign.attempts:compare", str(original), str(released), str(restored)).out
    told = json.loads(answer.splitlines()[-1]) if answer.strip() else {}
    return isinstance(told.get("released"), float) and told["released"] > 0 and told.get("restored") == 0


def as_json(results: list[Counted]) -> dict[str, Any]:
    """Return the counts of every set, and of every reason with an example."""
    names = list(dict.fromkeys(one.set_name for one in results))
    reasons = Counter((one.set_name, one.reason) for one in results if one.outcome == "refused")
    examples = {(one.set_name, one.reason): one.said for one in reversed(results)}
    return {
        "package": __version__,
        "radius": RADIUS,
        "sets": {name: _row([one for one in results if one.set_name == name]) for name in names}
        | {"all": _row(results)},
        "refused": [
            {"set": name, "files": count, "reason": reason, "example": examples[name, reason]}
            for (name, reason), count in sorted(reasons.items(), key=lambda one: (names.index(one[0][0]), -one[1]))
        ],
        "failed": [
            {"set": one.set_name, "name": one.name, "said": one.said} for one in results if one.outcome == "failed"
        ],
    }


def _row(results: list[Counted]) -> dict[str, int]:
    restored = [one for one in results if one.outcome == "restored"]
    return {
        "files": len(results),
        "protected, verified, restored": len(restored),
        "of them with --allow-lossy": sum("--allow-lossy" in one.options for one in restored),
        "of them with --level-size": sum("--level-size" in one.options for one in restored),
        "seen by another library": sum(one.seen for one in restored),
        "byte for byte": sum(one.identical for one in restored),
        "refused": sum(one.outcome == "refused" for one in results),
        "failed": sum(one.outcome == "failed" for one in results),
    }


def as_markdown(content: dict[str, Any]) -> str:
    """Return the counts as two tables."""
    columns = list(next(iter(content["sets"].values())))
    lines = [
        "# What becomes of real files",
        "",
        "Every file was protected by the command line as a release of its own (synthetic deltas, radius",
        f"{RADIUS}), verified against its ledger and restored. *Seen by another library*: Pillow, tifffile, nibabel,",
        "ITK, pydicom or NumPy reads changed pixels in the release, and the original ones in what was",
        "restored (of an archive, in its training images). *Byte for byte*: the restored file is the source's.",
        "What was packed anew, and JPEG and BMP, which come back as PNG, give back every pixel but not every",
        "byte. A file that is refused is refused by an error that names it. Where the error proposes an option,",
        "the file is tried once more with it.",
        "",
        f"Command: `make counts` (package {content['package']}). Without the shared data their sets are left out.",
        "",
        "| set | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
        *(
            f"| {name} | " + " | ".join(str(row[one]) for one in columns) + " |"
            for name, row in content["sets"].items()
        ),
        "",
        "## Why files were refused",
        "",
        "| set | files | reason (`_` stands for what differs between files) |",
        "|---|---|---|",
        *(f"| {one['set']} | {one['files']} | {one['reason'].replace('|', '/')} |" for one in content["refused"]),
        "",
    ]
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="where the real data sets lie")
    parser.add_argument("--output", type=Path, default=Path("docs"), help="folder for counts.json and counts.md")
    parser.add_argument("--only", action="append", help="a set; may be repeated")
    options = parser.parse_args(words)
    sets = [one for one in file_sets(options.data) if not options.only or one[0] in options.only]
    results = []
    with forking() as forks, tempfile.TemporaryDirectory() as folder:
        for one in count_files(forks, sets, folder=Path(folder) / "counted"):
            results.append(one)
            print(f"{one.set_name}: {one.name}: {one.outcome} {one.said}", file=sys.stderr, flush=True)
    content = as_json(results)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "counts.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    text = as_markdown(content)
    (options.output / "counts.md").write_text(text, encoding="utf-8")
    print(text)
    return 1 if content["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
