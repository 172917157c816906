"""Benchmarks that break one promise each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import ClassVar

from attrs import frozen

from remgcl import Benchmark, BenchmarkProtocol, BenchmarkQuestion, Picture
from remgcl.testing import conformance

NUMBERS = count()

FAILURES = {
    "Silent": {"a missing file is an error that says how to obtain it": "where files are missing; raise DataError"},
    "Free": {"a missing file is an error that says how to obtain it": "licence: is empty; name the terms of the files"},
    "Twice": {
        "its questions have ids of their own and stay": "questions: 'one' stands twice; make an id of each",
        "each protocol asks and scores its questions": "stands 2 times",
    },
    "Restless": {"its questions have ids of their own and stay": "are others when they are read again; leave chance"},
    "Unruly": {"each protocol asks and scores its questions": "no part 'exakt' among the metrics"},
    "Wanting": {"each protocol asks and scores its questions": "{tokens} is no field of the question"},
    "Blind": {"its images can be read": "question 'one': image 'one.png': cannot be read"},
}
"""What each fails, and in which words."""


@frozen(kw_only=True)
class Good(Benchmark):
    """Ask one question."""

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """As it is."""
        return {"plain": BenchmarkProtocol(source="test", split="test", metric="exact")}

    def questions(self, folder: Path, split: str) -> Sequence[BenchmarkQuestion]:
        """One."""
        del folder, split
        return [BenchmarkQuestion(id="one", text="What?", answers=("that",))]


@frozen(kw_only=True)
class Silent(Good):
    """Read a file that is not there."""

    obtain: ClassVar[str] = "write it"
    licence: ClassVar[str] = "any"

    def questions(self, folder: Path, split: str) -> Sequence[BenchmarkQuestion]:
        """Read, or ask one where there is a mark."""
        if folder.name == "nothing":
            (folder / "questions.json").read_text()
        return super().questions(folder, split)


@frozen(kw_only=True)
class Free(Good):
    """Say how to obtain files, and not their terms."""

    obtain: ClassVar[str] = "write it"


@frozen(kw_only=True)
class Twice(Good):
    """Ask a question twice."""

    def questions(self, folder: Path, split: str) -> Sequence[BenchmarkQuestion]:
        """The same twice."""
        return [*super().questions(folder, split)] * 2


@frozen(kw_only=True)
class Restless(Good):
    """Ask another question each time."""

    def questions(self, folder: Path, split: str) -> Sequence[BenchmarkQuestion]:
        """Another."""
        del folder, split
        return [BenchmarkQuestion(id=f"{next(NUMBERS)}", text="What?", answers=("that",))]


@frozen(kw_only=True)
class Unruly(Good):
    """Name a rule that is not there."""

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """By no rule."""
        return {"plain": BenchmarkProtocol(source="test", split="test", metric="exakt")}


@frozen(kw_only=True)
class Wanting(Good):
    """Name a field that questions lack."""

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """With tokens."""
        asked = BenchmarkProtocol(source="test", split="test", metric="exact", template="{question} {tokens}")
        return {"plain": asked}


@frozen(kw_only=True)
class Blind(Good):
    """Show what is no image."""

    def questions(self, folder: Path, split: str) -> Sequence[BenchmarkQuestion]:
        """One with a picture."""
        del folder, split
        picture = Picture(name="one.png", content=lambda: b"no image")
        return [BenchmarkQuestion(id="one", text="What?", answers=("that",), picture=picture)]


TestGood = conformance(Good())
TestSilent = conformance(Silent())
TestFree = conformance(Free())
TestTwice = conformance(Twice())
TestRestless = conformance(Restless())
TestUnruly = conformance(Unruly())
TestWanting = conformance(Wanting())
TestBlind = conformance(Blind())
