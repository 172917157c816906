"""Short answers by containment, long ones by similarity; counting; formulas."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from rapidfuzz.distance import Levenshtein

LEAST = 0.5
"""The least similarity, and the least closeness of a count, that scores."""

SHORT_WORDS = 5
"""An English answer with fewer words is looked for in the prediction."""

SHORT_PARTS = 4
"""A Chinese answer with fewer parts between commas is looked for in the prediction."""

TEXT_TAG = re.compile(r"\\text\{([^{}]*)\}")

JOINTS = ("", ".", ". ", ",", ", ", "\u3001", ";", "; ", " ", "\u548c")
"""What may stand between the letters of a handwritten answer."""


def english(prediction: str, answers: Any) -> float:  # noqa: ANN401 - whatever the file holds
    """Score a question in English, letter case aside.

    Args:
        prediction: The text of the model.
        answers: A text, or a list of texts or numbers.
    """
    return _best(prediction, answers, lambda text: _line(text.lower()), _few_words)


def chinese(prediction: str, answers: Sequence[Any]) -> float:
    """Score a question in Chinese, without spaces.

    Args:
        prediction: The text of the model.
        answers: A list of texts or numbers.
    """

    def few_parts(answer: str) -> bool:
        return len(answer.split(",")) < SHORT_PARTS

    return _best(prediction, answers, lambda text: _line(text.lower()).replace(" ", ""), few_parts)


def case_sensitive(prediction: str, answers: Any) -> float:  # noqa: ANN401 - whatever the file holds
    """Score a question whose answer's letter case counts.

    A single answer that is not in a list and not contained is compared by similarity.

    Args:
        prediction: The text of the model.
        answers: A text, or a list of texts or numbers.
    """
    score = _best(prediction, answers, _line, _few_words)
    if isinstance(answers, str) and score == 0 and _few_words(_line(answers)):
        return _similar(_line(prediction), _line(answers))
    if isinstance(answers, str) and not _few_words(_line(answers)):
        return 0.0
    return score


def _best(prediction: str, answers: Any, prepared: Callable[[str], str], short: Callable[[str], bool]) -> float:  # noqa: ANN401 - as above
    given, best = prepared(prediction), 0.0
    for each in [answers] if isinstance(answers, str) else answers:
        answer = prepared(str(each) if isinstance(each, int | float) else each)
        if not short(answer):
            best = max(best, _similar(given, answer))
        elif answer in given:
            best = 1.0
    return best


def _similar(prediction: str, answer: str) -> float:
    length = max(len(prediction), len(answer))
    similarity = 1 - (Levenshtein.distance(prediction, answer) / length if length else 0.0)
    return similarity if similarity >= LEAST else 0.0


def _line(text: str) -> str:
    return text.strip().replace("\n", " ")


def _few_words(answer: str) -> bool:
    return len(answer.split()) < SHORT_WORDS


def counting(prediction: str, answers: Sequence[Any], form: str) -> float:
    """Score a count: contained, or the first whole number's closeness.

    Args:
        prediction: The text of the model.
        answers: A list of texts or numbers.
        form: "exact match" or "regression".
    """
    scores = []
    for each in () if isinstance(answers, str) else answers:
        answer = _line(str(each).lower() if isinstance(each, int | float) else each.lower())
        if form == "exact match":
            scores.append(float(answer in prediction))
        elif form == "regression":
            scores.append(_closeness(prediction, answer))
    return max(scores, default=0.0)


def _closeness(prediction: str, answer: str) -> float:
    found = re.search(r"\d+", _line(prediction.lower()))
    given = int(found.group()) if found else 0
    if not given:
        return 0.0
    truth = int(answer)
    if given >= 2 * truth:
        return 0.0
    closeness = 1 - abs(given - truth) / truth
    return closeness if closeness > LEAST else 0.0


def formula(prediction: str, answers: Any) -> float:  # noqa: ANN401 - whatever the file holds
    """Look for a formula, spaces aside.

    Args:
        prediction: The text of the model.
        answers: A text or a list of texts.
    """
    given = _line(prediction).replace(" ", "")
    return float(
        any(_line(each).replace(" ", "") in given for each in ([answers] if isinstance(answers, str) else answers))
    )


def chinese_formula(prediction: str, answers: Sequence[str]) -> float:
    r"""Look for a formula, spaces and the tag ``\text{}`` aside.

    Args:
        prediction: The text of the model.
        answers: A list of one text.
    """
    if prediction.lower() == "nan":
        return 0.0
    (answer,) = answers
    return formula(TEXT_TAG.sub(r"\1", prediction), [TEXT_TAG.sub(r"\1", answer)])


def handwritten(prediction: str, answers: Sequence[str]) -> float:
    """Look for the letters of an answer, joined in one of several ways.

    Args:
        prediction: The text of the model.
        answers: A list of one text.
    """
    (answer,) = answers
    return float(any(joint.join(answer) in prediction for joint in JOINTS))
