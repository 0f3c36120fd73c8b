"""All victims as a grid of countermeasures and networks, and as curves over how strong a countermeasure is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from monai_unlearnable.audit.outcomes import NotApplied, RecipeOutcome
from monai_unlearnable.audit.taken import Axis, Step, base_of, steps_of, steps_text

__all__ = ["Grid", "GridColumn", "Sweep", "find_sweeps", "grid_of"]

_LEAST_POINTS = 2


@dataclass(frozen=True)
class GridColumn:
    """One victim, with every countermeasure that it took.

    Attributes:
        name: of the plain victim, or else of the first that took a countermeasure.
        plain: the victim without countermeasures; None where the audit has none.
        cells: for each row of the grid what was found; None where the audit has no such victim.
    """

    name: str
    plain: RecipeOutcome | None
    cells: tuple[RecipeOutcome | NotApplied | None, ...]

    def share(self, score: float) -> float | None:
        """Return where a score lies between the majority (0) and the plain clean baseline (1).

        None where there is no such baseline, or it did not learn.
        """
        if self.plain is None or not self.plain.clean_learned:
            return None
        gap = mean(one.score for one in self.plain.clean) - self.plain.majority
        return (score - self.plain.majority) / gap if gap > 0 else None


@dataclass(frozen=True)
class Grid:
    """All victims.

    Attributes:
        rows: what was done to images, in words.
        columns: the victims.
    """

    rows: tuple[str, ...]
    columns: tuple[GridColumn, ...]


@dataclass(frozen=True)
class Sweep:
    """One victim with one countermeasure at several strengths.

    Attributes:
        victim: its name without the countermeasure.
        axis: what is varied.
        values: how strong, in rising order.
        outcomes: what was found at each value.
    """

    victim: str
    axis: Axis
    values: tuple[float, ...]
    outcomes: tuple[RecipeOutcome, ...]


def grid_of(outcomes: Sequence[RecipeOutcome], not_applied: Sequence[NotApplied] = ()) -> Grid:
    """Arrange victims: a row for each countermeasure, plain training first; a column for each network."""
    by_place: dict[tuple[str, tuple[Step, ...]], RecipeOutcome | NotApplied] = {}
    victims: list[RecipeOutcome | NotApplied] = [*outcomes, *not_applied]
    for one in victims:
        by_place.setdefault((base_of(one.recipe), steps_of(one.recipe)), one)
    rows = sorted(dict.fromkeys(steps for _, steps in by_place), key=bool)
    columns = []
    for base in dict.fromkeys(base for base, _ in by_place):
        cells = tuple(by_place.get((base, steps)) for steps in rows)
        plain = by_place.get((base, ()))
        first = plain if plain is not None else next(one for one in cells if one is not None)
        columns.append(GridColumn(first.recipe.name, plain if isinstance(plain, RecipeOutcome) else None, cells))
    return Grid(tuple(map(steps_text, rows)), tuple(columns))


def find_sweeps(outcomes: Sequence[RecipeOutcome]) -> tuple[Sweep, ...]:
    """Find countermeasures that one victim took at two or more strengths.

    The plain victim stands at the strength at which the countermeasure changes nothing, where there is one.
    """
    groups: dict[tuple[object, ...], list[tuple[float, RecipeOutcome]]] = {}
    for one in outcomes:
        steps = steps_of(one.recipe)
        if len(steps) == 1 and steps[0].value is not None:
            key = (base_of(one.recipe), steps[0].axis, steps[0].others)
            groups.setdefault(key, []).append((steps[0].value, one))
    plain = {base_of(one.recipe): one for one in outcomes if one.recipe.is_plain}
    sweeps = []
    for (base, axis, _), found in groups.items():
        if len(found) < _LEAST_POINTS or not isinstance(axis, Axis):
            continue
        own = plain.get(str(base))
        if own is not None and axis.at_nothing is not None:
            found = [*found, (axis.at_nothing, own)]
        values, points = zip(*sorted(found, key=lambda one: one[0]), strict=True)
        name = points[0].recipe.name if own is None else own.recipe.name
        sweeps.append(Sweep(name, axis, values, points))
    return tuple(sweeps)
