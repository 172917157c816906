"""The folder of one evaluation: what was asked, every answer, and the scores once all questions are answered.

It holds::

    begun.json         the protocol and the model, written before the first question is asked
    predictions.jsonl  a line for each answer, appended and synced one by one; in the order of the questions and with
                       scores once all are answered
    predictions.2.jsonl, ...   the answers of further processes, until all are answered
    reviews.jsonl      the reviews of a judge, if the protocol has one; likewise
    failed.json        questions that have no answer, and why; absent if all are answered
    scores.json        protocol, model, scores and the SHA-256 of predictions.jsonl; there only if all are answered
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from attrs import frozen

from remgcl.core.errors import DataError, RunError
from remgcl.core.files.whole import as_json, read, write, writing

PREDICTIONS, REVIEWS = "predictions", "reviews"
"""The names of the two files of answers."""

OWN = frozenset(
    {
        "id",
        "prompt",
        "prediction",
        "reasoning",
        "finish",
        "usage",
        "score",
        "unparsed",
        "regions",
        "review",
        "review_finish",
    }
)
"""Keys of a line that are no field of the question."""

SHOWN = 5
"""Most changed keys that an error names."""


@frozen
class EvaluationFolder:
    """The folder of one benchmark by one protocol.

    Attributes:
        path: Where it is.
    """

    path: Path

    @property
    def predictions(self) -> Path:
        """The file of answers."""
        return self.path / f"{PREDICTIONS}.jsonl"

    @property
    def scores(self) -> Path:
        """The file of scores."""
        return self.path / "scores.json"

    def begin(self, protocol: Mapping[str, Any], model: Mapping[str, Any]) -> None:
        """Make the folder, or resume in it, and drop lines that were cut off.

        Args:
            protocol: All that the scores depend on beside the model.
            model: The model.

        Raises:
            RunError: The folder holds answers of another model, or by another protocol; the error names what differs.
        """
        file = self.path / "begun.json"
        now = json.loads(as_json({"protocol": protocol, "model": model}))
        before = read(file)
        if before is not None:
            changed = _changed(_compared(before), _compared(now))
            if changed:
                raise RunError(f"{file}: was begun with another model or protocol: {changed}; name another folder")
        elif any(self._parts(PREDICTIONS)):
            raise RunError(f"{file}: is missing, so nothing says whose answers are there; name another folder")
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            if before is None:
                write(file, as_json(now))
            for part in (*self._parts(PREDICTIONS), *self._parts(REVIEWS)):
                held = part.read_bytes()
                whole = held[: held.rfind(b"\n") + 1]
                if whole != held:
                    write(part, whole)

    def answered(self, prompts: Mapping[str, str], kind: str = PREDICTIONS) -> dict[str, dict[str, Any]]:
        """Read the answers so far.

        Args:
            prompts: The prompt of each question, by its id.
            kind: Which file.

        Returns:
            The lines, by the ids of their questions.

        Raises:
            DataError: A line is no answer to one of the questions, or a question is answered twice.
        """
        found: dict[str, dict[str, Any]] = {}
        for part in self._parts(kind):
            for number, line in enumerate(_lines(part), 1):
                where = f"{part}: line {number}"
                record = _record(line, where)
                id_ = record["id"]
                if id_ not in prompts or record.get("prompt") != prompts[id_]:
                    what = "is no question of this benchmark" if id_ not in prompts else "was asked with another prompt"
                    raise DataError(f"{where}: {id_!r} {what}; the file was edited, or is of another evaluation")
                if id_ in found:
                    raise DataError(f"{where}: {id_!r} is answered twice; the file was edited")
                found[id_] = record
        return found

    def add(self, line: Mapping[str, Any], process: int = 1, kind: str = PREDICTIONS) -> None:
        """Append an answer, and wait until it is on the disk.

        Args:
            line: The answer.
            process: Which process answered, from 1.
            kind: Which file.

        Raises:
            RunError: The file cannot be written.
        """
        path = self.path / (f"{kind}.jsonl" if process == 1 else f"{kind}.{process}.jsonl")
        with writing(path), path.open("ab") as file:
            file.write(_line(line))
            file.flush()
            os.fsync(file.fileno())

    def fail(self, errors: Mapping[str, str]) -> None:
        """Record why questions have no answer.

        Args:
            errors: The error of each, by its id; none removes the record.
        """
        file = self.path / "failed.json"
        with writing(self.path):
            if errors:
                write(file, as_json(errors))
            else:
                file.unlink(missing_ok=True)

    def finish(self, lines: Iterable[Mapping[str, Any]], scores: Mapping[str, Any]) -> dict[str, Any]:
        """Write all answers in the order of their questions, and the scores.

        Args:
            lines: Every line, with its score.
            scores: The scores, without the digest of the answers.

        Returns:
            The scores as they were written.

        Raises:
            RunError: The folder cannot be written.
        """
        content = b"".join(map(_line, lines))
        record = {**scores, "predictions": {"file": self.predictions.name, "sha256": sha256(content).hexdigest()}}
        with writing(self.path):
            write(self.predictions, content)
            for part in self._parts(PREDICTIONS):
                if part != self.predictions:
                    part.unlink()
            write(self.scores, as_json(record))
        return dict(json.loads(as_json(record)))

    def finished(self) -> dict[str, Any] | None:
        """Read the scores, if all questions are answered.

        Raises:
            DataError: The answers were changed since they were scored.
            RunError: The file cannot be read.
        """
        scores = read(self.scores)
        if scores is None:
            return None
        held = self.predictions.read_bytes() if self.predictions.is_file() else b""
        if scores.get("predictions", {}).get("sha256") != sha256(held).hexdigest():
            raise DataError(
                f"{self.predictions}: was changed since it was scored; put it back, or delete {self.scores.name} and "
                "evaluate again"
            )
        return scores

    def count(self) -> int:
        """Count the answers so far."""
        return sum(part.read_bytes().count(b"\n") for part in self._parts(PREDICTIONS))

    def _parts(self, kind: str) -> list[Path]:
        return sorted([*self.path.glob(f"{kind}.jsonl"), *self.path.glob(f"{kind}.[0-9]*.jsonl")])


def _line(record: Mapping[str, Any]) -> bytes:
    """Write a record as a line; half of a surrogate pair becomes its escape."""
    return (json.dumps(record, ensure_ascii=False, default=str) + "\n").encode(errors="backslashreplace")


def _lines(path: Path) -> Iterator[bytes]:
    """Return the whole lines of a file; another process may be writing the last."""
    held = path.read_bytes()
    return iter(held[: held.rfind(b"\n")].split(b"\n") if b"\n" in held else [])


def _record(line: bytes, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or not isinstance(record.get("id"), str) or "prediction" not in record:
        raise DataError(f"{where}: is no answer; an object with 'id' and 'prediction' is due")
    return record


def _compared(begun: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what the model is called: a run that was moved is the same model."""
    model = {key: value for key, value in begun.get("model", {}).items() if key != "name"}
    return {"protocol": begun.get("protocol"), "model": model}


def _changed(before: Any, now: Any) -> str:  # noqa: ANN401 - nested JSON
    """Say which keys differ, the first of them."""
    differ = [(key, old, new) for key, old, new in _pairs(before, now, "") if old != new]
    return "; ".join(f"{key} was {old!r} and is {new!r}" for key, old, new in differ[:SHOWN])


def _pairs(before: Any, now: Any, at: str) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 - nested JSON
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from _pairs(before.get(key), now.get(key), f"{at}.{key}" if at else key)
    else:
        yield at, before, now
