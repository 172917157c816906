"""The reviews of a judge: two ratings of LLaVA-Bench, or one grade of MM-Vet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Literal

from attrs import frozen

from remgcl import Answer, Metric, Score

UNREADABLE = (-1.0, -1.0)
"""The pair that the published reader returns for a review that it cannot read."""


@frozen(kw_only=True)
class Judge(Metric):
    """Read the review that a chat model wrote of an answer; the field `review` holds it.

    A pair is the first line of the review: two numbers with one space or comma between them. The headline is
    100 x mean rating of the model / mean rating of the reference, which is rated first. A grade is the first
    word, from 0 to 1; the headline is 100 x their mean. Reviews that cannot be read, and ratings that are not finite,
    are counted as `unreadable` and enter no mean. Neither do those whose field `review_finish` is "refused": the judge
    refused to write them, and they are counted as `refused`, whatever they hold.

    Source: LLaVA, `llava/eval/eval_gpt_review_bench.py`, `parse_score`; MM-Vet's evaluator.

    Attributes:
        form: The form of a review.
    """

    form: Literal["pair", "grade"] = "pair"

    def fault(self, answer: Answer) -> str | None:
        """Refuse an item without a review."""
        review = answer.fields.get("review")
        if isinstance(review, str):
            return None
        return f"review: must be the text of a judge; {'there is none' if review is None else f'it is {review!r}'}"

    def score(self, answer: Answer) -> Score:
        """Read the review."""
        review = "" if _refused(answer) else answer.fields["review"]
        return _pair(review) if self.form == "pair" else _grade(review)

    def readable(self, answer: Answer) -> bool:
        """Return whether the review holds its ratings."""
        return _readable(self.score(answer))

    def summary(self, answers: Sequence[Answer], scores: Sequence[Score]) -> Mapping[str, Any]:
        """Return the mean of the readable reviews."""
        read = [score for score in scores if _readable(score)]
        refused = sum(map(_refused, answers))
        unreadable = len(scores) - len(read) - refused
        counted: dict[str, Any] = {"count": len(scores), "refused": refused, "unreadable": unreadable, "score": None}
        if not read:
            return counted
        if self.form == "grade":
            return counted | {"score": 100 * sum(read) / len(read)}  # type: ignore[arg-type]
        reference, model = (sum(pair[place] for pair in read) / len(read) for place in (0, 1))  # type: ignore[index, misc]
        ratio = 100 * model / reference if reference else None
        return counted | {"score": ratio, "reference": reference, "model": model}


def _refused(answer: Answer) -> bool:
    return answer.fields.get("review_finish") == "refused"


def _pair(review: str) -> tuple[float, float]:
    parts = review.split("\n", maxsplit=1)[0].replace(",", " ").split(" ")
    try:
        first, second = map(float, parts)
    except ValueError:
        return UNREADABLE
    return first, second


def _grade(review: str) -> float | None:
    try:
        grade = float(review.strip().split(" ")[0])
    except ValueError:
        return None
    return grade if 0 <= grade <= 1 else None


def _readable(score: Score) -> bool:
    if isinstance(score, tuple):
        return tuple(score) != UNREADABLE and all(each is not None and isfinite(each) for each in score)
    return score is not None
