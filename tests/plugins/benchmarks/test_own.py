"""Questions of one's own: a file, a description, and what is said of wrong ones."""

import json
from pathlib import Path

import pytest

from remgcl import DataError
from remgcl.plugins.benchmarks import Own, Samples
from remgcl.plugins.datasets.synthetic import Synthetic
from remgcl.plugins.datasets.synthetic_benchmark import SyntheticBenchmark

LINE = {"id": "1", "image": "sub/a.png", "question": "Read.", "answers": ["KFC"], "type": "shops", "tokens": ["K"]}


def test_a_line_is_a_question(tmp_path: Path) -> None:
    file = tmp_path / "signs.jsonl"
    file.write_text(json.dumps(LINE) + "\n\n" + json.dumps({"id": 2, "question": "Who?", "answers": "me"}) + "\n")
    first, second = Own(path=str(file)).questions(Path("nowhere"), "all")
    assert (first.id, first.text, first.answers, first.type) == ("1", "Read.", ("KFC",), "shops")
    assert first.fields == {"tokens": ["K"]}
    assert first.picture is not None
    assert (first.picture.name, first.picture.file) == ("sub/a.png", tmp_path / "sub" / "a.png")
    assert (second.id, second.answers, second.picture) == ("2", ("me",), None)


def test_a_description_names_files_and_protocols(tmp_path: Path) -> None:
    (tmp_path / "signs.jsonl").write_text(json.dumps(LINE) + "\n")
    (tmp_path / "signs.toml").write_text(
        'questions = "signs.jsonl"\nimages = "pictures"\nsplit = "test"\n'
        '[protocols.short]\nmetric = "anls"\ntemplate = "{question} {tokens}"\nstop = ["x"]\n[protocols.bare]\n'
    )
    part = Own(path=str(tmp_path / "signs.toml"), metric="exact", max_new_tokens=7)
    short, bare = part.protocols().values()
    (question,) = part.questions(Path("nowhere"), "test")
    assert (short.metric, short.split, short.prompt(question), short.stop) == ("anls", "test", "Read. K", ("x",))
    assert (bare.metric, bare.max_new_tokens, bare.template) == ("exact", 7, "{question}")
    assert question.picture is not None
    assert question.picture.file == tmp_path / "pictures" / "sub" / "a.png"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"id": None}, r"line 1: id: must be a text or a whole number; it is None"),
        ({"id": 1.5}, r"line 1: id: must be a text or a whole number; it is 1.5"),
        ({"question": ["a"]}, r"line 1: question: must be a text; it is \['a'\]"),
        ({"image": 3}, r"line 1: image: must be the name of a file; it is 3"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(change: dict[str, object], told: str, tmp_path: Path) -> None:
    (tmp_path / "signs.jsonl").write_text(json.dumps(LINE | change))
    with pytest.raises(DataError, match=rf"signs\.jsonl: {told}"):
        Own(path=str(tmp_path / "signs.jsonl")).questions(tmp_path, "all")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<html>", "line 1: is no JSON"),
        ("[1]", r"line 1: must be an object; it is \[1\]"),
        ('{"id": 1}', "line 1: question: must be a text; there is none"),
    ],
)
def test_what_is_no_question_is_named(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "signs.jsonl").write_text(text)
    with pytest.raises(DataError, match=rf"signs\.jsonl: {told}"):
        Own(path=str(tmp_path / "signs.jsonl")).questions(tmp_path, "all")
    with pytest.raises(DataError, match=r"none\.jsonl: does not exist"):
        Own(path=str(tmp_path / "none.jsonl")).questions(tmp_path, "all")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("metric = 1", "metric: is no key; there is 'questions', 'images', 'split', 'protocols'"),
        ("", "questions: must name the file of questions"),
        ("questions = ", "cannot be read"),
        ('questions = "a"\nprotocols = 3', "protocols: must be tables"),
        ('questions = "a"\n[protocols.x]\ntemplte = "a"', "protocols.x.templte: is no key; there is 'case', 'judge'"),
        ('questions = "a"\n[protocols.x]\nmax_new_tokens = 0', "protocols.x: 'max_new_tokens' must be >= 1"),
    ],
)
def test_a_wrong_description_is_named_with_its_key(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "signs.toml").write_text(text)
    with pytest.raises(DataError, match=rf"signs\.toml: {told}"):
        Own(path=str(tmp_path / "signs.toml")).protocols()


def test_samples_of_a_dataset_are_questions() -> None:
    data = Synthetic(samples=3, question="Read.")
    samples = data.build()
    questions = Samples(data=data).questions(Path(), "all")
    assert [(each.text, each.answers) for each in questions] == [
        ("Read.", (samples[place].turns[-1].text,)) for place in range(3)
    ]
    assert questions[1].regions == samples[1].regions


def test_no_training_sees_a_text_of_the_synthetic_benchmark() -> None:
    questions = SyntheticBenchmark(samples=4, content=("digits", "words")).questions(Path(), "held_out")
    assert len(questions) == 2 * 2 * 4 * 4
    train = Synthetic(split="train")
    assert not any(train.belongs(question.answers[0]) for question in questions)
    for question in questions:
        (region,) = question.regions
        assert len(region.text) == question.fields["length"]
        assert region.quad[2][1] - region.quad[0][1] <= question.fields["height"]
        middle = (region.quad[0][1] + region.quad[2][1]) / 2
        assert question.fields["place"] == ("top", "middle", "bottom")[int(middle // 32)]
