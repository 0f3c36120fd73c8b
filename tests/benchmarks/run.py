"""``python -m tests.benchmarks.run --output bench_output``: measure, print a table, write JSON.

Only ratios are judged: seconds depend on the machine. Nothing here is a test; figures of a busy machine spread.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks import (
    compute_memory,
    engine,
    linear_method,
    memory,
    pipeline,
    protect_volume,
    release,
    release_memory,
    steps,
)
from tests.benchmarks.measure import Outcome, Size, commit, machine, versions
from tests.benchmarks.schema import validate

BENCHMARKS: dict[str, Callable[[Size], Outcome]] = {
    "engine": engine.run,
    "steps": steps.run,
    "pipeline": pipeline.run,
    "linear_method": linear_method.run,
    "release": release.run,
    "memory": memory.run,
    "compute_memory": compute_memory.run,
    "protect_volume": protect_volume.run,
    "release_memory": release_memory.run,
}


def measure(names: Sequence[str], size: Size) -> dict[str, Any]:
    """Run benchmarks by name and return validated results."""
    outcomes = []
    for name in names:
        print(f"measuring: {name} ...", flush=True)
        outcomes.append(BENCHMARKS[name](size))
    results = {
        "format": 1,
        "quick": size.quick,
        "clock": size.clock,
        "commit": commit(),
        "versions": versions(),
        "machine": machine(),
        "rows": [row.to_json() for outcome in outcomes for row in outcome.rows],
        "ratios": [ratio.to_json() for outcome in outcomes for ratio in outcome.ratios],
    }
    validate(results)
    return results


def table(results: dict[str, Any]) -> str:
    """Lay results out for a reader."""
    lines = [f"{'quantity':58} {'median':>10} {'min':>10} {'max':>10}  unit"]
    for one in results["rows"]:
        lines.append(f"{one['name']:58} {one['median']:10.3f} {one['min']:10.3f} {one['max']:10.3f}  {one['unit']}")
    lines += ["", f"{'ratio':58} {'median':>10} {'min':>10} {'max':>10}  goal"]
    for one in results["ratios"]:
        verdict = "" if one["goal"] is None else f"<= {one['goal']:g}: {'met' if one['met'] else 'MISSED'}"
        lines.append(f"{one['name']:58} {one['median']:10.3f} {one['min']:10.3f} {one['max']:10.3f}  {verdict}")
    return "\n".join(lines)


def _write(path: Path, results: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.unfinished")
    unfinished.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.run", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("bench_output"), help="folder of benchmarks.json")
    parser.add_argument("--only", nargs="+", choices=sorted(BENCHMARKS), help="run these benchmarks alone")
    parser.add_argument("--quick", action="store_true", help="see that everything runs; the figures mean nothing")
    parser.add_argument("--threads", type=int, default=1, help="PyTorch's threads (1 spreads least)")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: for a machine that is busy")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    size = replace(Size.small() if options.quick else Size.full(), clock=options.clock)
    results = measure(options.only or list(BENCHMARKS), size)
    _write(options.output / "benchmarks.json", results)
    print(table(results))
    print(f"written: {options.output / 'benchmarks.json'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
