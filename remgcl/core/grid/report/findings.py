"""The findings by the first metric of a grid, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from remgcl.core.grid.report.words import Scale
from remgcl.core.grid.results import GridResults
from remgcl.core.grid.statistics import LEAST, CellSummary, Difference
from remgcl.core.tables.words import probability


def findings_of(results: GridResults, cells: Sequence[CellSummary], scales: Mapping[str, Scale]) -> Iterator[str]:
    """Say how much finished, and which cells differ from the baseline.

    Args:
        results: What came out of the grid.
        cells: What can be said of each cell.
        scales: How each metric is written.
    """
    yield _progress(results, cells)
    if not results.metrics:
        yield "Nothing was measured."
        return
    metric = results.metrics[0]
    if missing := [repr(cell.label) for cell in cells if not cell.estimates[metric].count]:
        yield f"No finished seed that measured {metric}: {', '.join(missing)}."
    if results.baseline is None:
        yield "No cell is named as the baseline, so there are no differences."
        return
    measured = (cell for cell in cells if cell.estimates[metric].count)
    compared = {repr(cell.label): cell.differences[metric] for cell in measured if cell.differences}
    yield from _comparisons(compared, f"the baseline {results.baseline!r} in {metric}", scales[metric])


def _progress(results: GridResults, cells: Sequence[CellSummary]) -> str:
    """Count cells, seeds, runs and states."""
    states = Counter(result.state for result in results.cells)
    counts = {"cell": len(cells), "seed": len({result.seed for result in results.cells}), "run": len(results.cells)}
    counted = ", ".join(f"{count} {noun}{'s' * (count != 1)}" for noun, count in counts.items())
    done = states.pop("finished", 0)
    return f"{counted}: {done} finished{''.join(f', {count} {state}' for state, count in sorted(states.items()))}."


def _comparisons(compared: Mapping[str, Difference], baseline: str, scale: Scale) -> Iterator[str]:
    """Say which cells differ from the baseline, which do not detectably, and which remain undecided."""
    groups: dict[str, list[str]] = {
        f"Higher than {baseline}": [],
        f"Lower than {baseline}": [],
        f"Not distinguishable from {baseline}": [],
        f"The same difference to {baseline} in every seed, so that chance cannot be judged": [],
        f"Too few seeds to distinguish from {baseline} (at least {LEAST} that both have)": [],
    }
    higher, lower, unseen, same, few = groups.values()
    for label, found in compared.items():
        if found.corrected is None:
            few.append(f"{label} ({found.estimate.count})")
        elif found.distinguishable:
            by = f"{scale.difference(found.estimate)}{scale.points}, p {_p(found.corrected)}"
            (higher if found.estimate.mean > 0 else lower).append(f"{label} ({by})")
        elif found.distinguishable is None:
            same.append(f"{label} ({scale.signed(found.estimate.mean)}{scale.points})")
        else:
            seen = found.estimate.half if found.spread else None
            unseen.append(label if seen is None else f"{label} (seen from {scale.value(seen)}{scale.points})")
    yield from (f"{what}: {', '.join(labels)}." for what, labels in groups.items() if labels)


def _p(p: float) -> str:
    text = probability(p)
    return text if text.startswith("<") else f"= {text}"
