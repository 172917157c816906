"""Models side by side."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from remgcl import DataError, Engine
from remgcl.core.evaluation.comparison.compare import compare
from remgcl.core.evaluation.comparison.tables import method_of, tables_of

Evaluation: TypeAlias = Callable[..., Path]
Find: TypeAlias = Callable[[str, Mapping[str, Any]], Any]


@pytest.fixture
def find(engine: Engine) -> Find:
    """Finds rules."""
    return lambda use, _: engine.part("metrics", use)


def test_differences_are_paired_and_tested(evaluation: Evaluation, find: Find, tmp_path: Path) -> None:
    one = [1.0] * 60 + [0.0] * 40
    other = [1.0] * 55 + [0.0] * 5 + [1.0] * 20 + [0.0] * 20
    comparison = compare([evaluation(tmp_path / "a", one), evaluation(tmp_path / "b", other)], find)
    (column,) = comparison.columns
    first, second = column.entrants
    assert (comparison.labels, first.against, column.factor) == (("a", "b"), None, 100)
    against = second.against
    assert against is not None
    assert against.difference == pytest.approx(0.15)
    assert (against.better, against.worse) == (20, 5)
    assert against.p == pytest.approx(0.00408, abs=1e-5)
    assert against.distinguishable
    assert against.interval is not None
    assert first.interval is not None
    assert against.interval[1] - against.interval[0] < first.interval[1] - first.interval[0] + 0.02
    assert column.changed == [*range(55, 60), *range(60, 80)]


def test_scores_between_0_and_1_have_no_test(evaluation: Evaluation, find: Find, tmp_path: Path) -> None:
    paths = [evaluation(tmp_path / name, scores) for name, scores in (("a", [0.3, 0.6]), ("b", [0.3, 1.0]))]
    against = compare(paths, find).columns[0].entrants[1].against
    assert against is not None
    assert (against.p, against.better, against.worse) == (None, 1, 0)


def test_equal_answers_differ_by_nothing(evaluation: Evaluation, find: Find, tmp_path: Path) -> None:
    paths = [evaluation(tmp_path / name, [1.0, 0.0, 1.0]) for name in "ab"]
    column = compare(paths, find).columns[0]
    against = column.entrants[1].against
    assert against is not None
    assert (against.difference, against.interval, against.p, against.distinguishable) == (0, (0, 0), 1, False)
    assert column.changed == []


def mme(evaluation: Evaluation, folder: Path, right: Callable[[int], bool], *, images: bool = True) -> Path:
    """Write an evaluation by the rule of MME: 20 images of two tasks, with two questions each."""
    fields = [
        {
            "prediction": "Yes" if right(place) == (place % 2 == 0) else "No",
            "answer": "Yes" if place % 2 == 0 else "No",
            "category": "OCR" if place < 20 else "count",
            "image": f"{place // 2}.png" if images else None,
            "type": "OCR" if place < 20 else "count",
        }
        for place in range(40)
    ]
    scores = [float(right(place)) for place in range(40)]
    acc = [sum(scores[start : start + 20]) / 20 for start in (0, 20)]
    plus = [sum(scores[at] * scores[at + 1] for at in range(start, start + 20, 2)) / 10 for start in (0, 20)]
    headline = 100 * (sum(acc) + sum(plus))
    rule = {"use": "mme", "settings": {}}
    return evaluation(folder, scores, fields=fields, headline=headline, benchmark="mme", metric=rule)


def test_a_score_that_is_no_mean_is_summed_up_by_its_rule_in_every_draw(
    evaluation: Evaluation, find: Find, tmp_path: Path
) -> None:
    paths = [
        mme(evaluation, tmp_path / "a", lambda place: place % 3 > 0),
        mme(evaluation, tmp_path / "b", lambda _: True),
    ]
    comparison = compare(paths, find, draws=200)
    (column,) = comparison.columns
    assert not column.mean
    first, second = column.entrants
    assert first.interval is not None
    assert first.scored is not None
    assert first.scored.headline is not None
    assert first.interval[0] < first.scored.headline < first.interval[1]
    assert second.interval == (400, 400)
    assert second.against is not None
    assert second.against.distinguishable
    (table,) = tables_of(comparison)
    assert table.heads[1] == "score [95 %]"
    assert any("no mean of questions: images are drawn" in told for told in method_of(comparison))


def test_without_images_such_a_score_has_no_interval_and_the_notes_say_so(
    evaluation: Evaluation, find: Find, tmp_path: Path
) -> None:
    paths = [mme(evaluation, tmp_path / name, lambda place: place % 3 > 0, images=False) for name in "ab"]
    comparison = compare(paths, find, draws=200)
    assert [entrant.interval for entrant in comparison.columns[0].entrants] == [None, None]
    assert any("questions do not say their image" in told for told in method_of(comparison))


@pytest.mark.parametrize(
    ("places", "labels"),
    [
        (("x", "y"), ("x", "y")),
        (("x/signs", "y/signs"), ("x", "y")),
        (("cells/losses=none/seed-0", "cells/losses=all/seed-0"), ("losses=none", "losses=all")),
        (("a/b/signs", "a/c"), ("b/signs", "c")),
    ],
)
def test_models_of_one_name_are_called_by_what_tells_their_paths_apart(
    evaluation: Evaluation, find: Find, tmp_path: Path, places: tuple[str, ...], labels: tuple[str, ...]
) -> None:
    paths = [evaluation(tmp_path / place, [1.0, 0.0], model="same") for place in places]
    assert compare(paths, find).labels == labels


def test_a_run_is_called_by_its_path_and_another_model_by_its_name(
    evaluation: Evaluation, find: Find, tmp_path: Path
) -> None:
    names = {"x": "org/one", "y": "org/other"}
    paths = [evaluation(tmp_path / place, [1.0], model=name) for place, name in names.items()]
    assert compare(paths, find).labels == ("org/one", "org/other")
    runs = [evaluation(tmp_path / place, [1.0], model=str(tmp_path / place)) for place in ("first", "second")]
    assert compare(runs, find).labels == ("first", "second")


def test_a_folder_of_two_models_is_refused(evaluation: Evaluation, find: Find, tmp_path: Path) -> None:
    a, b = evaluation(tmp_path / "all" / "a", [1.0]), evaluation(tmp_path / "all" / "b", [1.0])
    with pytest.raises(DataError, match=r"all: holds evaluations of two models: .* of 'a' and .* of 'b'"):
        compare([tmp_path / "all", evaluation(tmp_path / "c", [1.0])], find)
    with pytest.raises(DataError, match="is named twice"):
        compare([a, b, a], find)


def test_tables_say_scores_intervals_differences_and_what_is_found(
    evaluation: Evaluation, find: Find, tmp_path: Path
) -> None:
    one, other = [0.0, 0.0, 1.0, 1.0] * 10, [1.0, 0.0, 1.0, 1.0] * 10
    for benchmark in ("signs", "menus"):
        evaluation(tmp_path / "a" / benchmark, one, model="a", benchmark=benchmark)
    evaluation(tmp_path / "b" / "signs", other, model="b")
    whole, _, signs = tables_of(compare([tmp_path / "a", tmp_path / "b"], find))
    assert [[entry.text for entry in row] for row in whole.rows] == [["a", "50.0", "50.0"], ["b", "\u2013", "75.0"]]
    assert whole.rows[1][2].strong
    assert signs.title == "signs:plain, 40 questions, rule exact"
    assert signs.heads == ("model", "score (%) [95 %]", "difference", "better", "worse", "p")
    assert [entry.text for entry in signs.rows[0]][2:] == ["\u2013"] * 4
    row = signs.rows[1]
    assert row[1].text.startswith("75.0 [")
    assert row[2].text.startswith("+25.0 [+")
    assert [entry.text for entry in row[3:]] == ["10", "0", "0.002"]


def test_one_model_alone_has_its_intervals(evaluation: Evaluation, find: Find, tmp_path: Path) -> None:
    comparison = compare([evaluation(tmp_path / "a", [1.0, 0.0] * 20)], find)
    (table,) = tables_of(comparison)
    assert table.heads == ("model", "score (%) [95 %]")
    assert table.rows[0][1].text.startswith("50.0 [")
    assert len(list(method_of(comparison))) == 1
