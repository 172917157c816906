"""Files of predictions: their forms, and what is said of what cannot be scored."""

import json
from pathlib import Path

import pytest

from remgcl import DataError, Engine
from remgcl.core.evaluation.predictions import PredictionsError
from remgcl.core.evaluation.score import score_file


def scores(engine: Engine, file: Path, rule: str = "exact") -> list[object]:
    """Score a file."""
    return [item["score"] for item in score_file(rule, engine.part("metrics", rule), file)["items"]]


def test_a_list_and_lines_are_read_alike(engine: Engine, tmp_path: Path) -> None:
    items = [{"prediction": "Stop", "answers": ["stop"]}, {"prediction": "go", "answers": "stop\u2028"}]
    (tmp_path / "list.json").write_text(json.dumps(items))
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in items))
    assert scores(engine, tmp_path / "list.json") == scores(engine, tmp_path / "lines.jsonl") == [1.0, 0.0]


def test_the_fields_of_multimodalocr_are_read(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "docvqa.json"
    file.write_text('[{"question": "?", "answer": "it is KFC", "gt_answers": ["kfc"]}]')
    assert scores(engine, file, "ocrbench") == [1.0]


def test_all_items_at_fault_are_named_with_their_fields(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text(
        '[{"answers": ["a"]}, {"prediction": 3, "answers": ["a"]}, 7, {"prediction": "a"}, '
        '{"prediction": "a", "answers": [5]}]'
    )
    with pytest.raises(PredictionsError) as caught:
        scores(engine, file)
    assert str(caught.value).splitlines() == [
        f"{file}: item 0: prediction: is missing",
        f"{file}: item 1: prediction: must be a text; it is 3",
        f"{file}: item 2: must be an object; it is 7",
        f"{file}: item 3: answers: is missing; the rule needs a text or a list of texts",
        f"{file}: item 4: answers: must be a text or a list of texts; among them is 5",
    ]


def test_nine_answers_are_not_ten(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "nine.jsonl"
    file.write_text(json.dumps({"prediction": "a", "answers": ["a"] * 9}) + "\n")
    with pytest.raises(PredictionsError, match=r"nine\.jsonl: line 1: answers: must be 10 texts; there are 9"):
        scores(engine, file, "vqa-evalai")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no prediction"),
        ("[1,", "is no JSON"),
        ("<html>", "line 1: is no JSON"),
        ("[]", "holds no prediction"),
    ],
)
def test_a_file_without_predictions_is_refused(text: str, told: str, engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    with pytest.raises(DataError, match=f"file.json: {told}"):
        scores(engine, file)


def test_an_unknown_rule_offers_the_nearest(engine: Engine) -> None:
    with pytest.raises(Exception, match=r"metric\.use: .*did you mean 'ocrbench'"):
        engine.part("metrics", "ocrbensh")


def test_a_type_of_ocrbench_without_a_rule_is_refused(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "v2.json"
    file.write_text('[{"prediction": "a", "answers": ["a"], "question_type": "text spotting en"}]')
    with pytest.raises(PredictionsError, match="item 0: question_type: 'text spotting en' has no rule here"):
        scores(engine, file, "ocrbench-v2")
