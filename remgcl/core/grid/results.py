"""What came out of a grid, as the report gets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import field, frozen


@frozen(kw_only=True)
class CellResult:
    """What came out of one cell of a grid with one seed.

    Attributes:
        label: Name of the cell; all seeds of a cell share it.
        settings: Label of each axis to the label of the value that this cell has.
        seed: The seed.
        state: One of `finished`, `failed`, `missing` and `running`.
        metrics: The measured metrics, the headline first; empty if nothing was measured.
        seconds: How long the training took.
        samples_per_second: How many samples it trained on in a second.
        curves: Each term of the loss as pairs of step and value.
        error: Why it failed.
        digest: Of all inputs of its last stage; cells with one digest are the same.
        questions: Each metric that is the mean over a benchmark's questions to the score of each question.
    """

    label: str
    settings: Mapping[str, str]
    seed: int
    state: str
    metrics: Mapping[str, float]
    seconds: float | None
    samples_per_second: float | None
    curves: Mapping[str, Sequence[tuple[int, float]]]
    error: str | None = None
    digest: str = ""
    questions: Mapping[str, Mapping[str, float]] = field(factory=dict)


@frozen(kw_only=True)
class GridResults:
    """What came out of a grid: a result for each cell and seed.

    Attributes:
        name: Name of the grid.
        metrics: Names of what was measured, the headline first.
        axes: Label of each axis to the labels of its values, in order.
        baseline: Label of the cell that the others are compared with.
        cells: The results.
    """

    name: str
    metrics: tuple[str, ...]
    axes: Mapping[str, tuple[str, ...]]
    baseline: str | None
    cells: tuple[CellResult, ...]
