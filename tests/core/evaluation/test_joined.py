"""Answers made elsewhere, joined with the questions of a benchmark: TextVQA as LLaVA's scorer joins it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from remgcl import DataError
from remgcl.cli import app
from remgcl.plugins.benchmarks.textvqa import question_in

Score = Callable[[list[Any], list[Any]], dict[str, Any]]


@pytest.fixture
def score(tmp_path: Path) -> Score:
    """Score results against annotations by the command; what it prints, or the error."""

    def run(annotations: list[Any], results: list[Any]) -> dict[str, Any]:
        (tmp_path / "TextVQA_0.5.1_val.json").write_text(json.dumps({"data": annotations}))
        (tmp_path / "answers.jsonl").write_text("".join(json.dumps(each) + "\n" for each in results))
        file = str(tmp_path / "answers.jsonl")
        ended = CliRunner().invoke(
            app, ["score", "vqa-evalai", file, "--benchmark", "textvqa", "--data", str(tmp_path)]
        )
        if ended.exception is not None:
            raise ended.exception
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    return run


def row(number: int, question: str) -> dict[str, Any]:
    """Make an annotation."""
    answers = ["kfc"] * 10
    return {"question": question, "question_id": number, "image_id": "i1", "answers": answers, "set_name": "val"}


def said(question: str, text: str = "KFC") -> dict[str, Any]:
    """Make an answer as LLaVA writes it: its question_id is the image."""
    suffix = "\nAnswer the question using a single word or phrase."
    return {"question_id": "i1", "prompt": f"{question}{suffix}", "text": text}


def test_answers_of_one_image_are_told_apart_by_their_questions(score: Score) -> None:
    report = score([row(1, "Which BRAND?"), row(2, "Who?")], [said("Who?", "no"), said("which brand?")])
    assert [item["score"] for item in report["items"]] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ([said("Who?")], "1 of 2 questions have no answer, and a part is not scored, such as 'i1 which brand"),
        ([said("Who?")] * 2 + [said("Which brand?")], "1 of 2 questions are answered more than once"),
        ([said("Who?"), said("Which brand?"), said("Why?")], "1 of 2 answers are to no question of the benchmark"),
        ([{"question_id": "i1", "prompt": "Who?", "text": "a"}], "line 1: prompt: is of no form that holds a question"),
        (
            [{"question_id": "i1", "prompt": "Who?"}],
            "line 1: is no answer; an object with 'prediction' or 'text' is due",
        ),
    ],
)
def test_a_file_of_other_answers_is_refused(results: list[Any], told: str, score: Score) -> None:
    with pytest.raises(DataError, match=told):
        score([row(1, "Which BRAND?"), row(2, "Who?")], results)


def test_the_question_is_found_in_every_recorded_prompt(shared: Path) -> None:
    for case in json.loads((shared / "golden" / "scorers" / "textvqa_prompts.json").read_text("utf-8")):
        if case["raises"]:
            with pytest.raises(DataError, match="prompt: is of no form"):
                question_in(case["prompt"])
        else:
            assert question_in(case["prompt"]) == case["question"]


def test_whole_files_have_the_recorded_accuracy_and_others_are_refused(shared: Path, score: Score) -> None:
    cases = json.loads((shared / "golden" / "scorers" / "textvqa_files.json").read_text("utf-8"))
    whole = [case for case in cases if case["samples"] == len(case["annotations"])]
    assert len(whole) == 4
    for case in whole:
        summary = score(case["annotations"], case["results"])["summary"]
        assert (summary["count"], round(summary["percent"], 2)) == (case["samples"], case["accuracy_percent"])
    for case in (case for case in cases if case not in whole):
        with pytest.raises(DataError, match=r"questions (have no answer|are answered more than once)"):
            score(case["annotations"], case["results"])
