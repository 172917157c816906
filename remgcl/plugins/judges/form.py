"""What a question with its answer must look like, whatever it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from attrs import field, frozen
from attrs.validators import ge

from remgcl import Ask, Candidate, Evidence, Judge, Verdict

QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|`[^`]*`|(?<!\w)'[^']*'(?!\w)")
"""Text in quotation marks is the image's, not the writer's."""

TELLTALE = re.compile(
    r"\b(ocr|bounding box(es)?|coordinates?|captions?|detected text|text regions?"
    r"|(provided|given|above|following) (text|description|context|information|lines))\b",
    re.IGNORECASE,
)
"""Words that tell of what the writer was shown in place of the image."""

REFUSAL = re.compile(
    r"\b(i('m| am) (sorry|unable|not able)|i (cannot|can't|can not|won't) (help|assist|see|view|answer|provide|comply)"
    r"|as an ai\b|language model|(there is|there's) no (image|text)|not enough information)",
    re.IGNORECASE,
)

MARKUP = re.compile(r"<image>|<[/|]?\w+[|]?>|^\s*(question|answer)\s*:|```", re.IGNORECASE | re.MULTILINE)

ENGLISH = frozenset(
    {"and", "are", "at", "based", "by", "can", "could", "does", "for", "from", "has", "have", "how", "if", "is", "it"}
    | {"many", "much", "of", "on", "or", "should", "that", "the", "there", "these", "this", "to", "what", "when"}
    | {"where", "which", "who", "whose", "why", "with", "would"}
)
"""Words one of which is in nearly every English question."""

LATIN = 0.9
"""Least share of letters of an English question that are ASCII."""


@frozen(kw_only=True)
class Form(Judge):
    """A question and an answer of usual length and form, which do not tell how they were made. It asks no model.

    Attributes:
        most_question: Most words of a question.
        most_answer: Most words of an answer.
        least_answer: Fewest words of an answer.
        language: Whether a question must be English, outside of quotation marks.
    """

    most_question: int = field(default=80, validator=ge(1))
    most_answer: int = field(default=400, validator=ge(1))
    least_answer: int = field(default=1, validator=ge(1))
    language: Literal["english", "any"] = "english"

    async def __call__(self, evidence: Evidence, candidate: Candidate, ask: Ask) -> Verdict:
        """Return the first thing that is wrong."""
        del ask
        why = next(self._wrong(evidence, candidate), "")
        return Verdict(passed=not why, why=why)

    def _wrong(self, evidence: Evidence, candidate: Candidate) -> Iterator[str]:
        question, answer = candidate.question.strip(), candidate.answer.strip()
        asked, answered = QUOTED.sub(" ", question), QUOTED.sub(" ", answer)
        if not self.least_answer <= len(answer.split()) <= self.most_answer:
            yield f"an answer of {len(answer.split())} words; {self.least_answer} to {self.most_answer} are allowed"
        if len(question.split()) > self.most_question:
            yield f"a question of {len(question.split())} words; {self.most_question} are allowed"
        if asked.count("?") != 1 or not asked.rstrip().endswith("?"):
            yield f"not one question that ends with its question mark; there are {asked.count('?')}"
        if found := MARKUP.search(asked) or MARKUP.search(answered):
            yield f"holds the mark {found[0].strip()!r}"
        if found := REFUSAL.search(answered) or REFUSAL.search(asked):
            yield f"a refusal: {found[0]!r}"
        written = " ".join(region.text for region in evidence.regions).casefold()
        for found in (*TELLTALE.finditer(asked), *TELLTALE.finditer(answered)):
            if found[0].casefold() not in written:
                yield f"tells how it was made: {found[0]!r}"
        if self.language == "english":
            yield from _not_english(asked)


def _not_english(text: str) -> Iterator[str]:
    letters = [character for character in text if character.isalpha()]
    if letters and sum(letter.isascii() for letter in letters) < LATIN * len(letters):
        yield "a question that is not in English: its letters are not"
    elif not ENGLISH & set(re.findall(r"[a-z]+", text.lower())):
        yield "a question that is not in English: it has none of the commonest words"
