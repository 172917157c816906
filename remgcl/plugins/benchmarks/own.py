"""Benchmarks of one's own: a file of questions, and perhaps a description of how they are asked."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from remgcl import Benchmark, BenchmarkProtocol, BenchmarkQuestion, DataError, Picture, listed, read_regular

KNOWN = {"id", "image", "question", "answers", "type"}
DESCRIBED = ("questions", "images", "split", "protocols")


@frozen(kw_only=True)
class Own(Benchmark):
    """Questions of your own.

    A file of questions has JSON lines: ``{"id": "1", "image": "a.png", "question": "Read.", "answers": ["KFC"]}``, and
    perhaps ``type`` and fields that the rule or the prompt needs. `remgcl eval MODEL --benchmark signs.jsonl` asks them
    as they are. A description, `signs.toml`, names the file by ``questions`` and the folder of the images by ``images``
    (its own folder by default), and has a table ``[protocols.NAME]`` for each way to ask, with the fields of
    `remgcl.BenchmarkProtocol`.

    Attributes:
        path: The file of questions, or the description.
        metric: The rule, where no protocol names one.
        max_new_tokens: Longest answer in tokens, where no protocol says.
    """

    path: str
    metric: str = "exact"
    max_new_tokens: int = 128

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """Those of the description, or the question as it is."""
        given = self._description()
        tables = given.get("protocols", {"plain": {}})
        if not isinstance(tables, Mapping) or not all(isinstance(table, Mapping) for table in tables.values()):
            raise DataError(f"{self.path}: protocols: must be tables, such as [protocols.short]")
        return {name: self._protocol(name, table, str(given.get("split", "all"))) for name, table in tables.items()}

    def questions(self, folder: Path, split: str) -> Sequence[BenchmarkQuestion]:
        """Read the file of questions."""
        del folder, split
        given = self._description()
        here = Path(self.path).parent
        file = here / str(given["questions"]) if given else Path(self.path)
        return list(_read(file, here / str(given.get("images", "."))))

    def _description(self) -> dict[str, Any]:
        """Read the description; nothing where there is only a file of questions."""
        if not self.path.endswith(".toml"):
            return {}
        try:
            given = tomllib.loads(Path(self.path).read_text("utf-8"))
        except FileNotFoundError:
            raise DataError(f"{self.path}: does not exist") from None
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path}: cannot be read; {error}") from None
        unknown = sorted(given.keys() - set(DESCRIBED))
        if unknown:
            raise DataError(f"{self.path}: {unknown[0]}: is no key; there is {listed(DESCRIBED)}")
        if not isinstance(given.get("questions"), str):
            raise DataError(f"{self.path}: questions: must name the file of questions")
        return given

    def _protocol(self, name: str, table: Mapping[str, Any], split: str) -> BenchmarkProtocol:
        known = {field.name for field in attrs.fields(BenchmarkProtocol)}
        unknown = sorted(table.keys() - known)
        if unknown:
            raise DataError(f"{self.path}: protocols.{name}.{unknown[0]}: is no key; there is {listed(sorted(known))}")
        given = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
        chosen: dict[str, Any] = {
            "source": "own",
            "split": split,
            "metric": self.metric,
            "max_new_tokens": self.max_new_tokens,
        }
        try:
            return BenchmarkProtocol(**(chosen | given))
        except (TypeError, ValueError) as error:
            raise DataError(f"{self.path}: protocols.{name}: {error.args[0]}") from None


def _read(file: Path, images: Path) -> Iterator[BenchmarkQuestion]:
    try:
        lines = read_regular(file).decode("utf-8-sig").split("\n")
    except FileNotFoundError:
        raise DataError(f"{file}: does not exist") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read; {error}") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _question(line, f"{file}: line {number}", images)


def _question(line: str, where: str, images: Path) -> BenchmarkQuestion:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: is no JSON; {error}") from None
    if not isinstance(record, dict):
        raise DataError(f"{where}: must be an object; it is {record!r:.60}")
    id_, text, image = record.get("id"), record.get("question"), record.get("image")
    if not isinstance(id_, str | int) or isinstance(id_, bool):
        raise DataError(f"{where}: id: must be a text or a whole number; {_there(record, 'id')}")
    if not isinstance(text, str):
        raise DataError(f"{where}: question: must be a text; {_there(record, 'question')}")
    if not isinstance(image, str | None):
        raise DataError(f"{where}: image: must be the name of a file; it is {image!r:.60}")
    answers = record.get("answers", [])
    picture = None if image is None else Picture(name=image, file=images / image)
    return BenchmarkQuestion(
        id=str(id_),
        text=text,
        answers=tuple(answers) if isinstance(answers, list) else (answers,),
        picture=picture,
        type=str(record.get("type", "")),
        fields={key: value for key, value in record.items() if key not in KNOWN},
    )


def _there(record: Mapping[str, Any], key: str) -> str:
    return f"it is {record[key]!r:.60}" if key in record else "there is none"
