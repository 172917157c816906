"""``remgcl answer``: published fields on both sides, in order, resumable, and one error for a bad image."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remgcl import load

Call = Callable[..., Any]

QUESTIONS: list[dict[str, Any]] = [
    {"question_id": 1, "image": "red.png", "text": "What?", "category": "x"},
    {"question_id": "two", "image": "blue.png", "text": "<image>\nWhich colour?"},
    {"question_id": 1, "text": "Hello?"},
    {"question_id": 4, "image": "cut.png", "text": "What is it?"},
    {"question_id": 5, "image": "red.png", "text": "Long? " * 9},
]
ASKED = ["What?", "Which colour?", "Hello?", "What is it?", "Long? " * 9]


@pytest.fixture
def answer(remgcl: Call, trained: Path, folder: Path, tmp_path: Path) -> Call:
    """Answer questions with `remgcl answer`, into `answers.jsonl`."""

    def call(*options: object, questions: list[Any] = QUESTIONS) -> Any:  # noqa: ANN401 - how a command ended
        file = tmp_path / "questions.jsonl"
        file.write_text("".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in questions))
        fixed = ("--questions", file, "--images", folder, "--max-new-tokens", 6)
        return remgcl("answer", trained, *fixed, "--out", tmp_path / "answers.jsonl", *options)

    return call


def answers_in(folder: Path) -> list[dict[str, Any]]:
    """Read the answers."""
    return [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]


def test_answers_stand_in_order_with_the_published_fields(
    answer: Call, trained: Path, folder: Path, tmp_path: Path
) -> None:
    ended = answer("--batch-size", 2)
    assert ended.code == 0
    found = answers_in(tmp_path)
    fields = {"question_id", "prompt", "text", "answer_id", "model_id", "metadata"}
    assert all(each.keys() == fields for each in found)
    assert [each["question_id"] for each in found] == [1, "two", 1, 4, 5]
    assert [each["prompt"] for each in found] == ASKED
    assert {each["model_id"] for each in found} == {"small"}
    assert len({each["answer_id"] for each in found}) == len(found)
    model = load(trained)
    for each, question in zip(found, QUESTIONS, strict=True):
        name = question.get("image")
        if name != "cut.png":
            image = folder / name if name else None
            assert each["text"] == model.ask(image, each["prompt"], max_new_tokens=6)


def test_a_bad_image_is_one_recorded_error(answer: Call, tmp_path: Path) -> None:
    ended = answer()
    assert "1 questions could not be answered" in ended.err
    errors = [each["metadata"].get("error", "") for each in answers_in(tmp_path)]
    assert [bool(error) for error in errors] == [False, False, False, True, False]
    assert errors[3].startswith("image 'cut.png': is broken")
    assert answers_in(tmp_path)[3]["text"] == ""


@pytest.mark.parametrize("left", [0, 1, 3, 5])
def test_an_interrupted_file_is_continued(answer: Call, tmp_path: Path, left: int) -> None:
    answer()
    file = tmp_path / "answers.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:left]) + "".join(lines[left : left + 1])[:20])
    ended = answer("--batch-size", 2)
    assert ended.code == 0
    assert file.read_text().splitlines(keepends=True)[:left] == lines[:left]
    again = [json.loads(line) for line in lines]
    for one, other in zip(answers_in(tmp_path), again, strict=True):
        assert one | {"answer_id": ""} == other | {"answer_id": ""}


@pytest.mark.parametrize(
    ("options", "questions", "told"),
    [
        (("--seed", 3), QUESTIONS, "line 1: metadata is"),
        (("--conv", "llava_v1"), QUESTIONS, "line 1: metadata is"),
        ((), QUESTIONS[1:], "has 5 answers to 4 questions"),
        ((), [QUESTIONS[1], *QUESTIONS[1:]], "line 1: question_id is 1; expected 'two'"),
    ],
)
def test_answers_of_something_else_are_not_continued(
    answer: Call, options: tuple[Any, ...], questions: list[Any], told: str
) -> None:
    answer()
    ended = answer(*options, questions=questions)
    assert ended.code == 2
    assert told in ended.err
    assert "name another file, or delete this one" in ended.err


def test_all_lines_that_are_no_questions_are_named(answer: Call, tmp_path: Path) -> None:
    ended = answer(questions=["[]", {"text": "x"}, {"question_id": 1}, {"question_id": 1, "text": "", "image": 3}, "{"])
    assert ended.code == 2
    for told in (
        "line 1: is no JSON object",
        "line 2: question_id: must be a text or a whole number; it is None",
        "line 3: text: must be a text; it is None",
        "line 4: image: must be the name of a file; it is 3",
        "line 5: is no JSON object",
    ):
        assert told in ended.err
    assert not (tmp_path / "answers.jsonl").exists()
    assert "holds no question" in answer(questions=[]).err


def test_the_template_is_the_one_that_is_named(answer: Call, trained: Path, tmp_path: Path) -> None:
    answer("--conv", "llava_v1", questions=QUESTIONS[2:3])
    [found] = answers_in(tmp_path)
    assert found["text"] == load(trained, template="llava_v1").ask(None, "Hello?", max_new_tokens=6)
    assert "curious human" in found["metadata"]["template"]


def test_parts_are_all_questions_in_order(answer: Call, tmp_path: Path) -> None:
    answer()
    whole = [each["text"] for each in answers_in(tmp_path)]
    texts = []
    for part in range(1, 8):
        (tmp_path / "answers.jsonl").unlink(missing_ok=True)
        assert answer("--part", f"{part}/7").code == 0
        if (tmp_path / "answers.jsonl").exists():
            texts += [each["text"] for each in answers_in(tmp_path)]
    assert texts == whole
    assert "--part: must be I/N with I from 1 to N, such as 2/8; it is '0/3'" in answer("--part", "0/3").err


def test_several_processes_give_the_same_file(answer: Call, tmp_path: Path) -> None:
    answer()
    whole = [each["text"] for each in answers_in(tmp_path)]
    (tmp_path / "answers.jsonl").unlink()
    ended = answer("--processes", 2)
    assert ended.code == 0, ended.err
    assert [each["text"] for each in answers_in(tmp_path)] == whole
    assert [path.name for path in tmp_path.glob("answers*")] == ["answers.jsonl"]
