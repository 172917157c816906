"""Scored predictions: what is read, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from remgcl import DataError
from remgcl.cli import score
from remgcl.core.evaluation.scored import read_scored

Evaluation: TypeAlias = Callable[..., Path]


def test_an_evaluation_has_its_model_protocol_questions_and_scores(evaluation: Evaluation, tmp_path: Path) -> None:
    (found,) = read_scored(evaluation(tmp_path / "a", [1.0, 0.0]))
    assert (found.model, found.title, found.headline) == ("a", "signs:plain", 0.5)
    assert [(item.id, item.score, item.prediction, item.answers) for item in found.items] == [
        ("q0", 1.0, "0", ["0"]),
        ("q1", 0.0, "no idea", ["1"]),
    ]
    assert [(item.type, item.image) for item in found.items] == [("document", "0.png"), ("scene", "0.png")]


def test_a_folder_of_several_is_read_whole(evaluation: Evaluation, tmp_path: Path) -> None:
    for name in ("signs", "menus"):
        evaluation(tmp_path / "a" / f"{name}-plain", [1.0], model="a", benchmark=name)
    assert [each.title for each in read_scored(tmp_path / "a")] == ["menus:plain", "signs:plain"]


def test_what_remgcl_score_wrote_is_read_with_its_predictions(tmp_path: Path) -> None:
    lines = [
        {"id": 3, "question": "?", "prediction": "A", "answers": "a"},
        {"id": 4, "prediction": "b", "answers": ["c"]},
    ]
    (tmp_path / "p.json").write_text(json.dumps(lines))
    (tmp_path / "out").mkdir()
    score.score("exact", tmp_path / "p.json", out=tmp_path / "out" / "s.json")
    (found,) = read_scored(tmp_path / "out" / "s.json")
    assert [(item.id, item.score) for item in found.items] == [("3", 1.0), ("4", 0.0)]
    assert found.protocol["metric"]["use"] == "exact"
    assert found.predictions.resolve() == (tmp_path / "p.json").resolve()


def test_ids_that_stand_twice_are_replaced_by_places(evaluation: Evaluation, tmp_path: Path) -> None:
    (found,) = read_scored(evaluation(tmp_path / "a", [1.0, 0.0], fields=[{"id": "same"}] * 2))
    assert [item.id for item in found.items] == ["item 0", "item 1"]


def test_multimodalocrs_answer_is_the_prediction(evaluation: Evaluation, tmp_path: Path) -> None:
    fields = {"answer": "it is KFC", "gt_answers": ["kfc"]}
    (found,) = read_scored(evaluation(tmp_path / "a", [1.0], fields=[fields]))
    assert found.items[0].prediction == "it is KFC"


def test_predictions_that_were_edited_are_refused(evaluation: Evaluation, tmp_path: Path) -> None:
    file = evaluation(tmp_path / "a", [1.0, 0.0]) / "predictions.jsonl"
    file.write_text(file.read_text().replace("no idea", "1"))
    with pytest.raises(DataError, match=r"predictions\.jsonl: was changed since it was scored: .* score it again"):
        read_scored(tmp_path)


def test_an_evaluation_that_is_not_finished_is_refused(evaluation: Evaluation, tmp_path: Path) -> None:
    evaluation(tmp_path / "whole", [1.0])
    (evaluation(tmp_path / "begun", [1.0]) / "scores.json").unlink()
    with pytest.raises(DataError, match=r"begun: the evaluation is not finished: there is no scores\.json"):
        read_scored(tmp_path)


def test_fewer_predictions_than_questions_are_refused(evaluation: Evaluation, tmp_path: Path) -> None:
    file = evaluation(tmp_path / "a", [1.0, 0.0]) / "scores.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"count": 3}))
    with pytest.raises(DataError, match="is partial: it holds 2 of 3 predictions"):
        read_scored(tmp_path)


def test_predictions_that_are_gone_are_named(evaluation: Evaluation, tmp_path: Path) -> None:
    (evaluation(tmp_path / "a", [1.0]) / "predictions.jsonl").unlink()
    with pytest.raises(DataError, match=r"scores\.json: predictions: there is no file '.*predictions\.jsonl'"):
        read_scored(tmp_path)


def test_a_file_that_does_not_say_what_was_scored_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"rule": "exact", "items": [], "summary": {}}')
    with pytest.raises(DataError, match="predictions: is missing, so nothing says what was scored"):
        read_scored(tmp_path / "s.json")


@pytest.mark.parametrize(("name", "told"), [("none", "does not exist"), ("", r"holds no scores\.json")])
def test_a_path_without_scores_is_refused(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_scored(tmp_path / name)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"summary": [1]}, r"summary: must be an object; it is \[1\]"),
        ({"model": "a"}, "model: must be an object; it is 'a'"),
        ({"protocol": 3}, "protocol: must be an object; it is 3"),
    ],
)
def test_scores_of_another_form_are_named(
    evaluation: Evaluation, tmp_path: Path, changed: dict[str, object], told: str
) -> None:
    file = evaluation(tmp_path / "a", [1.0]) / "scores.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    with pytest.raises(DataError, match=rf"scores\.json: {told}"):
        read_scored(tmp_path)


def test_items_of_another_form_are_named(evaluation: Evaluation, tmp_path: Path) -> None:
    file = evaluation(tmp_path / "a", [1.0]) / "scores.json"
    held = json.loads(file.read_text())
    file.write_text(json.dumps({"rule": "exact", "predictions": held["predictions"]}))
    with pytest.raises(DataError, match=r"items: must be a list of objects, as remgcl score --out writes it"):
        read_scored(file)


def test_a_score_that_is_nan_is_no_score(evaluation: Evaluation, tmp_path: Path) -> None:
    (found,) = read_scored(evaluation(tmp_path / "a", [1.0, float("nan")], headline=1.0))
    assert [item.score for item in found.items] == [1.0, None]
