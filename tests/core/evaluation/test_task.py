"""Benchmarks ready to be asked: prompts, the digest of a protocol, and what is wrong with questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest
from attrs import evolve, frozen

from remgcl import (
    Benchmark,
    BenchmarkProtocol,
    BenchmarkQuestion,
    DataError,
    Engine,
    FaultsError,
    Picture,
    RequestError,
)
from remgcl.core.evaluation.task import Task, make_task

PLAIN = BenchmarkProtocol(source="test", split="val", metric="vqa-evalai")
TEN = ("yes",) * 10


@frozen(kw_only=True)
class Given(Benchmark):
    """Questions that a test gives."""

    given: tuple[BenchmarkQuestion, ...] = ()
    asked: BenchmarkProtocol = PLAIN

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """One, and one that is short."""
        return {"plain": self.asked, "short": evolve(self.asked, max_new_tokens=1)}

    def questions(self, folder: Path, split: str) -> Sequence[BenchmarkQuestion]:
        """What was given."""
        del folder, split
        return self.given


def made(engine: Engine, benchmark: Given, **settings: object) -> Task:
    """Make the task."""
    return make_task("it", evolve(benchmark, **settings), partial(engine.part, "metrics"))


def question(id_: str = "1", text: str = "WHO is it, Tom?", **fields: object) -> BenchmarkQuestion:
    """Make a question."""
    return BenchmarkQuestion(id=id_, text=text, answers=TEN, fields=fields)


@pytest.mark.parametrize(
    ("settings", "prompt"),
    [
        ({}, "WHO is it, Tom?"),
        ({"template": "{question}\nShort."}, "WHO is it, Tom?\nShort."),
        ({"case": "capitalize"}, "Who is it, tom?"),
        ({"remove": ("Tom", "WHO ")}, "is it, ?"),
        ({"template": "{question}\nTokens: {tokens} {one}"}, "WHO is it, Tom?\nTokens: KFC, {question} {one}"),
    ],
)
def test_a_prompt_is_written_by_its_template(settings: dict[str, object], prompt: str) -> None:
    protocol = evolve(PLAIN, **settings)
    assert protocol.prompt(question(tokens=["KFC", "{question}"], one="{one}")) == prompt


def test_a_field_that_a_question_lacks_is_named() -> None:
    with pytest.raises(DataError, match=r"template: \{token\} is no field of the question; did you mean 'tokens'"):
        evolve(PLAIN, template="{question} {token}").prompt(question(tokens=[]))


def test_the_digest_changes_with_all_that_a_score_depends_on_and_nothing_else(engine: Engine) -> None:
    base = Given(given=(question(), question("2")))
    digest = made(engine, base).record["digest"]
    assert made(engine, evolve(base, asked=evolve(PLAIN, source="another"))).record["digest"] == digest
    others = [
        made(engine, base, protocol="short"),
        made(engine, base, limit=1),
        made(engine, evolve(base, split="test")),
        made(engine, evolve(base, given=(question(), question("3")))),
        made(engine, evolve(base, given=(question(), question("2", "Who?")))),
        made(engine, evolve(base, given=(question(), question("2", tag="x")))),
        made(engine, evolve(base, given=tuple(evolve(each, answers=("no",) * 10) for each in base.given))),
        made(engine, evolve(base, asked=evolve(PLAIN, template="{question}!"))),
        made(engine, evolve(base, asked=evolve(PLAIN, metric="ocrbench"))),
        made(engine, evolve(base, asked=evolve(PLAIN, system="Be brief."))),
    ]
    assert len({digest, *(other.record["digest"] for other in others)}) == 11


def test_all_faults_of_questions_are_named_at_once(engine: Engine, tmp_path: Path) -> None:
    missing = Picture(name="a.png", file=tmp_path / "a.png")
    wrong = Given(
        given=(
            question("twice"),
            question("twice"),
            evolve(question("nine"), answers=TEN[:9]),
            evolve(question("unseen"), picture=missing),
            question("clash", score=1),
            question(""),
        )
    )
    with pytest.raises(FaultsError) as caught:
        made(engine, wrong)
    assert str(caught.value).splitlines() == [
        "it: question 'twice': id: stands 2 times; each question needs one of its own",
        "it: question 'nine': answers: must be 10 texts; there are 9",
        f"it: question 'unseen': image: there is no file {str(tmp_path / 'a.png')!r}",
        "it: question 'clash': score: is a field of the record of predictions; rename it",
        "it: question '': id: is missing",
    ]


def test_no_more_faults_are_named_than_one_can_read(engine: Engine) -> None:
    wrong = Given(given=tuple(evolve(question(str(place)), answers=()) for place in range(50)))
    with pytest.raises(FaultsError, match="it: and 30 more faults") as caught:
        made(engine, wrong)
    assert len(str(caught.value).splitlines()) == 21


def test_a_split_without_questions_and_an_unknown_protocol_are_refused(engine: Engine) -> None:
    with pytest.raises(DataError, match=r"it: \.: holds no question of split 'val'"):
        made(engine, Given())
    with pytest.raises(RequestError, match="benchmark 'it': no protocol 'shrt'; did you mean 'short'"):
        made(engine, Given(given=(question(),)), protocol="shrt")
