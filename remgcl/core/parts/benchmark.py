"""The contract of benchmarks: files as published to questions, and the protocols that they are asked by."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from attrs import field, frozen
from attrs.validators import ge, optional

from remgcl.core.errors import DataError, Hint
from remgcl.core.parts.part import Part
from remgcl.core.parts.promise import is_a, returns, text, that
from remgcl.core.samples import Region

PLACE = re.compile(r"\{(\w+)\}")
"""A place of a template that a field of the question fills."""


@frozen(kw_only=True, eq=False)
class Picture:
    """The image of a question, which is read when it is asked.

    Attributes:
        name: What records call it: its path in the folder of the benchmark, or its name inside a file of many.
        file: Its file; None if it is not in one of its own.
        content: Reads the bytes of an image file, where there is no file.
    """

    name: str
    file: Path | None = None
    content: Callable[[], bytes] | None = None


@frozen(kw_only=True, eq=False)
class BenchmarkQuestion:
    """A question of a benchmark.

    Attributes:
        id: Its name; no other question has it.
        text: What is asked, as published.
        answers: The true answers.
        picture: The image it is about.
        type: Its group in tables, such as the task.
        fields: What the rule or the template needs beside these.
        regions: Where text stands in the image, if that is known.
    """

    id: str
    text: str
    answers: tuple[Any, ...] = ()
    picture: Picture | None = None
    type: str = ""
    fields: Mapping[str, Any] = MappingProxyType({})
    regions: tuple[Region, ...] = ()


@frozen(kw_only=True)
class BenchmarkProtocol:
    """How questions are asked, answered and scored: all that a score depends on beside model and questions.

    Attributes:
        source: Whose way of asking it is.
        split: The part of the benchmark that is asked.
        metric: The rule, a part of the kind `metrics`.
        metric_settings: Settings of the rule, ``KEY=VALUE`` each.
        template: The prompt: ``{question}`` stands for the question, ``{NAME}`` for another of its fields; a list is
            joined by commas.
        remove: Texts that are taken out of the question first.
        case: ``capitalize`` writes the first letter of the question in upper case and all others in lower case.
        system: The system message, if any.
        max_new_tokens: Longest answer in tokens.
        temperature: Divides the logits before sampling; 0 takes the most probable token.
        top_p: Share of the probability that is sampled from.
        seed: Seed of the sampling.
        stop: Texts that end an answer.
        strip: Whether white space around an answer is removed before it is scored.
        judge: The prompt of a judge, whose review is scored; ``{prediction}`` stands for the answer.
    """

    source: str
    split: str
    metric: str
    metric_settings: tuple[str, ...] = ()
    template: str = "{question}"
    remove: tuple[str, ...] = ()
    case: Literal["as published", "capitalize"] = "as published"
    system: str | None = None
    max_new_tokens: int = field(default=128, validator=ge(1))
    temperature: float = field(default=0.0, validator=ge(0))
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    strip: bool = True
    judge: str | None = None

    def prompt(self, question: BenchmarkQuestion) -> str:
        """Write the prompt of a question.

        Args:
            question: The question.

        Raises:
            DataError: The template names a field that the question lacks.
        """
        asked = question.text
        for each in self.remove:
            asked = asked.replace(each, "")
        asked = asked.strip() if self.remove else asked
        asked = asked.capitalize() if self.case == "capitalize" else asked
        return filled(self.template, {**question.fields, "question": asked}, "template")


def filled(template: str, values: Mapping[str, Any], name: str) -> str:
    """Fill the places of a template, once: what is filled in is not looked at again.

    Args:
        template: The text with its places.
        values: What stands for each; a list is joined by commas.
        name: What errors call the template.

    Raises:
        DataError: A place has no value.
    """

    def value(place: re.Match[str]) -> str:
        if place[1] not in values:
            raise DataError(f"{name}: {{{place[1]}}} is no field of the question; {Hint(place[1], tuple(values))}")
        held = values[place[1]]
        return ", ".join(map(str, held)) if isinstance(held, list | tuple) else str(held)

    return PLACE.sub(value, template)


def _protocols(value: object) -> bool:
    if not isinstance(value, Mapping) or not value:
        return False
    return all(isinstance(name, str) and isinstance(each, BenchmarkProtocol) for name, each in value.items())


@frozen(kw_only=True)
class Benchmark(Part):
    """Read the questions of a benchmark from its published files.

    Attributes:
        folder: The folder of its files, where no command names one.
        protocol: How its questions are asked; by its first protocol by default.
        split: The part of the benchmark that is asked; that of the protocol by default.
        limit: Questions that are asked, from the first; all by default.
    """

    table: ClassVar[str] = "stages.NAME.evaluation."

    command: ClassVar[str] = "remgcl eval MODEL --benchmark {name} --data DIR --out OUT"
    setting: ClassVar[str] = "--benchmark-set"

    obtain: ClassVar[str] = ""
    """How its files are obtained, and where they belong in the folder; empty if it needs none."""

    licence: ClassVar[str] = ""
    """The terms of its files."""

    groups: ClassVar[tuple[str, ...]] = ()
    """Fields of its questions by which scores are tabulated, beside the type."""

    folder: str = ""
    protocol: str | None = None
    split: str | None = None
    limit: int | None = field(default=None, validator=optional(ge(1)))

    @abstractmethod
    @returns("a mapping of names to remgcl.BenchmarkProtocol, at least one", that(_protocols))
    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """Name the ways in which the questions are asked; the first is the default."""

    @returns("a text that is not empty", that(text))
    def key(self, question: BenchmarkQuestion) -> str:
        """Name a question as answers made elsewhere do; by default, its id.

        Args:
            question: The question.
        """
        return question.id

    @returns("a text that is not empty", that(text))
    def answered(self, record: Mapping[str, Any]) -> str:
        """Name the question that an answer made elsewhere is to; by default, its `question_id` or `id`.

        Args:
            record: The answer, as its file has it.

        Raises:
            DataError: It names none.
        """
        named = record.get("question_id", record.get("id"))
        if not isinstance(named, str | int):
            raise DataError("question_id: is missing")
        return str(named)

    @abstractmethod
    @returns("a sequence of remgcl.BenchmarkQuestion", that(is_a(Sequence)))
    def questions(self, folder: Path, split: str) -> Sequence[BenchmarkQuestion]:
        """Read the questions, in the order of the files; no image is opened.

        Args:
            folder: The folder of the benchmark.
            split: The part that is asked.

        Raises:
            DataError: A file is missing or cannot be read; the error says how to obtain it.
        """
