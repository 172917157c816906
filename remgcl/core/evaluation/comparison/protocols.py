"""Which scores may stand in one column: those of the same questions, asked and scored in the same way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from remgcl.core.errors import DataError, Fault, FaultsError, listed
from remgcl.core.evaluation.scored import Scored, question_of

SAID = frozenset({"name", "source", "digest"})
"""Keys of a protocol on which no score depends."""

SHOWN = 6
"""Most differences that an error names."""

LONGEST = 60
"""Letters of a value that an error shows."""


def columns_of(models: Mapping[str, Sequence[Scored]]) -> list[dict[str, Scored]]:
    """Put the scores that may be compared into columns: by model, for each benchmark and protocol.

    Args:
        models: The evaluations of each model, by its label.

    Raises:
        FaultsError: Models were evaluated on a benchmark by different protocols; all differences are named.
        DataError: No two models have a benchmark in common, or a model has two evaluations of one.
    """
    columns: dict[str, list[dict[str, Scored]]] = {}
    for label, evaluations in models.items():
        mine: set[int] = set()
        for scored in evaluations:
            column = _column(columns.setdefault(scored.benchmark, []), scored)
            if id(column) in mine:
                raise DataError(
                    f"{label}: holds two evaluations of {scored.title!r} by the same protocol: {column[label].path} "
                    f"and {scored.path}; name one of them"
                )
            mine.add(id(column))
            column[label] = scored
    faults = [fault for benchmark in columns.values() for fault in _faults(models, benchmark)]
    if faults:
        raise FaultsError(faults)
    found = [column for benchmark in columns.values() for column in benchmark]
    if len(models) > 1 and not any(len(column) > 1 for column in found):
        have = "; ".join(f"{label}: {listed(each.title for each in held)}" for label, held in models.items())
        raise DataError(f"no two models were evaluated on the same benchmark; there is {have}")
    return found


def differences(one: Scored, other: Scored) -> list[str]:
    """Say in which ways two protocols differ; nothing if scores by them compare.

    Args:
        one: An evaluation.
        other: Another of the same benchmark.
    """
    said = [
        f"{key} is {_short(mine)} and {_short(theirs)}"
        for key, mine, theirs in _pairs(one.protocol, other.protocol, "")
        if mine != theirs and not key.startswith("questions.sha256")
    ]
    if one.protocol.get("questions") != other.protocol.get("questions") or _questions(one) != _questions(other):
        said.append(_other_questions(one, other))
    return said


def _column(columns: list[dict[str, Scored]], scored: Scored) -> dict[str, Scored]:
    """Find the column of a protocol, or begin one."""
    for column in columns:
        if not differences(next(iter(column.values())), scored):
            return column
    columns.append({})
    return columns[-1]


def _faults(models: Mapping[str, Sequence[Scored]], columns: Sequence[Mapping[str, Scored]]) -> Iterator[Fault]:
    """Say which models have columns of a benchmark that others lack, though they have others of it."""
    sets = {label: {place for place, column in enumerate(columns) if label in column} for label in models}
    having = [label for label in models if sets[label]]
    first = having[0]
    for label in having[1:]:
        if sets[label] == sets[first]:
            continue
        lacking = sets[first] - sets[label] or sets[first]
        extra = sets[label] - sets[first] or sets[label]
        one, other = columns[min(lacking)][first], columns[min(extra)][label]
        why = differences(one, other)
        more = [f"and {len(why) - SHOWN} more"] if len(why) > SHOWN else []
        yield Fault(
            f"{first} and {label}",
            one.benchmark,
            f"were evaluated by different protocols, so their scores do not compare: {'; '.join(why[:SHOWN] + more)}",
        )


def _questions(scored: Scored) -> list[str]:
    return [item.id for item in scored.items]


def _other_questions(one: Scored, other: Scored) -> str:
    """Say which questions differ."""
    mine, theirs = ({item.id: question_of(item.line) for item in each.items} for each in (one, other))
    alone = [id_ for id_ in (*mine, *theirs) if id_ not in mine or id_ not in theirs]
    changed = [id_ for id_ in mine if id_ in theirs and mine[id_] != theirs[id_]]
    found = [*changed, *alone]
    if not found:
        return "the questions are in another order, or differ in fields that are not recorded with the predictions"
    where = ""
    if changed:
        keys = mine[changed[0]].keys() | theirs[changed[0]].keys()
        key = next(key for key in sorted(keys) if mine[changed[0]].get(key) != theirs[changed[0]].get(key))
        where = f": {key} is {_short(mine[changed[0]].get(key))} and {_short(theirs[changed[0]].get(key))}"
    return f"{len(found):,} questions differ, the first is {found[0]!r}{where}"


def _short(value: Any) -> str:  # noqa: ANN401 - whatever a protocol holds
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _pairs(one: Any, other: Any, at: str) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 - nested JSON
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted(one.keys() | other.keys()):
            if at or key not in SAID:
                yield from _pairs(one.get(key), other.get(key), f"{at}.{key}" if at else key)
    else:
        yield at, one, other
