"""Scores of models side by side, and paired with those of the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeAlias

from attrs import frozen

from remgcl.core.errors import DataError
from remgcl.core.evaluation.comparison.draws import (
    Draws,
    Headline,
    binary,
    bounds,
    draw_headlines,
    draw_means,
    is_mean,
    mcnemar,
)
from remgcl.core.evaluation.comparison.protocols import columns_of
from remgcl.core.evaluation.predictions import read_predictions
from remgcl.core.evaluation.scored import Scored, read_scored
from remgcl.core.parts import Metric

FindRule: TypeAlias = Callable[[str, Mapping[str, Any]], Metric]
"""Makes a rule of its name and settings."""


@frozen(kw_only=True)
class Against:
    """How a model differs from the first one on the same questions.

    Attributes:
        difference: Its headline minus that of the first.
        interval: 95 % interval of the difference; None if it cannot be drawn.
        better: Questions with a higher score than that of the first.
        worse: Questions with a lower score.
        p: p-value of McNemar's test; None where scores are not 0 or 1.
    """

    difference: float
    interval: tuple[float, float] | None
    better: int
    worse: int
    p: float | None

    @property
    def distinguishable(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


@frozen(kw_only=True, eq=False)
class Entrant:
    """A model in one column.

    Attributes:
        label: What the model is called.
        scored: Its evaluation; None if it has none of this benchmark.
        interval: 95 % interval of its headline; None if it cannot be drawn.
        against: The difference to the first model that has the benchmark; None for that one.
    """

    label: str
    scored: Scored | None
    interval: tuple[float, float] | None = None
    against: Against | None = None


@frozen(kw_only=True, eq=False)
class Column:
    """One benchmark by one protocol.

    Attributes:
        title: The benchmark and the protocol.
        rule: The rule that scored it.
        count: How many questions.
        factor: What headlines are multiplied by to be shown.
        mean: Whether the headline is the mean of the scores.
        entrants: The models, in the order given.
    """

    title: str
    rule: str
    count: int
    factor: int
    mean: bool
    entrants: tuple[Entrant, ...]

    @property
    def changed(self) -> list[int]:
        """The places of the questions whose score is not the same for all models."""
        held = [entrant.scored.items for entrant in self.entrants if entrant.scored is not None]
        return [
            place for place, items in enumerate(zip(*held, strict=True)) if len({_told(each) for each in items}) > 1
        ]


def _told(item: Any) -> Any:  # noqa: ANN401 - a score of any form
    held = item.score if item.score is not None else item.line.get("score")
    return tuple(held) if isinstance(held, list) else held


@frozen(kw_only=True, eq=False)
class Comparison:
    """Models compared.

    Attributes:
        labels: What they are called, in the order given; the others are compared with the first.
        columns: The benchmarks.
        draws: How often questions were drawn.
        seed: Seed of the draws.
    """

    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    draws: int
    seed: int


def compare(paths: Sequence[Path], find: FindRule, *, draws: int = 5000, seed: int = 0) -> Comparison:
    """Compare models.

    Args:
        paths: The scores of each model: folders of `remgcl eval`, or files of `remgcl score --out`.
        find: Makes the rules whose headline is no mean.
        draws: How often questions are drawn.
        seed: Seed of the draws.

    Raises:
        DataError: A path holds no whole, unchanged evaluation, or those of two models; or nothing is in common.
        FaultsError: A benchmark was evaluated by different protocols.
    """
    read = {path: read_scored(path) for path in paths}
    if len(read) < len(paths):
        raise DataError(f"{next(path for path in paths if paths.count(path) > 1)}: is named twice")
    for path, evaluations in read.items():
        other = next((each for each in evaluations if each.identity != evaluations[0].identity), None)
        if other is not None:
            raise DataError(
                f"{path}: holds evaluations of two models: {evaluations[0].path.parent} of {evaluations[0].model!r} "
                f"and {other.path.parent} of {other.model!r}; name the folders of each"
            )
    models = dict(zip(_labels(read), read.values(), strict=True))
    columns = tuple(_column(column, tuple(models), find, draws, seed) for column in columns_of(models))
    return Comparison(labels=tuple(models), columns=columns, draws=draws, seed=seed)


def _labels(read: Mapping[Path, Sequence[Scored]]) -> list[str]:
    """Name the models: by their own names, or else by the part of their paths that tells them apart."""
    names = [evaluations[0].model for evaluations in read.values()]
    if all(name and not Path(name).exists() for name in names) and len(set(names)) == len(names):
        return names
    parts = [path.parts for path in read]
    ends = [each[_shared(parts) :] for each in parts]
    tail = _shared([each[::-1] for each in ends])
    short = ["/".join(each[: len(each) - tail]) for each in ends]
    return short if all(short) and len(set(short)) == len(short) else [str(path) for path in read]


def _shared(parts: Sequence[Sequence[str]]) -> int:
    """Count the parts at the beginning that all have."""
    same = (len(set(each)) == 1 for each in zip(*parts, strict=False))
    return sum(1 for _ in takewhile(bool, same))


def _column(column: Mapping[str, Scored], labels: Sequence[str], find: FindRule, draws: int, seed: int) -> Column:
    """Compare the models that have a benchmark."""
    having = [label for label in labels if label in column]
    scored = [column[label] for label in having]
    factors = {is_mean(each) for each in scored}
    mean = None not in factors and len(factors) == 1
    drawn: list[Draws] | None
    if mean:
        by = factors.pop() or 1
        drawn = [by * each for each in draw_means([_scores(each) for each in scored], draws, seed)]
    elif any(each.headline is None for each in scored):
        drawn = None
    else:
        drawn = draw_headlines(scored[0], [_summed(each, find) for each in scored], draws, seed)
    small = all(each.headline is None or abs(each.headline) <= 1 for each in scored)
    found = dict(_entrants(having, scored, drawn))
    return Column(
        title=scored[0].title,
        rule=str(scored[0].protocol.get("metric", {}).get("use")),
        count=len(scored[0].items),
        factor=100 if small and not (mean and by == 100) else 1,  # noqa: PLR2004 - percent already
        mean=mean,
        entrants=tuple(found.get(label, Entrant(label=label, scored=None)) for label in labels),
    )


def _entrants(
    labels: Sequence[str], scored: Sequence[Scored], drawn: Sequence[Draws] | None
) -> Iterator[tuple[str, Entrant]]:
    """Compare each model with the first."""
    for place, (label, each) in enumerate(zip(labels, scored, strict=True)):
        yield (
            label,
            Entrant(
                label=label,
                scored=each,
                interval=bounds(drawn[place]) if drawn else None,
                against=_against(scored[0], each, bounds(drawn[place] - drawn[0]) if drawn else None)
                if place
                else None,
            ),
        )


def _against(first: Scored, other: Scored, interval: tuple[float, float] | None) -> Against | None:
    if first.headline is None or other.headline is None:
        return None
    pairs = [
        (one.score, two.score)
        for one, two in zip(first.items, other.items, strict=True)
        if one.score is not None and two.score is not None
    ]
    better, worse = sum(two > one for one, two in pairs), sum(two < one for one, two in pairs)
    tested = len(pairs) == len(first.items) and binary([score for pair in pairs for score in pair])
    return Against(
        difference=other.headline - first.headline,
        interval=interval,
        better=better,
        worse=worse,
        p=mcnemar(better, worse) if tested else None,
    )


def _scores(scored: Scored) -> list[float]:
    return [item.score for item in scored.items if item.score is not None]


def _summed(scored: Scored, find: FindRule) -> Headline:
    """Have the rule sum up questions at some places."""
    rule = scored.protocol.get("metric", {})
    metric = find(str(rule.get("use")), rule.get("settings") or {})
    answers = read_predictions(scored.predictions, metric)
    scores = [metric.score(answer) for answer in answers]

    def headline(places: Sequence[int]) -> float | None:
        value = metric.summary([answers[place] for place in places], [scores[place] for place in places]).get("score")
        return float(value) if isinstance(value, int | float) else None

    return headline
