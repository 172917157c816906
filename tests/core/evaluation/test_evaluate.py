"""Evaluations: each question asked once, answers kept through anything, and scores only of all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from PIL import Image

from remgcl import (
    BenchmarkProtocol,
    BenchmarkQuestion,
    ChatError,
    ChatReply,
    ChatRequest,
    DataError,
    Engine,
    Picture,
    RequestError,
    RunError,
    in_batches,
)
from remgcl.core.evaluation.asking import Patience
from remgcl.core.evaluation.evaluate import Share, answer, begin, evaluate, score
from remgcl.core.evaluation.record import EvaluationFolder
from remgcl.core.evaluation.task import Task

HASTE = Patience(seconds=0.001, most=0.002, silent=0.5)


class Model:
    """A chat model of a function, which counts what it was asked."""

    model = "made-up"
    sees = True
    at_once = 3

    def __init__(self, reply: Callable[[ChatRequest], ChatReply | Exception | str], name: str = "one") -> None:
        """Keep the function."""
        self.reply, self.name = reply, name
        self.asked: list[str] = []

    def identity(self) -> str:
        """Name it."""
        return self.name

    def open(self) -> Any:  # noqa: ANN401 - a context manager
        """Answer in batches."""
        return in_batches(self._answer, 2)

    def _answer(self, requests: Sequence[ChatRequest]) -> list[ChatReply | Exception]:
        replies: list[ChatReply | Exception] = []
        for request in requests:
            self.asked.append(request.question)
            reply = self.reply(request)
            replies.append(ChatReply(text=reply) if isinstance(reply, str) else reply)
        return replies


def question(place: int, **given: Any) -> BenchmarkQuestion:  # noqa: ANN401 - fields of a question
    """Make a question whose answer is its own number."""
    fields = {"id": f"q{place}", "text": f"What is {'really ' * (place % 3)}{place}?", "answers": (str(place),)}
    return BenchmarkQuestion(**{**fields, **given})


def right(request: ChatRequest) -> str:
    """Answer with the number of the question, and some space."""
    return f" {request.question.split()[-1].strip('?')}\n"


@pytest.fixture
def task(engine: Engine) -> Task:
    """Ten questions."""
    protocol = BenchmarkProtocol(source="test", split="all", metric="exact", max_new_tokens=4)
    questions = tuple(question(place, type="even" if place % 2 == 0 else "odd") for place in range(10))
    metric = engine.part("metrics", "exact")
    return Task(benchmark="numbers", name="plain", protocol=protocol, metric=metric, questions=questions)


@pytest.fixture
def folder(tmp_path: Path) -> EvaluationFolder:
    """Where it goes."""
    return EvaluationFolder(tmp_path / "numbers-plain")


def lines(folder: EvaluationFolder) -> list[dict[str, Any]]:
    """Read the answers."""
    return [json.loads(line) for line in folder.predictions.read_text().splitlines()]


def test_every_question_is_asked_once_scored_and_recorded(task: Task, folder: EvaluationFolder) -> None:
    model = Model(lambda request: right(request) if "really" not in request.question else "no idea")
    seen: list[tuple[int, int]] = []
    scores = evaluate(task, model, folder, watch=lambda done, count: seen.append((done, count)))  # type: ignore[arg-type]
    assert sorted(model.asked) == sorted(task.prompts.values())
    assert seen[0] == (0, 10)
    assert seen[-1] == (10, 10)
    assert scores["summary"]["score"] == 0.4
    assert scores["by"] == {
        "type": {"even": {"count": 5, "score": 0.4}, "odd": {"count": 5, "score": pytest.approx(0.4)}}
    }
    assert (scores["count"], scores["unparsed"], scores["cut"], scores["refused"]) == (10, 0, 0, 0)
    assert scores["protocol"]["metric"] == {"use": "exact", "settings": {}}
    assert scores["protocol"]["max_new_tokens"] == 4
    assert scores["model"] == {"name": "made-up", "identity": "one"}
    assert "torch" in scores["versions"]["libraries"]
    written = lines(folder)
    assert [line["id"] for line in written] == [f"q{place}" for place in range(10)]
    assert written[3] == {
        "id": "q3",
        "prompt": "What is 3?",
        "prediction": "3",
        "finish": "stop",
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "images": 0},
        "question": "What is 3?",
        "type": "odd",
        "answers": ["3"],
        "score": 1.0,
        "unparsed": False,
    }


def test_a_finished_evaluation_asks_nothing(task: Task, folder: EvaluationFolder) -> None:
    first = evaluate(task, Model(right), folder)  # type: ignore[arg-type]
    again = Model(right)
    assert evaluate(task, again, folder) == first  # type: ignore[arg-type]
    assert again.asked == []


@pytest.mark.parametrize("kept", [0, 1, 4, 9])
@pytest.mark.parametrize("torn", [b"", b'{"id": "q9", "pro'])
def test_what_was_killed_resumes_to_the_same_bytes_and_asks_nothing_twice(
    task: Task, tmp_path: Path, kept: int, torn: bytes
) -> None:
    whole, killed = EvaluationFolder(tmp_path / "whole"), EvaluationFolder(tmp_path / "killed")
    evaluate(task, Model(right), whole)  # type: ignore[arg-type]
    asked: list[str] = []

    def dies(request: ChatRequest) -> str:
        if len(asked) == kept:
            raise KeyboardInterrupt
        asked.append(request.question)
        return right(request)

    one_by_one = Model(dies)
    one_by_one.at_once = 1
    with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)):
        evaluate(task, one_by_one, killed)  # type: ignore[arg-type]
    assert not killed.scores.exists()
    with killed.predictions.open("ab") as file:
        file.write(torn)
    model = Model(right)
    evaluate(task, model, killed)  # type: ignore[arg-type]
    assert sorted([*asked, *model.asked]) == sorted(task.prompts.values())
    assert killed.predictions.read_bytes() == whole.predictions.read_bytes()
    assert killed.scores.read_bytes() == whole.scores.read_bytes()


def test_questions_that_have_no_answer_are_named_counted_and_asked_again(task: Task, folder: EvaluationFolder) -> None:
    def half(request: ChatRequest) -> str | Exception:
        fails = request.question in {"What is 3?", "What is really 4?"}
        return ChatError("HTTP 502: <html>Bad gateway</html>") if fails else right(request)

    model = Model(half)
    with pytest.raises(
        RunError, match=r"question 'q3': HTTP 502(.|\n)*2 of 10 questions have no answer, so nothing is"
    ):
        evaluate(task, model, folder, patience=HASTE)  # type: ignore[arg-type]
    assert model.asked.count("What is 3?") == HASTE.tries
    assert not folder.scores.exists()
    assert json.loads((folder.path / "failed.json").read_text()).keys() == {"q3", "q4"}
    assert all("html" not in line["prediction"] for line in lines(folder))
    again = Model(right)
    assert evaluate(task, again, folder)["summary"]["score"] == 1.0  # type: ignore[arg-type]
    assert sorted(again.asked) == ["What is 3?", "What is really 4?"]
    assert not (folder.path / "failed.json").exists()


def test_a_busy_model_is_waited_for_and_loses_no_question(task: Task, folder: EvaluationFolder) -> None:
    times = iter(range(100))

    def busy(request: ChatRequest) -> str | Exception:
        return ChatError("slow down", "busy", 0.001) if next(times) % 3 else right(request)

    model = Model(busy)
    assert evaluate(task, model, folder, patience=HASTE)["count"] == 10  # type: ignore[arg-type]
    assert len(model.asked) == 10 * 3 - 2


@pytest.mark.parametrize(
    ("error", "told", "most"),
    [
        (ChatError("HTTP 401: no key", "denied"), "nothing can be asked: HTTP 401: no key", 3),
        (ChatError("slow down", "busy", 0.01), r"no reply for 0.5 s: slow down; the same command resumes", 10**6),
        (ChatError("too long", "refused"), r"10 requests in a row were refused; the last: too long", 12),
        (ValueError("a fault of the model"), "a fault of the model", 4),
    ],
)
def test_where_nothing_can_be_asked_everything_stops(
    task: Task, folder: EvaluationFolder, error: Exception, told: str, most: int
) -> None:
    model = Model(lambda _: error)
    with pytest.raises((RunError, ValueError), match=told):
        evaluate(task, model, folder, patience=HASTE)  # type: ignore[arg-type]
    assert 1 <= len(model.asked) <= most
    assert not folder.scores.exists()


def test_an_image_that_cannot_be_read_is_a_question_without_an_answer(
    task: Task, folder: EvaluationFolder, tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    Image.new("RGB", (3, 2), "red").save(tmp_path / "red.png")
    shown = (
        question(0, picture=Picture(name="broken.png", file=tmp_path / "broken.png")),
        question(1, picture=Picture(name="red.png", file=tmp_path / "red.png")),
        question(2, picture=Picture(name="a.png", content=(tmp_path / "red.png").read_bytes)),
    )
    colours: list[object] = []

    def look(request: ChatRequest) -> str:
        colours.append(request.images[0].getpixel((0, 0)))
        return right(request)

    with pytest.raises(RunError, match=r"question 'q0': image 'broken.png': cannot be read(.|\n)*1 of 3 questions"):
        evaluate(evolve(task, questions=shown), Model(look), folder)  # type: ignore[arg-type]
    assert colours == [(255, 0, 0)] * 2


def test_answers_of_another_model_protocol_or_benchmark_are_refused(task: Task, folder: EvaluationFolder) -> None:
    evaluate(task, Model(right), folder)  # type: ignore[arg-type]
    longer = evolve(task, protocol=evolve(task.protocol, max_new_tokens=5))
    fewer = evolve(task, questions=task.questions[:9])
    for other, model, told in (
        (task, Model(right, "two"), r"model.identity was 'one' and is 'two'"),
        (longer, Model(right), r"protocol.max_new_tokens was 4 and is 5"),
        (fewer, Model(right), r"protocol.questions.count was 10 and is 9"),
    ):
        with pytest.raises(RunError, match=f"begun.json: was begun with another model or protocol: .*{told}"):
            evaluate(other, model, folder)  # type: ignore[arg-type]


def test_answers_that_were_edited_are_refused(task: Task, folder: EvaluationFolder) -> None:
    evaluate(task, Model(right), folder)  # type: ignore[arg-type]
    text = folder.predictions.read_text()
    folder.predictions.write_text(text.replace('"prediction": "3"', '"prediction": "4"'))
    with pytest.raises(DataError, match=r"predictions.jsonl: was changed since it was scored"):
        evaluate(task, Model(right), folder)  # type: ignore[arg-type]
    folder.scores.unlink()
    for edited, told in (
        (text.replace('"id": "q3"', '"id": "q30"'), "line 4: 'q30' is no question of this benchmark"),
        (text.replace('"id": "q3"', '"id": "q2"'), "line 4: 'q2' was asked with another prompt"),
        (text + text.splitlines()[0] + "\n", "line 11: 'q0' is answered twice"),
        (text.replace('{"id": "q3"', "<html>"), "line 4: is no answer"),
    ):
        folder.predictions.write_text(edited)
        with pytest.raises(DataError, match=told):
            evaluate(task, Model(right), folder)  # type: ignore[arg-type]
    (folder.path / "begun.json").unlink()
    with pytest.raises(RunError, match=r"begun.json: is missing, so nothing says whose answers are there"):
        evaluate(task, Model(right), folder)  # type: ignore[arg-type]


def test_shares_are_scored_together_in_the_order_of_the_questions(task: Task, tmp_path: Path) -> None:
    whole, shared = EvaluationFolder(tmp_path / "whole"), EvaluationFolder(tmp_path / "shared")
    evaluate(task, Model(right), whole)  # type: ignore[arg-type]
    begin(task, Model(right), shared)  # type: ignore[arg-type]
    asked: list[str] = []
    for place in (2, 1, 3):
        with pytest.raises(RunError, match="questions have no answer"):
            score(task, Model(right), shared)  # type: ignore[arg-type]
        model = Model(right)
        answer(task, model, shared, share=Share(process=place, processes=3))  # type: ignore[arg-type]
        assert len(model.asked) in {3, 4}
        asked += model.asked
    assert sorted(asked) == sorted(task.prompts.values())
    assert score(task, Model(right), shared)["count"] == 10  # type: ignore[arg-type]
    assert shared.predictions.read_bytes() == whole.predictions.read_bytes()
    assert sorted(path.name for path in shared.path.iterdir()) == ["begun.json", "predictions.jsonl", "scores.json"]


def test_answers_that_hold_nothing_were_cut_or_refused_are_counted(task: Task, folder: EvaluationFolder) -> None:
    odd: Mapping[str, ChatReply] = {
        "What is 0?": ChatReply(text=" "),
        "What is 3?": ChatReply(text="3", finish="length"),
        "What is 6?": ChatReply(text="I will not.", finish="refused"),
    }
    scores = evaluate(task, Model(lambda request: odd.get(request.question, right(request))), folder)  # type: ignore[arg-type]
    assert (scores["unparsed"], scores["cut"], scores["refused"]) == (1, 1, 1)
    assert [line["unparsed"] for line in lines(folder)] == [place == 0 for place in range(10)]


def test_a_model_without_eyes_is_not_shown_images(task: Task, folder: EvaluationFolder) -> None:
    blind = Model(right)
    blind.sees = False
    shown = evolve(task, questions=(question(0, picture=Picture(name="a.png", content=bytes)),))
    with pytest.raises(RequestError, match="model 'made-up': takes no images, and benchmark 'numbers' shows some"):
        evaluate(shown, blind, folder)  # type: ignore[arg-type]
    assert evaluate(task, blind, folder)["count"] == 10  # type: ignore[arg-type]


@pytest.fixture
def judged(task: Task, engine: Engine) -> Task:
    """The ten questions, judged by grades."""
    protocol = evolve(task.protocol, metric="judge", judge="Grade {prediction} for {question}; true: {answers}.")
    return evolve(task, protocol=protocol, metric=engine.part("metrics", "judge", ["form=grade"]))


def test_a_judge_grades_and_what_it_refuses_or_garbles_enters_no_mean(judged: Task, folder: EvaluationFolder) -> None:
    def grade(request: ChatRequest) -> ChatReply:
        if "Grade 1 " in request.question:
            return ChatReply(text="I cannot.", finish="refused")
        garbled = "Grade 2 " in request.question
        return ChatReply(text="well done" if garbled else "0.5 because")

    judge = Model(grade, "judge")
    scores = evaluate(judged, Model(right), folder, judge=judge)  # type: ignore[arg-type]
    assert "Grade 3 for What is 3?; true: 3." in judge.asked
    assert scores["summary"] == {"count": 10, "refused": 1, "unreadable": 1, "score": 50.0}
    assert (scores["unparsed"], scores["reviews_refused"], scores["refused"]) == (1, 1, 0)
    assert scores["model"]["judge"] == "judge"
    held = lines(folder)[:4]
    assert [line["review"] for line in held] == ["0.5 because", "", "well done", "0.5 because"]
    assert [line["review_finish"] for line in held] == ["stop", "refused", "stop", "stop"]
    assert [line["unparsed"] for line in held] == [False, False, True, False]


def test_a_judge_that_fails_is_resumed_without_asking_the_model_again(judged: Task, folder: EvaluationFolder) -> None:
    fails = Model(lambda request: ChatError("no") if "Grade 3 " in request.question else "1.0", "judge")
    with pytest.raises(RunError, match=r"question 'q3': no\n1 of 10 questions have no review, so nothing is scored"):
        evaluate(judged, Model(right), folder, judge=fails, patience=HASTE)  # type: ignore[arg-type]
    model, judge = Model(right), Model(lambda _: "1.0", "judge")
    assert evaluate(judged, model, folder, judge=judge)["summary"]["score"] == 100.0  # type: ignore[arg-type]
    assert (model.asked, judge.asked) == ([], ["Grade 3 for What is 3?; true: 3."])


def test_a_protocol_with_a_judge_needs_one(judged: Task, folder: EvaluationFolder) -> None:
    with pytest.raises(RequestError, match="benchmark 'numbers': protocol 'plain' needs a judge; name it by --judge"):
        evaluate(judged, Model(right), folder)  # type: ignore[arg-type]
