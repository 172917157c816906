"""Composed questions: right against what is known of the page, and asked only where there is no doubt."""

import asyncio
import re
from decimal import Decimal

import pytest

from remgcl import Candidate, Evidence, Region
from remgcl.plugins.datasets import Pages
from remgcl.plugins.generators import Compose
from remgcl.plugins.judges import Form, Grounded
from remgcl.testing.evidence import Asked


def line(text: str, left: float, top: float, *, height: float = 12, confidence: float = 1.0) -> Region:
    """Place a line of text."""
    right, bottom = left + 0.6 * height * len(text), top + height
    return Region(text, ((left, top), (right, top), (right, bottom), (left, bottom)), confidence)


def asked(*regions: Region, **settings: object) -> dict[str, list[Candidate]]:
    """Compose all questions of a page, by type."""
    part = Compose(per_image=200, **{"steps": False, **settings})  # type: ignore[arg-type]
    evidence = Evidence(name="page", digest="00", size=(400, 400), regions=regions)
    by_type: dict[str, list[Candidate]] = {}
    for candidate in asyncio.run(_make(part, evidence)):
        by_type.setdefault(candidate.type, []).append(candidate)
    return by_type


async def _make(part: Compose, evidence: Evidence) -> list[Candidate]:
    return list(await part(evidence, Asked("")))


RECEIPT = (
    *(line("milk", 10, 10), line("3", 300, 10)),
    *(line("tea", 10, 40), line("12", 300, 40)),
    *(line("rice", 10, 70), line("5", 300, 70)),
)


def test_questions_about_a_receipt_are_answered_right() -> None:
    told = {
        (candidate.question, candidate.answer) for candidates in asked(*RECEIPT).values() for candidate in candidates
    }
    assert ("Which is the largest of the numbers written here?", "12") in told
    assert ("Which is the smallest of the numbers written here?", "3") in told
    assert ("What is the sum of the numbers written here?", "20") in told
    assert ('What is written directly above "tea"?', "milk") in told
    assert ('What is written directly below "tea"?', "rice") in told
    assert ('What is written to the right of "rice"?', "5") in told
    assert ("Which text has the largest number to its right?", "tea") in told
    alphabet = "Which word, of those that stand alone in a line, comes first in the alphabet?"
    assert (alphabet, "milk") in told
    (difference,) = asked(*RECEIPT)["difference"]
    labels = re.findall(r'"(\w+)"', difference.question)
    prices = {"milk": 3, "tea": 12, "rice": 5}
    assert difference.answer == str(abs(prices[labels[0]] - prices[labels[1]]))


def test_steps_lead_to_the_short_answer() -> None:
    for candidates in asked(*RECEIPT, steps=True).values():
        for candidate in candidates:
            assert str(candidate.facts["short"]) in candidate.answer.split(". ")[-1]
            assert len(candidate.answer) > len(str(candidate.facts["short"]))


@pytest.mark.parametrize("kind", ["receipt", "chart", "sign"])
def test_all_answers_are_right_on_known_pages(kind: str) -> None:
    """Against the rows that were drawn, which the composer never sees."""
    built = Pages(samples=40, kinds=(kind,), rows=(2, 5), seed=7).build()  # type: ignore[arg-type]
    count = 0
    for index in range(40):
        sample = built[index]
        rows = [row.split(" ") for row in sample.turns[-1].text.split("\n")]
        for candidates in asked(*sample.regions).values():
            for candidate in candidates:
                assert candidate.answer == _truth(candidate.question, rows, sample.regions), (candidate, rows)
                count += 1
    assert count > 100


def _truth(question: str, rows: list[list[str]], regions: tuple[Region, ...]) -> str:  # noqa: PLR0911 - a case a type
    """Answer a question from the rows of a page, in the plainest way."""
    columns = list(zip(*rows, strict=True))
    numbers = [int(text) for row in rows for text in row if text.isdigit()]
    quoted = re.findall(r'"([^"]*)"', question)
    if "above" in question or "below" in question:
        (column,) = [texts for texts in columns if quoted[0] in texts]
        return column[column.index(quoted[0]) + (-1 if "above" in question else 1)]
    by_label = {row[0]: row[1] for row in rows if len(row) > 1}
    if "difference" in question:
        return str(abs(int(by_label[quoted[0]]) - int(by_label[quoted[1]])))
    if "to the right of" in question:
        return by_label[quoted[0]]
    if "to its right" in question:
        return max(by_label, key=lambda label: int(by_label[label]))
    if "largest letters" in question:
        return max(regions, key=lambda region: region.quad[2][1] - region.quad[0][1]).text
    if "larger than" in question:
        return str(sum(number > int(question.rsplit(maxsplit=1)[-1].rstrip("?")) for number in numbers))
    if "alphabet" in question:
        return min((text for row in rows for text in row if text.isalpha()), key=str.casefold)
    if "sum" in question:
        return str(sum(numbers))
    return str(max(numbers) if "largest" in question else min(numbers))


def test_a_tie_is_not_asked_about() -> None:
    told = asked(line("7", 10, 10), line("7", 10, 40), line("3", 10, 70))
    assert "largest" not in told
    assert [candidate.answer for candidate in told["smallest"]] == ["3"]


def test_numbers_of_different_units_are_not_compared() -> None:
    assert not {"largest", "sum", "count"} & asked(line("$7", 10, 10), line("9%", 10, 40), line("3", 10, 70)).keys()


def test_money_and_thousands_are_added_exactly() -> None:
    told = asked(line("$1,200.10", 10, 10), line("$0.20", 10, 40))
    assert told["sum"][0].answer == "$1200.30"
    assert Decimal("1200.30") == Decimal("1200.10") + Decimal("0.20")


def test_a_negative_number_is_subtracted_and_the_judges_agree() -> None:
    numbers = [line(text, 10, 30 * place) for place, text in enumerate(["-20", "60", "40", "0"])]
    (made,) = asked(*numbers, steps=True)["sum"]
    assert made.answer == "60 + 40 + 0 - 20 = 80. The sum is 80."
    evidence = Evidence(name="chart", digest="00", size=(400, 400), regions=tuple(numbers))
    for judge in (Form(), Grounded()):
        assert asyncio.run(judge(evidence, made, Asked(""))).passed


def test_a_number_that_reads_in_two_ways_is_none() -> None:
    assert "largest" not in asked(line("1,5", 10, 10), line("3,25", 10, 40))


def test_digits_in_other_lines_are_told_apart() -> None:
    told = asked(line("3 eggs", 10, 10), line("7", 10, 40), line("9", 10, 70))
    assert told["largest"][0].question == "Which is the largest of the numbers that stand alone in a line?"


def test_lines_that_ocr_doubts_are_not_asked_about() -> None:
    told = asked(line("7", 10, 10), line("9", 10, 40, confidence=0.4), line("WEST", 10, 70))
    assert not {"largest", "smallest", "sum", "count"} & told.keys()
    assert all("9" not in candidate.answer for candidates in told.values() for candidate in candidates)


def test_nothing_is_above_where_two_lines_share_the_place() -> None:
    regions = (line("LEFT", 10, 10), line("RIGHT", 60, 12), line("A WIDE LINE BELOW", 10, 40))
    assert not [each for each in asked(*regions).get("above", []) if "WIDE" in each.question]


def test_a_line_far_away_is_not_directly_above() -> None:
    assert "above" not in asked(line("TOP", 10, 10), line("BOTTOM", 10, 300))


def test_slanted_lines_have_no_above() -> None:
    slanted = Region("UP", ((10, 60), (60, 10), (66, 16), (16, 66)))
    assert not [each for each in asked(slanted, line("DOWN", 10, 80)).get("below", []) if "UP" in each.question]


def test_a_text_that_is_there_twice_names_nothing() -> None:
    told = asked(line("tea", 10, 10), line("tea", 10, 40), line("oil", 10, 70))
    questions = [each.question for candidates in told.values() for each in candidates]
    assert not [question for question in questions if '"tea"' in question]


def test_an_image_without_text_has_no_question() -> None:
    assert asked() == {}


def test_types_and_counts_are_kept_to() -> None:
    evidence = Evidence(name="page", digest="00", size=(400, 400), regions=RECEIPT)
    made = asyncio.run(_make(Compose(types=("above", "sum"), per_image=3), evidence))
    assert sorted({candidate.type for candidate in made}) == ["above", "sum"]
    assert len(made) == 3
