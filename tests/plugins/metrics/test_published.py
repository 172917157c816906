"""Every rule gives the score that the published scorer gave, recorded case by case."""

import json
from pathlib import Path
from typing import Any

import pytest

from remgcl import Engine
from remgcl.core.evaluation.score import score_answers, score_file

HERE = Path(__file__).parents[2] / "data" / "scorers"

CASES = [
    ("anls.json", "anls", "score"),
    ("anls.json", "anls-m4c", "score_stvqa"),
    ("textvqa.json", "vqa-evalai", "score"),
    ("vqav2.json", "vqa-official", "score"),
    ("chartqa.json", "relaxed", "score"),
    ("llavar.json", "multimodalocr-2023", "score"),
    ("llavar.json", "ocrbench", "score_containment"),
    ("ocrbench.json", "ocrbench", "score"),
    ("ocrbench_v2.json", "ocrbench-v2", "score"),
    ("ocrvqa.json", "exact", "score"),
    ("gqa.json", "gqa", "score"),
    ("mme_answers.json", "mme", "score"),
    ("pope_answers.json", "pope", "score"),
    ("llava_bench.json", "judge", "score"),
]


@pytest.fixture(params=["own", "shared"])
def folder(request: pytest.FixtureRequest) -> Path:
    """The cases kept with the tests, and all that were recorded."""
    if request.param == "own":
        return HERE
    shared: Path = request.getfixturevalue("shared")
    return shared / "golden" / "scorers"


def read(file: Path) -> Any:  # noqa: ANN401 - whatever was recorded
    """Read recorded cases."""
    return json.loads(file.read_text(encoding="utf-8"))


def scored(engine: Engine, rule: str, items: list[Any], tmp_path: Path) -> dict[str, Any]:
    """Score items as the command does."""
    file = tmp_path / "predictions.json"
    file.write_text(json.dumps(items), encoding="utf-8")
    return score_file(rule, engine.part("metrics", rule), file)


@pytest.mark.parametrize("case", CASES, ids=[f"{rule}-{key}" for _, rule, key in CASES])
def test_every_case_is_exact(case: tuple[str, str, str], folder: Path, engine: Engine, tmp_path: Path) -> None:
    file, rule, key = case
    cases = read(folder / file)
    due = [0.0 if isinstance(each[key], dict) else each[key] for each in cases]  # where the published code raises
    items = [{name: value for name, value in each.items() if not name.startswith("score")} for each in cases]
    assert [item["score"] for item in scored(engine, rule, items, tmp_path)["items"]] == due


def test_the_tasks_of_mme_are_exact(shared: Path, engine: Engine, tmp_path: Path) -> None:
    for case in read(shared / "golden" / "scorers" / "mme_sets.json"):
        summary = scored(engine, "mme", case["rows"], tmp_path)["summary"]
        assert {name: summary[name] for name in ("tasks", "perception", "cognition")} == {
            name: case[name] for name in ("tasks", "perception", "cognition")
        }


def test_the_published_answers_have_the_published_score_of_mme(folder: Path, engine: Engine, tmp_path: Path) -> None:
    case = read(folder / "mme_ocr_published.json")
    summary = scored(engine, "mme", case["rows"], tmp_path)["summary"]
    assert (summary["acc"], summary["acc_plus"], summary["score"]) == (50.0, 0.0, 50.0)
    assert {name: summary[name] for name in ("acc", "acc_plus", "score")} == {
        name: case[name] for name in ("acc", "acc_plus", "score")
    }


def test_the_measures_of_pope_are_exact(folder: Path, engine: Engine, tmp_path: Path) -> None:
    for case in read(folder / "pope_sets.json"):
        pairs = zip(case["predictions"], case["labels"], strict=True)
        summary = scored(engine, "pope", [{"prediction": p, "label": t} for p, t in pairs], tmp_path)["summary"]
        assert {name: summary[name] for name in case["metrics"]} == case["metrics"]
        assert summary["score"] == case["metrics"]["f1"]


def test_the_totals_of_ocrbench_are_exact(shared: Path, engine: Engine, tmp_path: Path) -> None:
    case = read(shared / "golden" / "scorers" / "ocrbench_totals.json")
    summary = scored(engine, "ocrbench", case["items"], tmp_path)["summary"]
    assert {name: summary[name] for name in ("by_type", "text_recognition", "final")} == {
        name: case[name] for name in ("by_type", "text_recognition", "final")
    }
    assert "final" not in scored(engine, "ocrbench", case["items"][:999], tmp_path)["summary"]


def test_one_file_has_another_score_by_each_rule(shared: Path, engine: Engine) -> None:
    file = shared / "golden" / "llavar_docvqa_predictions.json"
    percent = {
        rule: score_file(rule, engine.part("metrics", rule), file)["summary"]["percent"]
        for rule in ("ocrbench", "multimodalocr-2023", "anls")
    }
    assert {rule: round(value, 2) for rule, value in percent.items()} == {
        "ocrbench": 12.94,
        "multimodalocr-2023": 11.57,
        "anls": 1.32,
    }


def test_a_review_that_cannot_be_read_enters_no_mean(engine: Engine, tmp_path: Path) -> None:
    reviews = [{"review": text} for text in ("8 4\nwell", "I cannot judge this.", "inf 1", "10,6")]
    summary = scored(engine, "judge", reviews, tmp_path)["summary"]
    assert (summary["count"], summary["unreadable"]) == (4, 2)
    assert summary["score"] == 100 * 5 / 9


def test_reviews_that_a_judge_refuses_have_their_own_count_and_enter_no_mean(engine: Engine, tmp_path: Path) -> None:
    refused = [{"review": text, "review_finish": "refused"} for text in ("", "10 10")]
    reviews = [{"review": "8 4", "review_finish": "stop"}, {"review": "well"}, *refused]
    summary = scored(engine, "judge", reviews, tmp_path)["summary"]
    assert summary == {"count": 4, "refused": 2, "unreadable": 1, "score": 50.0, "reference": 8.0, "model": 4.0}


def test_images_of_mme_are_joined_by_name_in_any_order(engine: Engine) -> None:
    from remgcl import Answer, DataError

    def row(image: str, prediction: str) -> Answer:
        return Answer(prediction=prediction, fields={"answer": "Yes", "image": image, "category": "OCR"})

    metric = engine.part("metrics", "mme")
    shuffled = [row("a", "yes"), row("b", "yes"), row("b", "no"), row("a", "Yes.")]
    assert score_answers("mme", metric, shuffled)["summary"]["tasks"] == {"OCR": 125.0}
    with pytest.raises(DataError, match="task 'OCR': image 'b': must have two questions; there are 1"):
        score_answers("mme", metric, [row("a", "yes"), row("b", "yes"), row("a", "no")])
