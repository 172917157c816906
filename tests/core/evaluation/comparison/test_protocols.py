"""Two protocols never stand in one column."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from remgcl import DataError
from remgcl.cli import score
from remgcl.core.errors import FaultsError
from remgcl.core.evaluation.comparison.protocols import columns_of
from remgcl.core.evaluation.scored import read_scored

Evaluation: TypeAlias = Callable[..., Path]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"template": "{question}!"}, "template is '{question}' and '{question}!'"),
        ({"split": "val"}, "split is 'test' and 'val'"),
        ({"max_new_tokens": 16}, "max_new_tokens is None and 16"),
        ({"image": "padded"}, "image is None and 'padded'"),
        ({"metric": {"use": "anls", "settings": {}}}, "metric.use is 'exact' and 'anls'"),
        ({"metric": {"use": "exact", "settings": {"x": 1}}}, "metric.settings.x is None and 1"),
    ],
)
def test_the_ways_in_which_protocols_differ_are_named(
    evaluation: Evaluation, tmp_path: Path, changed: dict[str, object], told: str
) -> None:
    models = {
        "a": read_scored(evaluation(tmp_path / "a", [1.0])),
        "b": read_scored(evaluation(tmp_path / "b", [1.0], **changed)),
    }
    with pytest.raises(FaultsError) as caught:
        columns_of(models)
    assert str(caught.value) == (
        f"a and b: signs: were evaluated by different protocols, so their scores do not compare: {told}"
    )


def test_other_questions_are_named_with_the_field_that_differs(evaluation: Evaluation, tmp_path: Path) -> None:
    a = evaluation(tmp_path / "a", [1.0, 0.0])
    b = evaluation(tmp_path / "b", [1.0, 0.0], questions={"count": 2, "sha256": "1"}, fields=[{}, {"answers": ["one"]}])
    with pytest.raises(FaultsError, match=r"1 questions differ, the first is 'q1': answers is \['1'\] and \['one'\]"):
        columns_of({"a": read_scored(a), "b": read_scored(b)})


def test_names_and_sources_of_protocols_do_not_matter(evaluation: Evaluation, tmp_path: Path) -> None:
    a = evaluation(tmp_path / "a", [1.0], source="one")
    b = evaluation(tmp_path / "b", [1.0], source="other", digest="1")
    (column,) = columns_of({"a": read_scored(a), "b": read_scored(b)})
    assert list(column) == ["a", "b"]


def test_models_with_the_same_two_protocols_have_two_columns(evaluation: Evaluation, tmp_path: Path) -> None:
    for model in "ab":
        evaluation(tmp_path / model / "one", [1.0], model=model)
        evaluation(tmp_path / model / "two", [1.0], model=model, name="short", template="{question} Be short.")
    columns = columns_of({model: read_scored(tmp_path / model) for model in "ab"})
    assert [sorted(column) for column in columns] == [["a", "b"], ["a", "b"]]
    assert [next(iter(column.values())).title for column in columns] == ["signs:plain", "signs:short"]


def test_a_model_without_a_benchmark_leaves_its_place_empty(evaluation: Evaluation, tmp_path: Path) -> None:
    for model, benchmark in (("a", "signs"), ("b", "signs"), ("b", "menus")):
        evaluation(tmp_path / model / benchmark, [1.0], model=model, benchmark=benchmark)
    columns = columns_of({model: read_scored(tmp_path / model) for model in "ab"})
    assert sorted(map(sorted, columns)) == [["a", "b"], ["b"]]


def test_two_evaluations_by_one_protocol_are_refused(evaluation: Evaluation, tmp_path: Path) -> None:
    for name in ("x", "y"):
        evaluation(tmp_path / "a" / name, [1.0], model="a")
    with pytest.raises(DataError, match=r"a: holds two evaluations of 'signs:plain' by the same .*: .*x.* and .*y"):
        columns_of({"a": read_scored(tmp_path / "a")})


def test_nothing_in_common_is_an_error_that_says_what_there_is(evaluation: Evaluation, tmp_path: Path) -> None:
    a, b = evaluation(tmp_path / "a", [1.0]), evaluation(tmp_path / "b", [1.0], benchmark="menus")
    with pytest.raises(DataError, match=r"no two models .*; there is a: 'signs:plain'; b: 'menus:plain'"):
        columns_of({"a": read_scored(a), "b": read_scored(b)})


@pytest.mark.parametrize(
    ("answers", "rule", "told"),
    [
        ("b", "exact", r"1 questions differ, the first is 'item 0': answers is 'a' and 'b'"),
        ("a", "anls", r"metric\.use is 'exact' and 'anls'"),
    ],
)
def test_files_of_remgcl_score_compare_only_with_equal_questions_and_rule(
    tmp_path: Path, answers: str, rule: str, told: str
) -> None:
    for name, true, by in (("x", "a", "exact"), ("y", answers, rule)):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"prediction": name, "answers": true}))
        score.score(by, tmp_path / f"{name}.jsonl", out=tmp_path / f"{name}.json")
    with pytest.raises(FaultsError, match=told):
        columns_of({name: read_scored(tmp_path / f"{name}.json") for name in "xy"})
