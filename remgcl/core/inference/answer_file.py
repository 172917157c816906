"""Question files and answer files of LLaVA's evaluation: JSON lines with the published fields.

A question is ``{"question_id", "text"}`` and, if it is about an image, ``"image"``. An answer is ``{"question_id",
"prompt", "text", "answer_id", "model_id", "metadata"}`` (LLaVA, `llava/eval/model_vqa.py`). Answers stand in the order
of the questions, so a file that ends early is continued where it ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import frozen

from remgcl.core.errors import DataError, Fault, FaultsError
from remgcl.core.files.whole import write, writing
from remgcl.core.inference.question import PLACEHOLDER, without_placeholder

FAULTS = 10
"""Most faults of a file that are named."""


@frozen
class Asked:
    """A question of a file.

    Attributes:
        id: Its `question_id`; need not be unique.
        text: The question, without a placeholder for the image.
        image: The image's path in the folder of images, or None.
    """

    id: str | int
    text: str
    image: str | None


def read_questions(path: Path) -> list[Asked]:
    """Read a question file.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read, or holds nothing.
        FaultsError: Lines that are no questions.
    """
    questions: list[Asked] = []
    faults: list[Fault] = []
    for number, record in _records(path):
        what = "is no JSON object" if record is None else _wrong(record)
        if what:
            faults.append(Fault(str(path), f"line {number}", what))
        elif record is not None:
            text = without_placeholder(record["text"]).replace(f"{PLACEHOLDER}\n", "")
            questions.append(Asked(record["question_id"], text, record.get("image")))
    if faults:
        raise FaultsError(faults[:FAULTS])
    if not questions:
        raise DataError(f"{path}: holds no question")
    return questions


def _wrong(record: Mapping[str, Any]) -> str:
    """Describe what is wrong with a question, or nothing."""
    if not isinstance(record.get("question_id"), str | int):
        return f"question_id: must be a text or a whole number; it is {record.get('question_id')!r}"
    if not isinstance(record.get("text"), str):
        return f"text: must be a text; it is {record.get('text')!r}"
    if not isinstance(record.get("image"), str | None):
        return f"image: must be the name of a file; it is {record.get('image')!r}"
    return ""


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield the lines of a file that are not empty, with their numbers."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read; {getattr(error, 'strerror', None) or error}") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            yield number, record if isinstance(record, dict) else None


def part_of(questions: Sequence[Asked], part: int, parts: int) -> Sequence[Asked]:
    """Cut the questions into parts of nearly equal size, in order; more parts than questions leave some empty.

    Args:
        questions: All questions.
        part: Which part, from 1.
        parts: How many parts.
    """
    return questions[len(questions) * (part - 1) // parts : len(questions) * part // parts]


@frozen
class AnswerFile:
    """An answer file that is written in the order of its questions.

    Attributes:
        path: The file.
        model_id: What `model_id` holds.
        metadata: What `metadata` holds: all that decides the answers, beside model and question.
    """

    path: Path
    model_id: str
    metadata: Mapping[str, Any]

    def resume(self, questions: Sequence[Asked]) -> int:
        """Count the answers that are there already, and drop a line that was cut off.

        Args:
            questions: The questions, in order.

        Raises:
            DataError: The file holds answers to other questions, or of another model or other settings.
            RunError: It cannot be written.
        """
        if not self.path.exists():
            return 0
        held = self.path.read_bytes()
        whole = held[: held.rfind(b"\n") + 1]
        if whole != held:
            with writing(self.path):
                write(self.path, whole)
        records = list(_records(self.path))
        if len(records) > len(questions):
            raise self._other(f"has {len(records)} answers to {len(questions)} questions")
        for (number, record), question in zip(records, questions, strict=False):
            expected = {"question_id": question.id, "prompt": question.text, "model_id": self.model_id}
            found = record or {}
            metadata = {key: value for key, value in found.get("metadata", {}).items() if key != "error"}
            for key, value in {**expected, "metadata": dict(self.metadata)}.items():
                there = metadata if key == "metadata" else found.get(key)
                if there != value:
                    raise self._other(f"line {number}: {key} is {there!r}; expected {value!r}")
        return len(records)

    def _other(self, what: str) -> DataError:
        return DataError(f"{self.path}: {what}; name another file, or delete this one")

    def add(self, answers: Sequence[tuple[Asked, str, str]]) -> None:
        """Write answers.

        Args:
            answers: Questions, each with its answer, and why it could not be answered or an empty text.

        Raises:
            RunError: The file cannot be written.
        """
        lines = [json.dumps(self._record(*each), ensure_ascii=False) + "\n" for each in answers]
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(lines))

    def _record(self, question: Asked, text: str, error: str) -> dict[str, Any]:
        return {
            "question_id": question.id,
            "prompt": question.text,
            "text": text,
            "answer_id": uuid4().hex,
            "model_id": self.model_id,
            "metadata": {**self.metadata, **({"error": error} if error else {})},
        }
