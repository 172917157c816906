"""A benchmark ready to be asked: its questions, its protocol, and the digest of both."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import attrs
from attrs import evolve, frozen

from remgcl.core.errors import DataError, Fault, FaultsError, Hint, RequestError
from remgcl.core.evaluation.record import OWN
from remgcl.core.parts import Answer, Benchmark, BenchmarkProtocol, BenchmarkQuestion, Metric

FAULTS = 20
"""Most faults of a benchmark that are named."""


@frozen(kw_only=True, eq=False, slots=False)
class Task:
    """Questions that are asked by a protocol.

    Attributes:
        benchmark: The name of the benchmark.
        name: The name of the protocol.
        protocol: The protocol.
        metric: Its rule.
        questions: The questions, in the order of the files.
        limit: How many questions of the benchmark were kept; None keeps all.
        groups: Fields of the questions by which scores are tabulated, beside the type.
    """

    benchmark: str
    name: str
    protocol: BenchmarkProtocol
    metric: Metric
    questions: tuple[BenchmarkQuestion, ...]
    limit: int | None = None
    groups: tuple[str, ...] = ()

    @cached_property
    def prompts(self) -> dict[str, str]:
        """The prompt of each question, by its id."""
        return {question.id: self.protocol.prompt(question) for question in self.questions}

    @cached_property
    def record(self) -> dict[str, Any]:
        """All that a score depends on beside the model, with a digest of it."""
        settings = attrs.asdict(self.protocol)
        metric = {"use": settings.pop("metric"), "settings": attrs.asdict(self.metric)}
        del settings["metric_settings"]
        questions = sha256()
        for question in self.questions:
            questions.update(json.dumps(_told(question), ensure_ascii=True, sort_keys=True, default=str).encode())
        asked = {
            "benchmark": self.benchmark,
            "questions": {"count": len(self.questions), "sha256": questions.hexdigest(), "limit": self.limit},
            **settings,
            "metric": metric,
            "image": "as displayed, in RGB; the model does the rest",
        }
        decides = {key: value for key, value in asked.items() if key != "source"}
        digest = sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()
        return {"name": self.name, "digest": digest, **json.loads(json.dumps(asked, default=str))}

    def answer(self, question: BenchmarkQuestion, prediction: str, **more: Any) -> Answer:  # noqa: ANN401 - fields of a rule
        """Make what the rule scores.

        Args:
            question: The question.
            prediction: What the model said.
            **more: Further fields, such as a review.
        """
        fields = {**fields_of(question), **more}
        return Answer(prediction=prediction, answers=question.answers, fields=fields)


def fields_of(question: BenchmarkQuestion) -> dict[str, Any]:
    """Return all fields of a question that a rule may look at.

    Args:
        question: The question.
    """
    shown = {"image": question.picture.name} if question.picture else {}
    kind = {"type": question.type} if question.type else {}
    return {"question": question.text, **kind, **shown, **question.fields, "answers": list(question.answers)}


def _told(question: BenchmarkQuestion) -> list[Any]:
    """List what makes a question the one that it is."""
    picture = question.picture.name if question.picture else None
    return [question.id, question.text, question.type, picture, question.answers, dict(question.fields)]


def protocol_of(benchmark: Benchmark, name: str) -> tuple[str, BenchmarkProtocol]:
    """Find the protocol that a benchmark is asked by, with its name.

    Args:
        benchmark: The benchmark.
        name: What errors call it.

    Raises:
        RequestError: There is none of that name.
    """
    known = benchmark.protocols()
    chosen = next(iter(known)) if benchmark.protocol is None else benchmark.protocol
    if chosen not in known:
        raise RequestError(f"benchmark {name!r}: no protocol {chosen!r}; {Hint(chosen, tuple(known))}")
    found = known[chosen]
    return chosen, evolve(found, split=benchmark.split or found.split)


def make_task(
    name: str,
    benchmark: Benchmark,
    rule: Callable[[str, Sequence[str]], Metric],
    folder: Path | None = None,
    *,
    shown: bool = True,
) -> Task:
    """Read the questions of a benchmark, and make sure that each can be asked and scored.

    Args:
        name: The benchmark's name.
        benchmark: The benchmark.
        rule: Makes a metric of its name and its settings.
        folder: The folder of its files; the benchmark's own setting by default.
        shown: Whether the images must be there.

    Raises:
        DataError: A file is missing or cannot be read.
        FaultsError: Questions have no id of their own, no image or no answers.
        RequestError: There is no such protocol.
    """
    chosen, asked = protocol_of(benchmark, name)
    folder = Path(benchmark.folder) if folder is None else folder
    read = tuple(benchmark.questions(folder, asked.split))[: benchmark.limit]
    if not read:
        raise DataError(f"{name}: {folder}: holds no question of split {asked.split!r}")
    task = Task(
        benchmark=name,
        name=chosen,
        protocol=asked,
        metric=rule(asked.metric, asked.metric_settings),
        questions=read,
        limit=benchmark.limit,
        groups=benchmark.groups,
    )
    faults = [Fault(name, f"question {id_!r}", what) for id_, what in _faults(task, shown=shown)]
    if faults:
        more = [Fault(name, "", f"and {len(faults) - FAULTS:,} more faults")] if len(faults) > FAULTS else []
        raise FaultsError([*faults[:FAULTS], *more])
    return task


def _faults(task: Task, *, shown: bool) -> Iterator[tuple[str, str]]:
    """Describe what is wrong with questions."""
    times = Counter(question.id for question in task.questions)
    for id_, count in times.items():
        if count > 1:
            yield id_, f"id: stands {count} times; each question needs one of its own"
    judged = {"review": ""} if task.protocol.judge else {}
    for question in task.questions:
        if not question.id:
            yield question.id, "id: is missing"
        picture = question.picture
        if shown and picture is not None and picture.file is not None and not picture.file.is_file():
            yield question.id, f"image: there is no file {str(picture.file)!r}"
        taken = sorted(OWN & question.fields.keys())
        if taken:
            yield question.id, f"{taken[0]}: is a field of the record of predictions; rename it"
        what = task.metric.fault(task.answer(question, "", **judged))
        if what is not None:
            yield question.id, what
        try:
            task.protocol.prompt(question)
        except DataError as error:
            yield question.id, str(error)


def grouped(task: Task, scores: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return number and mean of the scores of each group of questions: by type, and by the benchmark's own fields.

    Args:
        task: The task.
        scores: The score of each question, by its id.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for question in task.questions:
        score = scores[question.id]
        if not isinstance(score, int | float):
            continue
        kind = question.type or None
        named = {"type": kind, **{name: question.fields.get(name) for name in task.groups}}
        crossed = named.get(task.groups[0]) if task.groups and kind else None
        if crossed is not None:
            named[f"type x {task.groups[0]}"] = f"{kind} x {crossed}"
        for name, value in named.items():
            if value is not None:
                found.setdefault(name, {}).setdefault(str(value), []).append(float(score))
    return {
        name: {value: {"count": len(of), "score": sum(of) / len(of)} for value, of in groups.items()}
        for name, groups in found.items()
    }
