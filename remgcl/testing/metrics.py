"""What every metric promises: a finite score of any text, the same each time, and a summary of them."""

from __future__ import annotations

import json
from contextlib import suppress

from remgcl.core.parts import Answer, Metric
from remgcl.testing.checks import PartChecks, broken

TEXTS = ("", " ", "Yes", "no.", "A sign: 42!\n", "\u00c9t\u00e9 \u6771\u4eac", "\\frac { 1 } { 2 }", "(", "x" * 2000)


def _answers() -> list[Answer]:
    """Yield pairs of prediction and answer, with the fields that the rules of benchmarks use."""
    rows = []
    for place, text in enumerate(TEXTS):
        truth = TEXTS[(place * 4) % len(TEXTS)]
        for label in ("Yes", "No"):
            answers = [truth] * 10
            fields = {
                "answers": answers,
                "answer": label,
                "label": label.lower(),
                "image": place,
                "question_type": "cognition VQA en",
                "review": text,
            }
            rows.append(Answer(prediction=text, answers=tuple(answers), fields=fields))
    return rows


def _scored_by(part: Metric) -> list[Answer]:
    """Leave out what a metric refuses or raises at: another check is about that."""
    answers = []
    for answer in _answers():
        with suppress(Exception):
            if part.fault(answer) is None:
                part.score(answer)
                answers.append(answer)
    return answers


class Checks(PartChecks):
    """What every metric promises."""

    def test_it_scores_any_text(self, part: Metric) -> None:
        """It scores every text that a model can generate; a score that is a number is finite."""
        for answer in _answers():
            if part.fault(answer) is not None:
                continue
            try:
                part.score(answer)
            except Exception as error:
                raise broken(part, f"raises {error!r} for the prediction {answer.prediction[:40]!r}") from error

    def test_it_scores_the_same_each_time(self, part: Metric) -> None:
        """A score depends only on its item, and the item is not changed."""
        answers = _scored_by(part)
        before = [repr(answer) for answer in answers]
        first = [part.score(answer) for answer in answers]
        again = [part.score(answer) for answer in reversed(answers)][::-1]
        if first != again:
            raise broken(part, "returns another score the second time; remove randomness and state")
        if before != [repr(answer) for answer in answers]:
            raise broken(part, "changes the item; work on a copy")

    def test_its_summary_can_be_written(self, part: Metric) -> None:
        """The summary is a mapping that can be written as JSON."""
        answers = _scored_by(part)
        summary = part.summary(answers, [part.score(answer) for answer in answers])
        try:
            json.dumps(dict(summary))
        except (TypeError, ValueError) as error:
            raise broken(part, f"has a summary that JSON cannot hold: {error}") from error
