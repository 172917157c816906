"""The files of a comparison."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from PIL import Image

from remgcl import Engine, Picture
from remgcl.core.evaluation.comparison import report as module
from remgcl.core.evaluation.comparison.compare import Comparison, compare
from remgcl.core.evaluation.comparison.report import write_comparison
from remgcl.core.evaluation.view.images import Frame

Evaluation: TypeAlias = Callable[..., Path]

BAD = "</script><script>alert(1)</script> | *no* ☃"


@pytest.fixture
def comparison(evaluation: Evaluation, engine: Engine, tmp_path: Path) -> Comparison:
    """Two models on four questions, of which two changed; a reply is dangerous."""
    one = evaluation(tmp_path / "a", [1.0, 0.0, 1.0, 0.0])
    other = evaluation(tmp_path / "b_&_c", [1.0, 1.0, 0.0, 0.0], fields=[{}, {}, {"prediction": BAD}, {}])
    return compare([one, other], lambda use, _: engine.part("metrics", use), draws=200)


@pytest.fixture
def written(comparison: Comparison, tmp_path: Path) -> Path:
    """The folder of their report; the image of the first changed question is there, that of the second is broken."""
    Image.new("RGB", (64, 32), "red").save(tmp_path / "0.png")
    (tmp_path / "1.png").write_text("no image")
    folder = tmp_path / "report"

    def find(scored: object) -> dict[str, Picture]:
        del scored
        return {f"q{place}": Picture(name="x", file=tmp_path / f"{place // 2}.png") for place in range(4)}

    report = write_comparison(comparison, folder, find, frame=Frame(page=folder / "comparison.html"))
    assert [file.name for file in report.files] == [
        "comparison.html",
        "comparison.md",
        "comparison.tex",
        "scores.csv",
        "questions.csv",
    ]
    assert list(report.missing) == [str(tmp_path / "1.png")]
    return folder


def test_the_page_holds_tables_and_the_questions_that_changed(written: Path) -> None:
    text = (written / "comparison.html").read_text()
    assert text.count("<table>") == 1
    assert "alert(1)" in text
    assert "<script>alert(1)" not in text
    data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    assert [(card["id"], card["image"], card["tags"]) for card in data["cards"]] == [
        ("q1", 0, ["b_&_c is better"]),
        ("q2", -1, ["b_&_c is worse"]),
    ]
    assert [reply["text"] for reply in data["cards"][1]["replies"]] == ["2", BAD]
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//", text)


def test_markdown_shows_changed_questions_with_pictures_and_texts_as_they_are(written: Path) -> None:
    text = (written / "comparison.md").read_text()
    assert "## signs:plain: 2 questions changed" in text
    assert "* **q1** What is 1?" in text
    (picture,) = re.findall(r"!\[0\.png\]\((.*)\)", text)
    with Image.open(written / picture) as image:
        assert image.size == (64, 32)
    assert r"b\_\&\_c (0): \</script\>\<script\>alert(1)\</script\> \| \*no\* ☃" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({row.replace("\\|", "").count("|") for row in rows}) == 1


def test_latex_holds_the_tables_with_names_escaped(written: Path) -> None:
    text = (written / "comparison.tex").read_text()
    assert r"b\_\&\_c & 50.0 [" in text.replace("{[}", "[")
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1


def test_csv_holds_full_precision_and_every_changed_question(written: Path) -> None:
    scores = list(csv.DictReader((written / "scores.csv").read_text().splitlines()))
    assert [(row["model"], row["score"], row["better"], row["worse"], row["p"]) for row in scores] == [
        ("a", "0.5", "", "", ""),
        ("b_&_c", "0.5", "1", "1", "1.0"),
    ]
    questions = list(csv.DictReader(io.StringIO((written / "questions.csv").read_text())))
    assert [(row["id"], row["score a"], row["score b_&_c"]) for row in questions] == [
        ("q1", "0.0", "1.0"),
        ("q2", "1.0", "0.0"),
    ]
    assert questions[1]["reply b_&_c"] == BAD


def test_markdown_is_short_and_says_where_the_rest_is(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    write_comparison(comparison, tmp_path / "r", lambda _: {}, frame=Frame(page=tmp_path / "r" / "comparison.html"))
    text = (tmp_path / "r" / "comparison.md").read_text()
    assert "The first 1 of them; `comparison.html` and `questions.csv` hold all." in text
    assert "**q1**" in text
    assert "**q2**" not in text


def test_models_without_a_changed_question_have_a_page_that_says_so(
    evaluation: Evaluation, engine: Engine, tmp_path: Path
) -> None:
    paths = [evaluation(tmp_path / name, [1.0, 0.0]) for name in "ab"]
    same = compare(paths, lambda use, _: engine.part("metrics", use), draws=100)
    write_comparison(same, tmp_path / "r", lambda _: {}, frame=Frame(page=tmp_path / "r" / "comparison.html"))
    assert "No question has two different scores." in (tmp_path / "r" / "comparison.html").read_text()
