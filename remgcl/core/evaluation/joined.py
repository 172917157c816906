"""Answers made elsewhere, joined with the questions of a benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from remgcl.core.errors import DataError, listed
from remgcl.core.evaluation.predictions import items_of
from remgcl.core.evaluation.task import fields_of
from remgcl.core.parts import Answer, Benchmark, BenchmarkQuestion

TEXTS = ("prediction", "text")
"""Names of the field that holds the text of the model; the second is LLaVA's."""

SHOWN = 5
"""Most questions that an error names."""


def join(file: Path, benchmark: Benchmark, questions: Sequence[BenchmarkQuestion]) -> list[Answer]:
    """Join a file of answers with questions: each must be answered once.

    Args:
        file: A JSON list, or JSON lines, as `remgcl eval`, `remgcl answer` and LLaVA's `model_vqa` write them.
        benchmark: The benchmark, which knows how its answers name their questions.
        questions: Its questions.

    Returns:
        The answers, in the order of the questions.

    Raises:
        DataError: An answer is to no question, or a question has none or several.
    """
    said: dict[str, str] = {}
    times: Counter[str] = Counter()
    for where, item in items_of(file):
        text = next((item[name] for name in TEXTS if isinstance(item, dict) and isinstance(item.get(name), str)), None)
        if text is None:
            raise DataError(f"{file}: {where}: is no answer; an object with {' or '.join(map(repr, TEXTS))} is due")
        try:
            key = benchmark.answered(item)
        except DataError as error:
            raise DataError(f"{file}: {where}: {error}") from None
        said[key] = text
        times[key] += 1
    due = {benchmark.key(question): question for question in questions}
    unknown, missing = [key for key in said if key not in due], [key for key in due if key not in said]
    twice = [key for key, count in times.items() if count > 1]
    for keys, what in (
        (unknown, "answers are to no question of the benchmark"),
        (missing, "questions have no answer, and a part is not scored"),
        (twice, "questions are answered more than once"),
    ):
        if keys:
            raise DataError(f"{file}: {len(keys):,} of {len(due):,} {what}, such as {listed(keys[:SHOWN])}")
    return [
        Answer(prediction=said[key], answers=question.answers, fields=fields_of(question))
        for key, question in due.items()
    ]
