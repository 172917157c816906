"""Whether what an answer says is in the image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, DivisionByZero, InvalidOperation

from attrs import frozen

from remgcl import Ask, Candidate, Evidence, Judge, Verdict

NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w])|(?<![\w.])\d+(?:\.\d+)?(?!\w|\.\d)")

NAME = re.compile(r"(?<=[a-z,;:] )[A-Z][\w'-]+")
"""A word with a capital that does not begin a sentence."""

SUM = re.compile(r"(?:[$€£¥]?[\d.,]*\d%?\s*[-+−x\u00d7*/÷]\s*)+[$€£¥]?[\d.,]*\d%?\s*=\s*[$€£¥]?[-−]?[\d.,]*\d%?")
TERM = re.compile(r"[\d.,]*\d|[-+−x\u00d7*/÷=]")

SMALL = 12
"""Numbers up to this may be counts, hours or months."""


@frozen(kw_only=True)
class Grounded(Judge):
    """Refuse answers that do not use the text of the image, or use words and numbers that are nowhere. No model.

    An answer must hold a whole line of the image's text that the question does not give away; its numbers must be in
    the image, in the question, or results of a calculation that is written out and right; its names must be in the
    image, the caption or the question.

    Attributes:
        line: Whether the answer must hold a line of the text, or a number calculated from the image's.
        numbers: Whether its numbers are looked at.
        names: Whether its names are looked at.
    """

    line: bool = True
    numbers: bool = True
    names: bool = True

    async def __call__(self, evidence: Evidence, candidate: Candidate, ask: Ask) -> Verdict:
        """Return the first thing that is wrong."""
        del ask
        why = next(self._wrong(evidence, candidate), "")
        return Verdict(passed=not why, why=why)

    def _wrong(self, evidence: Evidence, candidate: Candidate) -> Iterator[str]:
        texts = [" ".join(region.text.split()) for region in evidence.regions]
        known = "\n".join([*texts, evidence.caption, candidate.question])
        if self.line and not any(
            _holds(candidate.answer, text) and not _holds(candidate.question, text) for text in texts if text
        ):
            yield "no line of the image's text is in the answer and not in the question"
        if self.numbers:
            yield from _sums(candidate.answer)
            allowed = {*map(_value, NUMBER.findall(known)), *map(_value, _results(candidate.answer))}
            for number in NUMBER.findall(candidate.answer):
                if _value(number) not in allowed and _value(number) > SMALL:
                    yield f"a number that is nowhere: {number}"
        if self.names:
            for name in NAME.findall(candidate.answer):
                if name.casefold() not in known.casefold():
                    yield f"a name that is nowhere: {name}"


def _holds(text: str, part: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text, re.IGNORECASE) is not None


def _value(number: str) -> Decimal:
    return Decimal(number.replace(",", ""))


def _results(text: str) -> list[str]:
    """Return the results of calculations that are written out."""
    return [number for found in SUM.findall(text) for number in NUMBER.findall(found.rpartition("=")[2])]


def _sums(text: str) -> Iterator[str]:
    """Name calculations that are wrong."""
    for found in SUM.findall(text):
        left, _, right = found.rpartition("=")
        try:
            terms = TERM.findall(left)
            result, due = _computed(terms), Decimal(re.sub(r"[^\d.−-]", "", right).replace("−", "-"))
        except (InvalidOperation, DivisionByZero, IndexError):
            continue  # it is written in a way that is not understood
        if abs(result - due) > Decimal("0.01") * max(Decimal(1), abs(due)):
            yield f"a wrong calculation: {found}"


def _computed(terms: list[str]) -> Decimal:
    """Compute a chain of operations, products before sums."""
    numbers = [Decimal(term.replace(",", "")) for term in terms[::2]]
    signs = terms[1::2]
    total, product, sign = Decimal(0), numbers[0], 1
    for operation, number in zip(signs, numbers[1:], strict=True):
        if operation in "x\u00d7*":
            product *= number
        elif operation in "/÷":
            product /= number
        else:
            total, product, sign = total + sign * product, number, 1 if operation == "+" else -1
    return total + sign * product
