"""100,000 predictions scored by a rule: by the plainest form of the published scorer, and by remgcl."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from time import process_time
from typing import Any

from attrs import evolve, frozen

from bench.comparison import Row, alternate
from remgcl import Answer, Engine, Metric
from remgcl.core.evaluation.score import score_answers

COUNT = 100_000
PLAINLY = 10_000
"""How many of them the plain forms score."""

LIMIT = 10
"""Seconds of a core within which any rule scores that many."""

WORDS = ("stop", "Kentucky Fried Chicken", "12:30", "1,250", "the", "two", "exit", "no", "Yes", "3.5%", "2019")


@frozen(eq=False, kw_only=True)
class Case:
    """Predictions, and the rules that score them.

    Attributes:
        answers: The predictions.
        metrics: Every rule, by its name.
    """

    answers: Sequence[Answer]
    metrics: Mapping[str, Metric]

    def ours(self, rule: str) -> list[Any]:
        """Score by a rule of remgcl.

        Args:
            rule: Its name.
        """
        return [each["score"] for each in score_answers(rule, self.metrics[rule], self.answers)["items"]]

    def plain(self, rule: str) -> list[Any]:
        """Score by the plain form of a rule.

        Args:
            rule: Its name.
        """
        return [PLAIN[rule](each) for each in self.answers]

    def seconds(self, rule: str) -> float:
        """Measure the CPU seconds of a rule.

        Args:
            rule: Its name.
        """
        begun = process_time()
        self.ours(rule)
        return process_time() - begun


def make(*, quick: bool) -> Case:
    """Make predictions that have the fields of every rule.

    Args:
        quick: Whether to make few.
    """
    engine, random = Engine.installed(), Random(0)
    names = engine.registry.names("metrics")
    answers = [_answer(random, place) for place in range(200 if quick else COUNT)]
    return Case(answers=answers, metrics={name: engine.part("metrics", name) for name in names})


def _answer(random: Random, place: int) -> Answer:
    said = " ".join(random.choices(WORDS, k=random.randint(1, 8)))
    true = [random.choice(WORDS) for _ in range(10)]
    fields = {
        "answers": true,
        "answer": random.choice(("Yes", "No")),
        "label": random.choice(("yes", "no")),
        "image": place // 2,
        "category": "OCR",
        "question_type": "cognition VQA en",
        "review": f"{random.randint(1, 10)} {random.randint(1, 10)}\nfor these reasons",
    }
    return Answer(prediction=said, answers=tuple(true), fields=fields)


def measure(case: Case, *, quick: bool) -> list[Row]:
    """Time both forms of some rules, and every rule alone.

    Args:
        case: What to score.
        quick: Whether to time once only.
    """
    slowest = max(case.metrics, key=case.seconds)
    told = (
        f"{len(case.answers):,} by the slowest of {len(case.metrics)} rules, {slowest}: {case.seconds(slowest):.1f} s"
    )
    fewer = evolve(case, answers=case.answers[:PLAINLY])
    rows = []
    for rule in PLAIN:
        times = alternate({"naive": partial(fewer.plain, rule), "ours": partial(fewer.ours, rule)}, 1 if quick else 3)
        differ = sum(a != b for a, b in zip(fewer.plain(rule), fewer.ours(rule), strict=True))
        rows.append(
            Row(
                what=f"scores of {len(fewer.answers):,} predictions by {rule}",
                naive=times["naive"],
                ours=times["ours"],
                goal=None,
                differences=f"different scores: {differ}; {told}",
            )
        )
    return rows


def _contained(answer: Answer) -> float:
    said = answer.prediction.lower().strip().replace("\n", " ")
    return float(any(each.lower().strip().replace("\n", " ") in said for each in answer.answers))


def _distance(one: str, other: str) -> int:
    """Count the edits between two texts, cell by cell."""
    before = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        current = [row]
        for column, against in enumerate(other, 1):
            change = before[column - 1] + (letter != against)
            current.append(min(before[column] + 1, current[column - 1] + 1, change))
        before = current
    return before[-1]


def _anls(answer: Answer) -> float:
    best = 0.0
    for each in answer.answers:
        said, true = (" ".join(text.strip().lower().split()) for text in (answer.prediction, each))
        longest = max(len(answer.prediction.upper()), len(each.upper()))
        best = max(best, 1 - _distance(said, true) / longest if longest else 1.0)
    return best if best >= 0.5 else 0.0  # noqa: PLR2004 - the rule's threshold


def _relaxed(answer: Answer) -> float:
    return float(any(_near(answer.prediction, each) for each in answer.answers))


def _near(said: str, true: str) -> bool:
    one, other = _number(said), _number(true)
    if one is not None and other:
        return abs(one - other) / abs(other) <= 0.05  # noqa: PLR2004 - the rule's tolerance
    return said.lower() == true.lower()


def _number(text: str) -> float | None:
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None


PLAIN: Mapping[str, Callable[[Answer], float]] = {"ocrbench": _contained, "anls": _anls, "relaxed": _relaxed}
"""The rules, step by step and one answer after another, with nothing but the standard library."""
