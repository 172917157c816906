"""Scored predictions as `remgcl eval` and `remgcl score --out` leave them, verified as they are read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any

from attrs import frozen

from remgcl.core.errors import DataError
from remgcl.core.evaluation.predictions import ANSWERS, PREDICTION
from remgcl.core.files.whole import read

SCORES = "scores.json"
BEGUN = "begun.json"
"""What a folder of `remgcl eval` holds as soon as the first question may be asked."""

QUESTION = (
    *("id", "question_id", "questionId", "image", "image_path", "question", "prompt", "label", "answer", "type"),
    *("category", "question_type", "dataset_name", *ANSWERS),
)
"""Fields of a prediction that say which question it answers."""

SCORED_ALONE = "predictions"
"""The benchmark of a file of `remgcl score`, which names none."""


@frozen(eq=False)
class Item:
    """One question, the answer to it and the score.

    Attributes:
        id: The name of the question.
        score: The score; None where it is no number.
        line: The line of the file of predictions.
    """

    id: str
    score: float | None
    line: Mapping[str, Any]

    @property
    def prediction(self) -> str:
        """The text of the model."""
        if "gt_answers" in self.line and "answer" in self.line:
            return str(self.line["answer"])
        return str(next((self.line[name] for name in PREDICTION if name in self.line), ""))

    @property
    def answers(self) -> list[str]:
        """The true answers."""
        held: Any = next((self.line[name] for name in (*ANSWERS, "label", "answer") if name in self.line), [])
        return [str(each) for each in held] if isinstance(held, list | tuple) else [str(held)]

    @property
    def type(self) -> str:
        """The group of the question."""
        return str(next((self.line[name] for name in ("type", "question_type", "category") if self.line.get(name)), ""))

    @property
    def image(self) -> str:
        """The name of the image; empty if there is none."""
        return str(next((self.line[name] for name in ("image", "image_path") if self.line.get(name)), ""))


@frozen(kw_only=True, eq=False)
class Scored:
    """What a model answered to one benchmark by one protocol, and the scores.

    Attributes:
        path: The file of scores.
        predictions: The file of predictions.
        benchmark: The name of the benchmark.
        protocol: All that the scores depend on beside the model.
        model: What the model is called; empty if nothing says so.
        identity: What makes the model the one that it is.
        headline: The score of the benchmark; None if the rule gives none.
        items: The questions in the order of the file.
    """

    path: Path
    predictions: Path
    benchmark: str
    protocol: Mapping[str, Any]
    model: str
    identity: Any
    headline: float | None
    items: tuple[Item, ...]

    @property
    def title(self) -> str:
        """The benchmark and the name of its protocol."""
        name = self.protocol.get("name")
        return f"{self.benchmark}:{name}" if name else self.benchmark


def read_scored(path: Path) -> list[Scored]:
    """Read all evaluations below a folder, or one file of scores.

    Args:
        path: A folder of `remgcl eval`, one that holds several, or a file of `remgcl score --out`.

    Raises:
        DataError: There are none, one is not finished, or predictions were changed since they were scored.
        RunError: A file of scores cannot be read.
    """
    if not path.exists():
        raise DataError(f"{path}: does not exist; a folder of remgcl eval or a file of remgcl score --out is due")
    if path.is_file():
        return [_scored(path)]
    for begun in sorted(path.rglob(BEGUN)):
        if not begun.with_name(SCORES).exists() and begun.with_name("predictions.jsonl").exists():
            raise DataError(
                f"{begun.parent}: the evaluation is not finished: there is no {SCORES}; the same command of remgcl "
                "eval resumes it"
            )
    found = [_scored(each) for each in sorted(path.rglob(SCORES))]
    if not found:
        raise DataError(f"{path}: holds no {SCORES}, which remgcl eval writes once all questions are answered")
    return found


def _scored(path: Path) -> Scored:
    """Read a file of scores and its predictions."""
    scores = read(path) or {}
    if not isinstance(scores.get("predictions"), Mapping):
        raise DataError(
            f"{path}: predictions: is missing, so nothing says what was scored; a scores.json of remgcl eval or a file "
            "of remgcl score --out is due"
        )
    predictions = path.parent / str(scores["predictions"].get("file"))
    lines = _lines(predictions, str(scores["predictions"].get("sha256")), path)
    judged = "protocol" in scores
    values = [line.get("score") for line in lines] if judged else _values(scores.get("items"), path)
    expected = scores.get("count") if judged else len(values)
    if len(lines) != expected:
        raise DataError(f"{predictions}: is partial: it holds {len(lines):,} of {expected:,} predictions")
    model, summary, protocol = (_table(scores, key, path) for key in ("model", "summary", "protocol"))
    headline = summary.get("score")
    return Scored(
        path=path,
        predictions=predictions,
        benchmark=str(scores.get("benchmark", SCORED_ALONE)),
        protocol=protocol if judged else _protocol(scores, lines),
        model=str(model.get("name", "")),
        identity=model.get("identity"),
        headline=float(headline) if isinstance(headline, int | float) else None,
        items=items_of(lines, values),
    )


def _table(scores: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    """Give a table of a file of scores; an empty one if it is absent."""
    held = scores.get(key, {})
    if not isinstance(held, Mapping):
        raise DataError(f"{path}: {key}: must be an object; it is {held!r:.60}")
    return held


def _values(items: object, path: Path) -> list[Any]:
    """Give the scores of a file of `remgcl score`."""
    if not isinstance(items, list) or not all(isinstance(each, Mapping) for each in items):
        raise DataError(f"{path}: items: must be a list of objects, as remgcl score --out writes it")
    return [each.get("score") for each in items]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of predictions, a JSON list or JSON lines, without judging what they say.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return list(_objects(path.read_bytes()))
    except OSError as error:
        raise DataError(f"{path}: cannot be read; {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:
        raise DataError(f"{path}: is no file of predictions: {error}") from None


def items_of(lines: Sequence[Mapping[str, Any]], scores: Sequence[Any] | None = None) -> tuple[Item, ...]:
    """Make items of lines.

    Args:
        lines: The lines of a file of predictions.
        scores: The score of each; by default what the lines hold, if they do.
    """
    values = [line.get("score") for line in lines] if scores is None else scores
    return tuple(
        Item(id_, float(score) if isinstance(score, int | float) and isfinite(score) else None, line)
        for id_, score, line in zip(_ids(lines), values, lines, strict=True)
    )


def _lines(path: Path, digest: str, scores: Path) -> list[dict[str, Any]]:
    """Read the predictions that were scored."""
    try:
        held = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{scores}: predictions: there is no file {str(path)!r}; put it back") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read; {(error.strerror or str(error)).lower()}") from None
    if sha256(held).hexdigest() != digest:
        raise DataError(
            f"{path}: was changed since it was scored: its SHA-256 is not that of {scores.name}; put it back, or score "
            "it again"
        )
    try:
        return list(_objects(held))
    except ValueError as error:
        raise DataError(f"{path}: is no file of predictions: {error}") from None


def _objects(held: bytes) -> Iterator[dict[str, Any]]:
    """Parse a JSON list or JSON lines of objects."""
    text = held.decode()
    if text.lstrip().startswith("["):
        found = json.loads(text)
    else:
        found = [json.loads(line) for line in text.split("\n") if line.strip()]
    for place, each in enumerate(found):
        if not isinstance(each, dict):
            raise ValueError(f"item {place} is no object")  # noqa: TRY004 - reported with the file's name
        yield each


def _ids(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the questions: by their ids if each has one of its own, or by their places."""
    named = [next((line[key] for key in ("id", "question_id", "questionId") if key in line), None) for line in lines]
    ids = [str(name) for name in named]
    return ids if None not in named and len(set(ids)) == len(ids) else [f"item {place}" for place in range(len(lines))]


def question_of(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a prediction that say which question it answers.

    Args:
        line: The prediction.
    """
    spoken = {"answer"} if "gt_answers" in line else set()
    return {key: line[key] for key in QUESTION if key in line and key not in spoken}


def _protocol(scores: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make the protocol of a file that `remgcl score` wrote: its rule and its questions, which is all that is known."""
    dumped = json.dumps([question_of(line) for line in lines], sort_keys=True)
    return {
        "questions": {"count": len(lines), "sha256": sha256(dumped.encode()).hexdigest()},
        "metric": {"use": scores.get("rule"), "settings": scores.get("settings", {})},
    }
