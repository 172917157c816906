"""The rule of MME: accuracy by question and by image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from remgcl import Answer, DataError, Metric, Score

PERCEPTION = (
    "existence",
    "count",
    "position",
    "color",
    "posters",
    "celebrity",
    "scene",
    "landmark",
    "artwork",
    "OCR",
)
COGNITION = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")

LABELS = ("yes", "no")

READ = 4
"""Characters at the beginning of a prediction that are read."""


@frozen(kw_only=True)
class Mme(Metric):
    """1 if the label found in the prediction is the true one; a task scores accuracy + accuracy by image.

    "yes", then "no", is searched in the first four characters in lower case. An image's accuracy counts only if
    both of its questions are right. The truth is the field `answer` (or the one answer), `category` is the task,
    and `image` joins two questions. Without a true label the score is the label itself.

    Source: MME, `eval_tool/calculation.py`.
    """

    def fault(self, answer: Answer) -> str | None:
        """Refuse a truth that is neither yes nor no."""
        truth = _truth(answer)
        if truth is None or truth.lower() in LABELS:
            return None
        return f"answer: must be 'Yes' or 'No'; it is {truth!r}"

    def score(self, answer: Answer) -> Score:
        """Compare the label with the truth."""
        label, truth = _label(answer.prediction), _truth(answer)
        return label if truth is None else float(label == truth.lower())

    def readable(self, answer: Answer) -> bool:
        """Return whether there is a label."""
        return _label(answer.prediction) in LABELS

    def summary(self, answers: Sequence[Answer], scores: Sequence[Score]) -> Mapping[str, Any]:
        """Score each task, and sum the tasks of perception and of cognition."""
        labels = [_label(answer.prediction) for answer in answers]
        counted = {"count": len(answers), "other": labels.count("other")}
        if any(isinstance(score, str) for score in scores):
            return counted | {label: labels.count(label) for label in LABELS}
        by_task: dict[str, list[tuple[Answer, Score]]] = {}
        for answer, score in zip(answers, scores, strict=True):
            by_task.setdefault(str(answer.fields.get("category", "")), []).append((answer, score))
        accuracies = {task: _accuracies(task, rows) for task, rows in by_task.items()}
        tasks = {task: 100 * acc + 100 * plus for task, (acc, plus) in accuracies.items()}
        summary = counted | {"score": sum(tasks.values())}
        if list(tasks) == [""]:
            acc, plus = accuracies[""]
            return summary | {"acc": 100 * acc, "acc_plus": 100 * plus}
        return summary | {
            "tasks": tasks,
            "acc": {task: 100 * acc for task, (acc, _) in accuracies.items()},
            "acc_plus": {task: 100 * plus for task, (_, plus) in accuracies.items()},
            "perception": sum(tasks.get(task, 0) for task in PERCEPTION),
            "cognition": sum(tasks.get(task, 0) for task in COGNITION),
        }


def _truth(answer: Answer) -> str | None:
    truth = answer.fields.get("answer", answer.answers[0] if answer.answers else None)
    return truth if truth is None else str(truth)


def _label(prediction: str) -> str:
    """Read yes, no or other; a line end in the file of results is a space."""
    start = prediction.lower().replace("\n", " ")[:READ]
    return next((label for label in LABELS if label in start), "other")


def _accuracies(task: str, rows: Sequence[tuple[Answer, Score]]) -> tuple[float, float]:
    """Return the share of questions and of images that are right."""
    right = [score == 1 for _, score in rows]
    images = [all(right[place] for place in pair) for pair in _pairs(task, [answer for answer, _ in rows])]
    return sum(right) / len(right), sum(images) / len(images)


def _pairs(task: str, answers: Sequence[Answer]) -> Iterator[tuple[int, int]]:
    """Join the two questions of each image: consecutive ones, or those of one name."""
    images = [answer.fields.get("image", place // 2) for place, answer in enumerate(answers)]
    if len(images) % 2 == 0 and images[::2] == images[1::2]:
        yield from ((place, place + 1) for place in range(0, len(images), 2))
        return
    places: dict[Any, list[int]] = {}
    for place, image in enumerate(images):
        places.setdefault(image, []).append(place)
    for image, of in places.items():
        if len(of) != 2:  # noqa: PLR2004 - MME asks two questions of an image
            where = f"task {task!r}: " if task else ""
            raise DataError(f"{where}image {image!r}: must have two questions; there are {len(of)}")
        yield of[0], of[1]
