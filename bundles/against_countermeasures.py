"""Countermeasures that the releases of a bundle are tried against, and what it publishes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from countermeasure_results import SUITE
from countermeasure_tables import overview, published_suites, tables
from reproduction import Bundle, DataSet, Experiment, splice, write_results

from monai_unlearnable.audit.suites import SUITES

__all__ = ["KINDS", "against_countermeasures", "variant"]

KINDS = (*SUITES["standard"], "notch", "clean-part:0.2", "clean-part-alone:0.2", "early-stopping:0.1")
"""What every method is tried against."""


def against_countermeasures(
    folder: Path,
    description: str,
    datasets: Mapping[str, Callable[[Path, Path], DataSet]],
    experiments: Callable[[bool, Path], Sequence[Experiment]],
    *,
    name: str = SUITE,
) -> Bundle:
    """Return what a bundle publishes of them: figures and tables in its docs, one table of all bundles in README.md."""

    def publish(results: Sequence[dict[str, Any]]) -> None:
        write_results(results, folder / "docs" / f"{name}.json", curves=False)
        splice(folder / "docs" / f"{name}.md", tables(results, name))
        if name == SUITE:
            splice(folder.parents[1] / "README.md", overview(published_suites(folder.parent)), name=SUITE)

    return Bundle(
        folder=folder,
        description=description,
        datasets=datasets,
        experiments=experiments,
        table=partial(tables, name=name),
        publish=publish,
        results_name=f"{name}.json",
    )


def variant(words: str = "", name: str = SUITE) -> str:
    """Return the variant of an experiment of these tables: what tells its method from others, and their name."""
    return f"{words}, {name}" if words else name
