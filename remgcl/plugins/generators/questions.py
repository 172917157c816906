"""Questions that lines of text answer by themselves: by their places, their numbers, their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from random import Random

from attrs import frozen

from remgcl.plugins.generators.lines import Line, Number, above, below, named, number_of, right

LARGER = 1.3
"""How many times higher the largest letters must be than the next, to be visibly larger."""

MOST_ADDED = 6
"""Most numbers that a question adds."""


@frozen
class Made:
    """A question, its answer in short, the steps to it, and the lines that it rests on."""

    question: str
    short: str
    steps: str
    lines: tuple[Line, ...]


@frozen
class Page:
    """The lines of an image, and what is chosen by chance among what they allow to ask."""

    lines: tuple[Line, ...]
    random: Random

    @property
    def sure(self) -> bool:
        """Whether every line is certain, so that a question may be about all."""
        return all(line.sure and line.text for line in self.lines)

    def numbers(self) -> list[Number]:
        """Return the numbers of a page that can be compared: all certain, at least two, all of one unit."""
        numbers = [number for line in self.lines if (number := number_of(line))]
        alike = len({number.unit for number in numbers}) == 1
        return numbers if self.sure and len(numbers) > 1 and alike else []

    @property
    def which(self) -> str:
        """Say which numbers a question is about: other lines may hold digits as well."""
        others = (line for line in self.lines if number_of(line) is None)
        mixed = any(character.isdigit() for line in others for character in line.text)
        return "the numbers that stand alone in a line" if mixed else "the numbers written here"


def _above(page: Page) -> Iterator[Made]:
    for line in named(page.lines):
        if (found := above(line, page.lines)) and found.text:
            reason = f'Directly above "{line.text}" it says "{found.text}".'
            yield Made(f'What is written directly above "{line.text}"?', found.text, reason, (line, found))


def _below(page: Page) -> Iterator[Made]:
    for line in named(page.lines):
        if (found := below(line, page.lines)) and found.text:
            reason = f'Directly below "{line.text}" it says "{found.text}".'
            yield Made(f'What is written directly below "{line.text}"?', found.text, reason, (line, found))


def _right(page: Page) -> Iterator[Made]:
    for line in named(page.lines):
        if (found := right(line, page.lines)) and found.text:
            reason = f'In the row of "{line.text}", the next text to the right is "{found.text}".'
            yield Made(f'What is written to the right of "{line.text}"?', found.text, reason, (line, found))


def _largest(page: Page) -> Iterator[Made]:
    yield from _extreme(page, "largest", max)


def _smallest(page: Page) -> Iterator[Made]:
    yield from _extreme(page, "smallest", min)


def _extreme(page: Page, word: str, choose: Callable[..., Number]) -> Iterator[Made]:
    numbers = page.numbers()
    if numbers:
        found = choose(numbers, key=lambda number: number.value)
        if sum(number.value == found.value for number in numbers) == 1:
            reason = f"The numbers are {_listed(numbers)}. The {word} of them is {found.line.text}."
            lines = tuple(number.line for number in numbers)
            yield Made(f"Which is the {word} of {page.which}?", found.line.text, reason, lines)


def _sum(page: Page) -> Iterator[Made]:
    numbers = sorted(page.numbers(), key=lambda number: number.value < 0)
    if 0 < len(numbers) <= MOST_ADDED and numbers[0].value >= 0:
        total = _written(sum((number.value for number in numbers), Decimal(0)), numbers[0].unit)
        reason = f"{_added(numbers)} = {total}. The sum is {total}."
        yield Made(f"What is the sum of {page.which}?", total, reason, tuple(number.line for number in numbers))


def _added(numbers: Sequence[Number]) -> str:
    """Write a sum, negative numbers last: 60 + 0 - 20, not -20 + 60 + 0."""
    positive = " + ".join(number.line.text for number in numbers if number.value >= 0)
    negative = [number.line.text.replace("-", "").replace("\u2212", "") for number in numbers if number.value < 0]
    return " - ".join([positive, *negative])


def _difference(page: Page) -> Iterator[Made]:
    pairs = list(_labelled(page))
    page.random.shuffle(pairs)
    for (one, first), (two, second) in zip(pairs[::2], pairs[1::2], strict=False):
        if first.unit == second.unit and first.value != second.value:
            high, low = sorted((first, second), key=lambda number: -number.value)
            result = _written(high.value - low.value, first.unit)
            reason = (
                f'"{one.text}" has {first.line.text} and "{two.text}" has {second.line.text}. '
                f"{high.line.text} - {low.line.text} = {result}. The difference is {result}."
            )
            question = f'What is the difference between the numbers to the right of "{one.text}" and "{two.text}"?'
            yield Made(question, result, reason, (one, first.line, two, second.line))


def _row(page: Page) -> Iterator[Made]:
    pairs = list(_labelled(page))
    values = [number.value for _, number in pairs]
    rest = {line.place for line in page.lines} - {
        line.place for label, number in pairs for line in (label, number.line)
    }
    loose = [line for line in page.lines if line.place in rest and number_of(line)]
    alike = len({number.unit for _, number in pairs}) == 1
    if page.sure and len(pairs) > 1 and alike and not loose and values.count(max(values)) == 1:
        label, number = max(pairs, key=lambda pair: pair[1].value)
        reason = "; ".join(f'"{label.text}" has {number.line.text}' for label, number in pairs)
        answer = f'{reason}. The largest number, {number.line.text}, belongs to "{label.text}".'
        lines = tuple(line for pair in pairs for line in (pair[0], pair[1].line))
        yield Made("Which text has the largest number to its right?", label.text, answer, lines)


def _count(page: Page) -> Iterator[Made]:
    numbers = page.numbers()
    values = sorted({number.value for number in numbers})
    if len(values) > 2:  # noqa: PLR2004 - some are above the threshold, and some not
        limit = page.random.choice(values[:-1])
        found = [number for number in numbers if number.value > limit]
        least = _written(limit, numbers[0].unit)
        are = "are" if len(found) > 1 else "is"
        reason = f"{_listed(found)} {are} larger than {least}. That makes {len(found)}."
        question = f"How many of {page.which} are larger than {least}?"
        yield Made(question, str(len(found)), reason, tuple(number.line for number in numbers))


def _alphabetical(page: Page) -> Iterator[Made]:
    words = [line for line in page.lines if line.text.isascii() and line.text.isalpha()]
    texts = [line.text.casefold() for line in words]
    if page.sure and len(words) > 1 and len(set(texts)) == len(texts):
        first = min(words, key=lambda line: line.text.casefold())
        reason = f"The words are {', '.join(line.text for line in words)}. The first in the alphabet is {first.text}."
        alone = "" if len(words) == len(page.lines) else ", of those that stand alone in a line,"
        yield Made(f"Which word{alone} comes first in the alphabet?", first.text, reason, tuple(words))


def _letters(page: Page) -> Iterator[Made]:
    if len(page.lines) > 1 and all(line.upright for line in page.lines):
        by_height = sorted(page.lines, key=lambda line: -line.height)
        first, second = by_height[:2]
        if first.sure and first.text and first.height >= LARGER * second.height:
            reason = f'The highest line of text is "{first.text}".'
            yield Made("What is written in the largest letters?", first.text, reason, (first,))


def _labelled(page: Page) -> Iterator[tuple[Line, Number]]:
    """Return labels with the number to the right of each."""
    for line in named(page.lines):
        found = right(line, page.lines) if number_of(line) is None else None
        number = number_of(found) if found else None
        if number is not None:
            yield line, number


def _written(value: Decimal, unit: tuple[str, str]) -> str:
    """Write a number as the lines do: with their unit, and no zeros that it does not need."""
    text = f"{value:f}"
    return f"{unit[0]}{text}{unit[1]}"


def _listed(numbers: Sequence[Number]) -> str:
    *most, last = (number.line.text for number in numbers)
    return f"{', '.join(most)} and {last}" if most else last


TYPES: Mapping[str, Callable[[Page], Iterator[Made]]] = {
    "above": _above,
    "below": _below,
    "right": _right,
    "largest": _largest,
    "smallest": _smallest,
    "sum": _sum,
    "difference": _difference,
    "row": _row,
    "count": _count,
    "alphabetical": _alphabetical,
    "letters": _letters,
}
"""What makes the questions of each type."""
