"""The page of an evaluation: what it reads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from remgcl import DataError
from remgcl.core.evaluation.view.images import Frame
from remgcl.core.evaluation.view.view import read_predictions_to_view, view

Evaluation: TypeAlias = Callable[..., Path]


def test_a_folder_its_scores_and_its_predictions_lead_to_the_same(evaluation: Evaluation, tmp_path: Path) -> None:
    folder = evaluation(tmp_path / "a", [1.0, 0.0])
    found = [read_predictions_to_view(path) for path in (folder, folder / "scores.json", folder / "predictions.jsonl")]
    assert {(each.title, each.headline, len(each.items)) for (each,) in found} == {("signs:plain", 0.5, 2)}


def test_edited_predictions_are_not_shown_with_the_old_scores(evaluation: Evaluation, tmp_path: Path) -> None:
    file = evaluation(tmp_path / "a", [1.0]) / "predictions.jsonl"
    file.write_text(file.read_text() + "\n")
    with pytest.raises(DataError, match="was changed since it was scored"):
        read_predictions_to_view(file)


def test_predictions_that_were_never_scored_are_shown_and_said_to_be_so(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    file.write_text(json.dumps([{"question_id": 1, "question": "Read.", "predict": "KFC", "answers": "kfc"}]))
    (found,) = read_predictions_to_view(file)
    text, missing = view([found], lambda _: {}, Frame(page=tmp_path / "page.html"))
    assert "p.json: 1 predictions, not scored by remgcl eval." in text
    assert '"text":"KFC"' in text
    assert missing == {}


@pytest.mark.parametrize(
    ("text", "told"), [("", "holds no prediction"), ("[1]", "item 0 is no object"), ("{", "is no file of predictions")]
)
def test_a_file_that_holds_no_predictions_is_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "p.jsonl").write_text(text)
    with pytest.raises(DataError, match=rf"p\.jsonl: .*{told}"):
        read_predictions_to_view(tmp_path / "p.jsonl")
    with pytest.raises(DataError, match="does not exist"):
        read_predictions_to_view(tmp_path / "none.jsonl")
