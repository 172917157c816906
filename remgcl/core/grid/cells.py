"""The cells of a grid: every combination of the axes' values, as a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from attrs import frozen

from remgcl.core.errors import Fault, Hint, RecipeError, ValueFaultError, listed
from remgcl.core.grid.axes import ABSENT, Axis, Choice, Settings, parts_first
from remgcl.core.grid.file import GridFile, flat
from remgcl.core.grid.keys import STAGES, holds_tables
from remgcl.core.recipe.document import Document, Key, dotted

AFTER = "after"


@frozen
class Cell:
    """One combination of values.

    Attributes:
        label: How it is called.
        settings: The label of its value on each axis, by the axis's label.
        document: Its recipe, as TOML would say it.
    """

    label: str
    settings: Mapping[str, str]
    document: Document


def make_cells(grid: GridFile, name: str, base: Document, axes: Sequence[Axis]) -> tuple[Cell, ...]:
    """Combine the values of all axes, except excluded combinations.

    Args:
        grid: The grid.
        name: Its file, for errors.
        base: The recipe that is varied, with the settings of every cell.
        axes: The axes.

    Raises:
        RecipeError: An excluded combination matches no cell, or all cells are excluded.
    """
    faults: list[Fault] = []
    excluded = []
    for place, table in enumerate(grid.exclude):
        try:
            excluded.append(_picked(table, axes))
        except ValueFaultError as error:
            faults.append(Fault(name, dotted((f"exclude.{place}", *error.key)), str(error)))
    if faults:
        raise RecipeError(faults)
    combinations = [
        chosen
        for chosen in product(*(axis.choices for axis in axes))
        if not any(all(chosen[place] is choice for place, choice in picked.items()) for picked in excluded)
    ]
    if not combinations:
        raise RecipeError([Fault(name, "exclude", "leaves no cell")])
    return tuple(_cell(name, base, axes, chosen) for chosen in combinations)


def find_baseline(grid: GridFile, name: str, axes: Sequence[Axis], cells: Sequence[Cell]) -> str | None:
    """Find the cell that others are compared with, if the grid names one.

    Args:
        grid: The grid.
        name: Its file, for errors.
        axes: The axes.
        cells: The cells.

    Raises:
        RecipeError: The baseline matches no cell, or several.
    """
    if grid.baseline is None:
        return None
    try:
        picked = _picked(grid.baseline, axes)
    except ValueFaultError as error:
        raise RecipeError([Fault(name, dotted(("baseline", *error.key)), str(error))]) from None
    wanted = {axes[place].label: choice.label for place, choice in picked.items()}
    found = [cell.label for cell in cells if wanted.items() <= cell.settings.items()]
    if len(found) == 1:
        return found[0]
    more = [axis.key for place, axis in enumerate(axes) if place not in picked]
    fault = f"is {len(found)} cells; name values of {listed(more)} too" if found else "is excluded"
    raise RecipeError([Fault(name, "baseline", fault)])


def lay(document: Document, settings: Settings, origin: str) -> None:
    """Set keys of a recipe; a list of losses or stages keeps these and drops the others with their settings.

    Args:
        document: What to change.
        settings: The keys and their values.
        origin: Where they were written.
    """
    kept = {key: value for key, value in settings if holds_tables(key) and isinstance(value, list)}
    for key, names in kept.items():
        if not _dropped(key, kept):
            _keep(document, key, names, origin)
    for key, value in settings:
        if key in kept or _dropped(key, kept):
            continue
        if value is ABSENT:
            document.remove(key)
        else:
            document.set(key, value, origin)


def _picked(table: Mapping[str, Any], axes: Sequence[Axis]) -> dict[int, Choice]:
    """Find the values that a table names, by the place of their axes."""
    picked = {}
    for key, value in flat(table).items():
        place = next((place for place, axis in enumerate(axes) if key in {axis.key, axis.label}), None)
        if place is None:
            raise ValueFaultError(f"is no axis; {Hint(key, tuple(axis.key for axis in axes))}", (key,))
        choices = axes[place].choices
        found = [choice for choice in choices if choice.label == value or _same(choice.given, value)]
        if not found:
            labels = listed(choice.label for choice in choices)
            raise ValueFaultError(f"{value!r} is no value of this axis; there is {labels}", (key,))
        picked[place] = found[0]
    return picked


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _cell(name: str, base: Document, axes: Sequence[Axis], chosen: Sequence[Choice]) -> Cell:
    held = base.copy()
    settings = {axis.label: choice.label for axis, choice in zip(axes, chosen, strict=True)}
    lay(held, parts_first(setting for choice in chosen for setting in choice.settings), name)
    return Cell(", ".join(f"{axis}={value}" for axis, value in settings.items()) or "base", settings, held)


def _dropped(key: Key, kept: Mapping[Key, list[str]]) -> bool:
    """Return whether a key belongs to a table that was dropped."""
    return any(
        len(key) > len(above) and key[: len(above)] == above and key[len(above)] not in names
        for above, names in kept.items()
    )


def _keep(document: Document, key: Key, names: Sequence[str], origin: str) -> None:
    """Keep some of named tables; those that are not there are added, with their defaults."""
    held = document.get(key)
    there = dict(held) if isinstance(held, dict) else {}
    for name in there:
        if name not in names:
            document.remove((*key, name))
    for name in names:
        if name not in there:
            document.set((*key, name), {}, origin)
    if key == (STAGES,):
        for name in names:
            before = next((after for after in _before(name, there) if after in names), None)
            if before is not None:
                document.set((STAGES, name, AFTER), before, origin)
            else:
                document.remove((STAGES, name, AFTER))


def _before(name: str, stages: Mapping[str, Any]) -> Iterator[str]:
    """Name the stages that came before a stage, the nearest first."""
    seen = {name}
    while isinstance(stage := stages.get(name), Mapping) and isinstance(after := stage.get(AFTER), str):
        if after in seen:
            return
        seen.add(after)
        yield after
        name = after
