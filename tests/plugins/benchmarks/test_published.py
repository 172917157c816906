"""Published benchmarks: the files of each are read, asked as the published code asks, and scored by its rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from remgcl import Benchmark, BenchmarkQuestion, DataError, Engine, FaultsError
from remgcl.core.evaluation.evaluate import evaluate, image_of
from remgcl.core.evaluation.record import EvaluationFolder
from remgcl.core.evaluation.task import Task, make_task
from remgcl.plugins.benchmarks import remgcl_register_benchmarks
from remgcl.plugins.chat_models import Scripted
from remgcl.testing import benchmarks
from tests.plugins.benchmarks.layouts import FILES, PARQUET, TEN, write_parquet

SHORT = "\nAnswer the question using a single word or phrase."
CASES = [*((name, "files") for name in FILES), *((name, "parquet") for name in (*PARQUET, "gqa"))]

each_case = pytest.mark.parametrize(("name", "form"), CASES, ids=[f"{name}-{form}" for name, form in CASES])


def write(name: str, form: str, folder: Path) -> Path:
    """Write a benchmark's files."""
    folder.mkdir(exist_ok=True)
    if form == "files":
        FILES[name](folder)
    else:
        write_parquet(name, folder)
    return folder


def make(engine: Engine, named: str, folder: Path) -> Task:
    """Make a task of a benchmark and a protocol."""
    name, _, protocol = named.partition(":")
    part: Benchmark = engine.part("benchmarks", name, [f"protocol={protocol}"] if protocol else [])
    return make_task(name, part, partial(engine.part, "metrics"), folder)


class TestPublished(benchmarks.Checks):
    """What every benchmark promises, of each published one in each form."""

    @pytest.fixture(params=CASES, ids=["-".join(case) for case in CASES])
    def case(self, request: pytest.FixtureRequest) -> tuple[str, str]:
        """A benchmark and the form of its files."""
        found: tuple[str, str] = request.param
        return found

    @pytest.fixture
    def part(self, case: tuple[str, str]) -> Benchmark:
        """The part."""
        return remgcl_register_benchmarks()[case[0]]()

    @pytest.fixture
    def folder(self, case: tuple[str, str], tmp_path: Path) -> Path:
        """Its files."""
        return write(*case, tmp_path / "files")


def test_every_published_benchmark_is_tried_in_every_form() -> None:
    published = {name for name, part in remgcl_register_benchmarks().items() if part.obtain}
    assert set(FILES) == published
    assert {*PARQUET, "gqa"} == published - {"qa90"}  # which is on no hub


@pytest.mark.parametrize(
    ("named", "prompts"),
    [
        ("ocrbench", [f"what is written?{SHORT}"] * 2),
        ("ocrbench:lmms-eval", ["what is written?"] * 2),
        ("ocrbench-v2", ["How many?"] * 2),
        ("textvqa", [f"what BRAND is it?{SHORT}", f"and what else?{SHORT}"]),
        (
            "textvqa:llava-ocr",
            [
                f"what BRAND is it?\nReference OCR token: KFC, {{question}}{SHORT}",
                f"and what else?\nReference OCR token: KFC, {{question}}{SHORT}",
            ],
        ),
        ("textvqa:lmms-eval", [f"What brand is it?{SHORT}", f"And what else?{SHORT}"]),
        ("textvqa:multimodalocr-2023", ["what BRAND is it?", "and what else?"]),
        ("docvqa", [f"What is the date?{SHORT}"]),
        ("docvqa:multimodalocr-2023", ["What is the date?"]),
        ("infovqa", [f"How many?{SHORT}"]),
        ("st-vqa", ["What?"]),
        ("ocr-vqa", ["Who?", "What?"]),
        ("chartqa", ["How much?\nAnswer the question with a single word."] * 2),
        ("mme", [f"Is it a?{SHORT}", f"Is it b?{SHORT}"] * 2),
        ("mme:published", ["Is it a? Please answer yes or no.", "Is it b? Please answer yes or no."] * 2),
        ("pope", [f"Is there a cat?{SHORT}"] * 3),
        ("gqa", [f"Is it?{SHORT}"]),
        ("vqav2", [f"Which?{SHORT}"]),
        ("mm-vet", ["What is x?"]),
        ("llava-bench", ["Describe."]),
        ("qa90", ["Describe."]),
    ],
)
def test_a_protocol_writes_the_published_prompt(named: str, prompts: list[str], engine: Engine, tmp_path: Path) -> None:
    task = make(engine, named, write(named.partition(":")[0], "files", tmp_path / "files"))
    assert list(task.prompts.values()) == prompts


LENGTHS = {
    "ocrbench": 128,
    "textvqa": 128,
    "textvqa:multimodalocr-2023": 256,
    "docvqa": 32,
    "infovqa": 32,
    "chartqa": 16,
    "mme:lmms-eval": 16,
    "mm-vet": 1024,
    "llava-bench": 1024,
}


@pytest.mark.parametrize("named", LENGTHS)
def test_a_protocol_has_the_published_length(named: str, engine: Engine, tmp_path: Path) -> None:
    task = make(engine, named, write(named.partition(":")[0], "files", tmp_path / "files"))
    assert task.protocol.max_new_tokens == LENGTHS[named]


PERFECT: Mapping[str, str] = {
    "ocrbench-v2": "3",
    "textvqa": "kfc",
    "docvqa": "1 january",
    "infovqa": "3",
    "st-vqa": "kfc",
    "chartqa": "14.5",
    "pope": "yes",
    "gqa": "No.",
    "vqav2": "kfc",
}


@pytest.mark.parametrize("name", PERFECT)
def test_a_right_answer_scores_by_the_rule(name: str, engine: Engine, tmp_path: Path) -> None:
    task = make(engine, name, write(name, "files", tmp_path / "files"))
    model = Scripted(replies=(PERFECT[name],))
    scores = evaluate(task, model, EvaluationFolder(tmp_path / "out"))
    due = {"textvqa": 1.0, "vqav2": 1.0, "gqa": 1.0, "ocrbench-v2": 0.5}.get(name, 1.0)
    assert scores["summary"]["score"] == pytest.approx(due)


def test_mme_scores_tasks_and_images(engine: Engine, tmp_path: Path) -> None:
    for form in ("files", "parquet"):
        task = make(engine, "mme", write("mme", form, tmp_path / form))
        scores = evaluate(task, Scripted(replies=("Yes",)), EvaluationFolder(tmp_path / f"out-{form}"))
        assert scores["summary"]["tasks"]["OCR"] == 50.0
        assert scores["summary"]["acc_plus"]["OCR"] == 0.0


def test_a_judge_sees_context_reference_and_answer(engine: Engine, tmp_path: Path) -> None:
    task = make(engine, "llava-bench", write("llava-bench", "files", tmp_path / "files"))
    judge = Scripted(model="judge", replies=("8 4\nwell",))
    folder = EvaluationFolder(tmp_path / "out")
    scores = evaluate(task, Scripted(replies=("A circle.",)), folder, judge=judge)
    assert scores["summary"]["score"] == 50.0
    asked = json.loads((folder.path / "reviews.jsonl").read_text())["prompt"]
    assert asked.index("A square.") < asked.index("Describe.") < asked.index("A red square.") < asked.index("A circle.")


def test_types_and_fields_are_kept_for_tables_and_rules(engine: Engine, tmp_path: Path) -> None:
    def read(name: str) -> list[BenchmarkQuestion]:
        return list(make(engine, name, write(name, "files", tmp_path / name)).questions)

    assert [each.fields["dataset_name"] for each in read("ocrbench")] == ["IIIT5K", "HME100k"]
    assert [each.answers for each in read("ocrbench")] == [("KFC",), ("x ^ 2",)]
    assert [each.type for each in read("chartqa")] == ["human", "augmented"]
    assert [each.type for each in read("mm-vet")] == ["math, ocr"]
    assert [each.type for each in read("docvqa")] == ["form"]
    assert [each.id for each in read("ocr-vqa")] == ["b1-0", "b1-1"]
    assert read("vqav2")[0].answers == tuple(TEN)
    assert [each.fields["category"] for each in read("pope")] == ["random", "popular", "adversarial"]


@each_case
def test_the_image_of_a_question_is_that_of_its_files(name: str, form: str, engine: Engine, tmp_path: Path) -> None:
    for question in make(engine, name, write(name, form, tmp_path / "files")).questions:
        picture = image_of(question)
        assert picture is not None
        assert picture.size == (4, 3)
        assert question.picture is not None
        assert (question.picture.file is None) == (form == "parquet")


@pytest.mark.parametrize("name", ["textvqa", "docvqa", "vqav2"])
def test_a_file_of_another_split_is_refused(name: str, engine: Engine, tmp_path: Path) -> None:
    folder = write(name, "files", tmp_path / "files")
    for path in folder.glob("*.json"):
        path.write_text(path.read_text().replace('"val', '"train'))
    with pytest.raises(DataError, match=r"is of split 'train(2014)?'; 'val' is asked"):
        make(engine, name, folder)


def test_a_missing_image_is_named(engine: Engine, tmp_path: Path) -> None:
    folder = write("textvqa", "files", tmp_path / "files")
    (folder / "train_images" / "i1.jpg").unlink()
    with pytest.raises(FaultsError, match=r"textvqa: question '0': image: there is no file '.*train_images/i1.jpg'"):
        make(engine, "textvqa", folder)


def test_questions_without_tokens_cannot_be_asked_with_them(engine: Engine, tmp_path: Path) -> None:
    folder = write("textvqa", "files", tmp_path / "files")
    (folder / "TextVQA_Rosetta_OCR_v0.2_val.json").unlink()
    assert len(make(engine, "textvqa", folder).questions) == 2
    with pytest.raises(FaultsError, match=r"question '0': template: \{ocr_tokens\} is no field of the question"):
        make(engine, "textvqa:llava-ocr", folder)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<html>", "is no JSON"),
        ('{"data": [{}]}', "item 0: is no question of this benchmark"),
        ("[]", "item 0: is no question"),
    ],
)
def test_a_file_that_is_something_else_is_named(text: str, told: str, engine: Engine, tmp_path: Path) -> None:
    folder = write("docvqa", "files", tmp_path / "files")
    (folder / "val_v1.0_withQT.json").write_text(text)
    with pytest.raises((DataError, FaultsError), match=told):
        make(engine, "docvqa", folder)


def test_a_line_of_mme_without_a_tab_and_a_label_of_pope_are_named(engine: Engine, tmp_path: Path) -> None:
    folder = write("mme", "files", tmp_path / "mme")
    (folder / "OCR" / "0001.txt").write_text("Is it? Yes\n")
    with pytest.raises(DataError, match=r"0001.txt: line 1: must be a question and an answer with a tab between"):
        make(engine, "mme", folder)
    folder = write("pope", "files", tmp_path / "pope")
    file = folder / "coco_pope_random.json"
    file.write_text(file.read_text().replace('"yes"', '"maybe"'))
    with pytest.raises(DataError, match="question 1: label: must be one of 'yes', 'no'"):
        make(engine, "pope", folder)
