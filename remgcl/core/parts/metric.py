"""The contract of metrics: a prediction and its true answers to a score, and scores to a summary."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

from attrs import frozen

from remgcl.core.parts.part import Part
from remgcl.core.parts.promise import is_a, number, returns, that

Score: TypeAlias = float | str | Sequence[float | None] | None
"""A score from 0 to 1; or the label or pair that a rule reads where there is no truth to hold it against."""


@frozen(kw_only=True)
class Answer:
    """What a model said to one question, and what is true.

    Attributes:
        prediction: The text of the model.
        answers: The true answers.
        fields: All other fields of the question, such as its type.
    """

    prediction: str
    answers: tuple[Any, ...] = ()
    fields: Mapping[str, Any] = MappingProxyType({})


def _score(value: object) -> bool:
    if value is None or isinstance(value, str):
        return True
    if isinstance(value, tuple | list):
        return all(each is None or isinstance(each, float | int) for each in value)
    return number(value)


@frozen(kw_only=True)
class Metric(Part):
    """Score the predictions of a model as a published scorer does."""

    command: ClassVar[str] = "remgcl score {name} PREDICTIONS.json"

    def fault(self, answer: Answer) -> str | None:
        """Describe what is wrong with an item that the rule cannot score: ``<field>: <what>``, or None.

        By default, the rule needs true answers, and all of them are texts; it scores 0 where their list is empty.

        Args:
            answer: A prediction with the fields of its question.
        """
        if not answer.answers and "answers" not in answer.fields:
            return "answers: is missing; the rule needs a text or a list of texts"
        wrong = next((each for each in answer.answers if not isinstance(each, str)), None)
        return None if wrong is None else f"answers: must be a text or a list of texts; among them is {wrong!r}"

    @abstractmethod
    @returns("a number, or a label or pair", that(_score))
    def score(self, answer: Answer) -> Score:
        """Score one prediction, 0 where the published scorer raises.

        Args:
            answer: An item that has no fault.
        """

    @returns("true or false", that(is_a(bool)))
    def readable(self, answer: Answer) -> bool:
        """Return whether the rule finds an answer in a prediction; by default, in any that is not empty.

        What is not readable is scored all the same, and counted.

        Args:
            answer: An item that has no fault.
        """
        return bool(answer.prediction.strip())

    @returns("a mapping of names to values", that(lambda value: isinstance(value, Mapping)))
    def summary(self, answers: Sequence[Answer], scores: Sequence[Score]) -> Mapping[str, Any]:
        """Sum up the scores; by default their mean.

        Args:
            answers: All items, in the order of the file, at least one.
            scores: Their scores.

        Raises:
            DataError: The items do not make a whole, such as an image with one question of two.
        """
        del answers
        return mean(scores)


def mean(scores: Sequence[Score]) -> dict[str, Any]:
    """Return the mean of scores from 0 to 1, in percent too.

    Args:
        scores: At least one score.
    """
    numbers = [float(score) for score in scores if isinstance(score, int | float)]
    share = sum(numbers) / len(scores)
    return {"count": len(scores), "score": share, "percent": 100 * share}
