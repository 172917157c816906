"""Whether short replies mean the same as an answer."""

from __future__ import annotations

import re

from remgcl import Candidate

WORD = re.compile(r"[^\W_]+(?:[.,:'-][^\W_]+)*")

EMPTY = frozenset({"a", "an", "the", "is", "it", "of", "to"})
"""Words that decide nothing."""


def words(text: str) -> list[str]:
    """Return the words and numbers of a text, in lower case.

    Args:
        text: The text.
    """
    return [word for word in WORD.findall(text.casefold()) if word not in EMPTY]


def agrees(reply: str, candidate: Candidate) -> bool:
    """Return whether a short reply gives the result of an answer.

    The result is what the generator noted as short, or the last sentence of the answer; the reply must stand in it,
    word for word, or hold it.

    Args:
        reply: A reply of a few words.
        candidate: The question with its answer.
    """
    short = candidate.facts.get("short")
    said = words(reply)
    if isinstance(short, str):
        return bool(said) and (
            said == words(short) or (_within(words(short), said) and len(said) <= len(words(short)) + 4)
        )
    last = re.split(r"(?<=[.!?])\s+(?=\S)", candidate.answer.strip())[-1]
    return bool(said) and (_within(said, words(last)) or _within(words(last), said))


def _within(part: list[str], whole: list[str]) -> bool:
    return bool(part) and any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1))
