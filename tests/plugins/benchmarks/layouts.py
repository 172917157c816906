"""Tiny folders in the layout of each published benchmark, with questions made up for the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

TEN = ["kfc"] * 9 + ["no"]


def image(path: Path) -> None:
    """Write a small image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 3), "red").save(path)


def put(path: Path, held: Any) -> None:  # noqa: ANN401 - any JSON
    """Write JSON, or JSON lines of a list where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.suffix == ".jsonl" or path.name.startswith("coco_pope")
    path.write_text("".join(json.dumps(each) + "\n" for each in held) if lines else json.dumps(held))


def parquet(path: Path, rows: list[dict[str, Any]], *, shown: bool = True) -> None:
    """Write Parquet as the hub has it: images as structures of bytes and path."""
    held = BytesIO()
    Image.new("RGB", (4, 3), "blue").save(held, "PNG")
    picture = {"image": {"bytes": held.getvalue(), "path": "a.png"}} if shown else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([{**row, **picture} for row in rows]), path, row_group_size=1)


def ocrbench(folder: Path) -> None:
    """Two questions, one with an answer that is a text and one with a list."""
    image(folder / "IIIT5K" / "a.jpg")
    put(
        folder / "OCRBench.json",
        [
            {
                "dataset_name": name,
                "id": number,
                "image_path": "IIIT5K/a.jpg",
                "question": "what is written?",
                "answers": answers,
                "type": "Regular Text Recognition",
            }
            for number, (name, answers) in enumerate([("IIIT5K", "KFC"), ("HME100k", ["x ^ 2"])])
        ],
    )


def ocrbench_v2(folder: Path) -> None:
    """Three questions, one of which has no rule."""
    image(folder / "a.png")
    kinds = ("APP agent en", "text counting en", "text spotting en")
    rows = [
        {
            "dataset_name": "d",
            "id": number,
            "image_path": "a.png",
            "question": "How many?",
            "answers": ["3"],
            "type": kind,
            "eval": "regression" if "counting" in kind else "multiple choice",
        }
        for number, kind in enumerate(kinds)
    ]
    put(folder / "OCRBench_v2.json", rows)


def textvqa(folder: Path) -> None:
    """Two questions about one image, with tokens."""
    image(folder / "train_images" / "i1.jpg")
    rows = [
        {"question": text, "question_id": number, "image_id": "i1", "answers": TEN, "set_name": "val"}
        for number, text in enumerate(["what BRAND is it?", "and what else?"])
    ]
    put(folder / "TextVQA_0.5.1_val.json", {"dataset_type": "val", "data": rows})
    put(
        folder / "TextVQA_Rosetta_OCR_v0.2_val.json",
        {"data": [{"image_id": "i1", "ocr_tokens": ["KFC", "{question}"]}]},
    )


def docvqa(folder: Path) -> None:
    """A question about a page."""
    image(folder / "documents" / "p.png")
    row = {
        "questionId": 7,
        "question": "What is the date?",
        "image": "documents/p.png",
        "answers": ["1.1.", "1 January"],
        "question_types": ["form"],
        "data_split": "val",
    }
    put(folder / "val_v1.0_withQT.json", {"dataset_split": "val", "data": [row]})


def infovqa(folder: Path) -> None:
    """A question about a poster."""
    image(folder / "images" / "1.jpeg")
    row = {
        "questionId": 1,
        "question": "How many?",
        "image_local_name": "1.jpeg",
        "answers": ["3"],
        "answer_type": ["single span"],
        "data_split": "val",
    }
    put(folder / "infographicsVQA_val_v1.0_withQT.json", {"dataset_split": "val", "data": [row]})


def st_vqa(folder: Path) -> None:
    """A question about a scene."""
    image(folder / "coco-text" / "a.jpg")
    row = {
        "dataset": "coco-text",
        "file_name": "a.jpg",
        "question": "What?",
        "answers": ["kfc", "KFC"],
        "question_id": 3,
    }
    put(folder / "train_task_3.json", {"data": [row]})


def ocr_vqa(folder: Path) -> None:
    """Two covers, one of the test set."""
    image(folder / "images" / "b1.jpg")
    covers = {
        key: {"questions": ["Who?", "What?"], "answers": ["Ann", "A"], "imageURL": "http://x/y.jpg", "split": split}
        for key, split in (("b1", 3), ("b2", 1))
    }
    put(folder / "dataset.json", covers)


def chartqa(folder: Path) -> None:
    """One question by a person, one by a model."""
    image(folder / "test" / "png" / "1.png")
    for kind in ("human", "augmented"):
        put(folder / "test" / f"test_{kind}.json", [{"imgname": "1.png", "query": "How much?", "label": "14"}])


def mme(folder: Path) -> None:
    """Two tasks, in the two layouts of the release."""
    image(folder / "OCR" / "0001.jpg")
    image(folder / "landmark" / "images" / "0001.png")
    asked = "Is it {}? Please answer yes or no.\t{}"
    text = "\n".join([asked.format("a", "Yes"), asked.format("b", "No"), ""])
    for path in (folder / "OCR" / "0001.txt", folder / "landmark" / "questions_answers_YN" / "0001.txt"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def pope(folder: Path) -> None:
    """A question of each category."""
    image(folder / "val2014" / "COCO_1.jpg")
    for category in ("random", "popular", "adversarial"):
        row = {"question_id": 1, "image": "COCO_1.jpg", "text": "Is there a cat?", "label": "yes"}
        put(folder / f"coco_pope_{category}.json", [row])


def gqa(folder: Path) -> None:
    """A question."""
    image(folder / "images" / "n1.jpg")
    row = {"question": "Is it?", "imageId": "n1", "answer": "no", "types": {"structural": "verify"}}
    put(folder / "testdev_balanced_questions.json", {"201": row})


def vqav2(folder: Path) -> None:
    """A question with ten answers."""
    image(folder / "val2014" / "COCO_val2014_000000000042.jpg")
    answers = [{"answer": each, "answer_id": place} for place, each in enumerate(TEN)]
    asked = {"image_id": 42, "question": "Which?", "question_id": 42000}
    put(
        folder / "v2_OpenEnded_mscoco_val2014_questions.json",
        {"data_subtype": "val2014", "questions": [asked]},
    )
    known = {"question_id": 42000, "answers": answers, "answer_type": "other"}
    put(
        folder / "v2_mscoco_val2014_annotations.json",
        {"data_subtype": "val2014", "annotations": [known]},
    )


def mm_vet(folder: Path) -> None:
    """A question that needs two abilities."""
    image(folder / "images" / "v1_0.png")
    row = {"imagename": "v1_0.png", "question": "What is x?", "answer": "-1 <AND> -5", "capability": ["ocr", "math"]}
    put(folder / "mm-vet.json", {"v1_0": row})


def _judged(folder: Path, names: tuple[str, str, str], picture: str, context: dict[str, Any]) -> None:
    asked, shown, answered = names
    image(folder / picture)
    name = picture.rpartition("/")[2].removeprefix("COCO_val2014_")
    put(folder / asked, [{"question_id": 0, "image": name, "text": "Describe.", "category": "detail"}])
    put(folder / shown, [{"image": name, **context}])
    put(folder / answered, [{"question_id": 0, "text": "A red square."}])


def llava_bench(folder: Path) -> None:
    """A question with context and reference."""
    names = ("questions.jsonl", "context.jsonl", "answers_gpt4.jsonl")
    _judged(folder, names, "images/001.jpg", {"caption": "A square."})


def qa90(folder: Path) -> None:
    """The same in the layout of LLaVA's data."""
    names = ("qa90_questions.jsonl", "caps_boxes_coco2014_val_80.jsonl", "qa90_gpt4_answer.jsonl")
    _judged(folder, names, "val2014/COCO_val2014_1.jpg", {"captions": ["A square.", "Red."]})


FILES: Mapping[str, Callable[[Path], None]] = {
    "chartqa": chartqa,
    "docvqa": docvqa,
    "gqa": gqa,
    "infovqa": infovqa,
    "llava-bench": llava_bench,
    "mm-vet": mm_vet,
    "mme": mme,
    "ocr-vqa": ocr_vqa,
    "ocrbench": ocrbench,
    "ocrbench-v2": ocrbench_v2,
    "pope": pope,
    "qa90": qa90,
    "st-vqa": st_vqa,
    "textvqa": textvqa,
    "vqav2": vqav2,
}
"""Writes the published files of each benchmark."""

PARQUET: Mapping[str, tuple[str, list[dict[str, Any]]]] = {
    "chartqa": ("data/test-0.parquet", [{"type": "human_test", "question": "How much?", "answer": ["14"]}]),
    "docvqa": (
        "DocVQA/validation-0.parquet",
        [{"questionId": "7", "question": "When?", "question_types": ["form"], "answers": ["1.1."]}],
    ),
    "infovqa": (
        "InfographicVQA/validation-0.parquet",
        [{"questionId": "1", "question": "How many?", "answers": ["3"], "answer_type": ["single span"]}],
    ),
    "llava-bench": (
        "data/train-0.parquet",
        [{"question_id": 0, "question": "Describe.", "category": "detail", "caption": "A.", "gpt_answer": "Red."}],
    ),
    "mm-vet": (
        "data/test-0.parquet",
        [{"question_id": "v1_0", "question": "What?", "answer": "-1", "capability": "ocr,math"}],
    ),
    "mme": (
        "data/test-0.parquet",
        [
            {"question_id": "OCR/1.png", "question": f"Is it {a}?", "answer": b, "category": "OCR"}
            for a, b in (("a", "Yes"), ("b", "No"))
        ],
    ),
    "ocr-vqa": (
        "data/test-0.parquet",
        [{"image_id": "b1", "questions": ["Who?", "What?"], "answers": ["Ann", "A"]}],
    ),
    "ocrbench": (
        "data/test-0.parquet",
        [{"dataset": "IIIT5K", "question": "what?", "question_type": "Regular Text Recognition", "answer": ["KFC"]}],
    ),
    "ocrbench-v2": (
        "data/test-0.parquet",
        [
            {
                "id": 1,
                "dataset_name": "d",
                "question": "Which?",
                "type": "APP agent en",
                "answers": ["A"],
                "eval": "multiple choice",
                "bbox": None,
            }
        ],
    ),
    "pope": (
        "data/test-0.parquet",
        [{"id": "1", "question_id": "1", "question": "Is it?", "answer": "yes", "category": "random"}],
    ),
    "st-vqa": ("data/train-0.parquet", [{"question_id": 3, "question": "What?", "answers": ["kfc"]}]),
    "textvqa": (
        "data/validation-0.parquet",
        [{"image_id": "i1", "question_id": 1, "question": "What?", "answers": TEN, "ocr_tokens": ["KFC"]}],
    ),
    "vqav2": (
        "data/validation-0.parquet",
        [
            {
                "question_id": 1,
                "question": "Which?",
                "answers": [{"answer": each, "answer_confidence": "yes"} for each in TEN],
                "answer_type": "other",
            }
        ],
    ),
}
"""The hub's file of each benchmark that has one, and its rows without the image."""


def write_parquet(name: str, folder: Path) -> None:
    """Write the hub's files of a benchmark."""
    if name == "gqa":
        asked = {"id": "201", "imageId": "n1", "question": "Is it?", "answer": "no", "types": {"structural": "verify"}}
        parquet(folder / "testdev_balanced_instructions" / "testdev-0.parquet", [asked], shown=False)
        parquet(folder / "testdev_balanced_images" / "testdev-0.parquet", [{"id": "n1"}])
        return
    path, rows = PARQUET[name]
    parquet(folder / path, rows)
