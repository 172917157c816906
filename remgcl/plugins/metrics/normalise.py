"""The normalisation of answers that the scorers of VQA share, step by step as published.

Source: GT-Vision-Lab/VQA, `vqaEvaluation/vqaEval.py`; the copies in MultimodalOCR's
`eval.py` and in LLaVA's `m4c_evaluator.py` do the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MARKS = ';/[]"{}()=+\\_-><@`,?!'
"""Marks that are deleted or replaced by a space, in this order."""

PERIOD = re.compile(r"(?!<=\d)(\.)(?!\d)")
"""A period that no digit follows; `!<=` is literal in the published pattern and never holds anything back."""

PERIODS = 32
"""Periods deleted at most: a flag, `re.UNICODE`, was passed in the place of the count."""

COMMA = re.compile(r"\d,\d")

ANY_MARK = re.compile(f"[{re.escape(MARKS)}]")

NUMBERS = {
    word: str(value)
    for value, words in enumerate(
        ("none zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
    for word in words.split()
}

ARTICLES = frozenset({"a", "an", "the"})

_WITH_APOSTROPHE = """
    ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's
    isn't it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've
    shouldn't somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd
    there're there's they'd they'll they're they've 'twas wasn't we've weren't what'll what're what's what've
    when's where'd where's where've who'd who'll who's who've why'll why're why's won't would've wouldn't y'all
    you'd you'll you're you've
"""

_DOUBLE = """
    couldn't've hadn't've he'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've
    something'd've there'd've they'd've we'd've who'd've wouldn't've y'all'd've you'd've
"""


def _contractions() -> dict[str, str]:
    """Return the published table: words without an apostrophe, and with one of two, to the right spelling."""
    table = {word.replace("'", ""): word for word in _WITH_APOSTROPHE.split()}
    for word in _DOUBLE.split():
        first, _, second = word.rpartition("'")
        table[f"{first.replace(chr(39), '')}'{second}"] = word
        table[f"{first}{second}"] = word
    del table["yalld've"]
    return table | {
        "y'alld've": "y'all'd've",
        "yall'd've": "y'all'd've",
        "yall'll": "y'all'll",
        "y'allll": "y'all'll",
        "ow's'at": "'ow's'at",
        "'ows'at": "'ow's'at",
        "'ow'sat": "'ow's'at",
        "somebody'd": "somebodyd",
    }


CONTRACTIONS = _contractions()


def without_marks(text: str) -> str:
    """Delete or replace marks, then periods.

    A mark is deleted if a space stands on one side of it anywhere in the text, or if the text has a comma
    between digits; otherwise it becomes a space.

    Args:
        text: A text.
    """
    out = text
    if ANY_MARK.search(text):
        grouped = COMMA.search(text) is not None
        for mark in MARKS:
            if mark in text:
                deleted = grouped or f"{mark} " in text or f" {mark}" in text
                out = out.replace(mark, "" if deleted else " ")
    return PERIOD.sub("", out, count=PERIODS) if "." in out else out


def with_digits(text: str) -> str:
    """Lower a text, write number words as digits, drop articles and mend contractions; words are joined by a space.

    Args:
        text: A text.
    """
    words = (NUMBERS.get(word, word) for word in text.lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)


def agreement(same: Sequence[bool]) -> float:
    """Return the accuracy of an answer: each person is held against the others, and three of them are enough.

    Args:
        same: Whether each person gave the answer.
    """
    matches, total = sum(same), 0.0
    for each in same:
        total += min(1, float(matches - each) / 3)  # `sum` rounds differently from Python 3.12 on
    return total / len(same) if matches else 0.0


def on_one_line(text: str) -> str:
    """Replace line ends and tabs by spaces, and strip.

    Args:
        text: A text.
    """
    return text.replace("\n", " ").replace("\t", " ").strip()
