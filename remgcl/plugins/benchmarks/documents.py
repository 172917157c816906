"""DocVQA, InfographicVQA, ST-VQA and OCR-VQA: questions about documents, posters, scenes and covers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, ClassVar

from attrs import evolve, frozen

from remgcl import BenchmarkProtocol, BenchmarkQuestion
from remgcl.plugins.benchmarks.files import SHORT, Files, Published, Row, chosen, of_split, texts
from remgcl.plugins.benchmarks.textvqa import MULTIMODALOCR_2023

LMMS_EVAL = BenchmarkProtocol(
    source="lmms-eval", split="val", metric="anls", template="{question}" + SHORT, max_new_tokens=32
)

SPLITS = {"train": 1, "val": 2, "test": 3}
"""The splits of OCR-VQA, and the number of each in its file."""


@frozen(kw_only=True)
class _Robust(Published):
    """A challenge of the Robust Reading Competition.

    Attributes:
        split: The part of the benchmark that is asked; that of the protocol by default.
    """

    files: ClassVar[tuple[str, ...]] = ()
    folders: ClassVar[tuple[str, ...]] = ()
    within: ClassVar[str] = ""
    name: ClassVar[str] = ""
    kept: ClassVar[tuple[str, ...]] = ()

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """As lmms-eval asks, and as LLaVAR's table was made."""
        return {"lmms-eval": LMMS_EVAL, "multimodalocr-2023": MULTIMODALOCR_2023}

    def rows(self, files: Files, split: str) -> Iterable[Row]:
        """Read Parquet, or else the annotations."""
        held = files.parquet(split, "validation" if split == "val" else split, within=self.within)
        if held is not None:
            return held
        names = [name.format(split=split) for name in self.files]
        read = files.json(*names, split=split)["data"]
        for row in read[:1]:
            of_split(files.one(*names), row, split)
        return [{**row, "image": files.picture(row[self.name], *self.folders)} for row in read]

    def question(self, row: Row, place: int) -> BenchmarkQuestion:
        """Keep the types that the annotations give."""
        del place
        kinds = next((row[key] for key in self.kept if row.get(key)), ())
        return BenchmarkQuestion(
            id=str(row["questionId"]),
            text=row["question"],
            answers=texts(row["answers"]),
            picture=row["image"],
            type=str(texts(kinds)[0]) if texts(kinds) else "",
        )


@frozen(kw_only=True)
class DocVqa(_Robust):
    """DocVQA: 5,349 questions of the validation set about scanned documents."""

    obtain: ClassVar[str] = (
        "put val_v1.0_withQT.json (or val_v1.0.json) and documents/ of the Robust Reading Competition, or the Parquet "
        "files of lmms-lab-encoder/DocVQA there"
    )
    licence: ClassVar[str] = "research, after registration with the Robust Reading Competition"
    files: ClassVar[tuple[str, ...]] = ("{split}_v1.0_withQT.json", "{split}_v1.0.json", "*_v1.0*.json")
    folders: ClassVar[tuple[str, ...]] = ("", "documents", "..")
    within: ClassVar[str] = ""
    name: ClassVar[str] = "image"
    kept: ClassVar[tuple[str, ...]] = ("question_types",)


@frozen(kw_only=True)
class InfoVqa(_Robust):
    """InfographicVQA: 2,801 questions of the validation set about posters."""

    obtain: ClassVar[str] = (
        "put infographicsVQA_val_v1.0_withQT.json and its images of the Robust Reading Competition, or the Parquet "
        "files of lmms-lab-encoder/DocVQA, configuration InfographicVQA, there"
    )
    licence: ClassVar[str] = "research, after registration with the Robust Reading Competition"
    files: ClassVar[tuple[str, ...]] = (
        "infographicsVQA_{split}_v1.0_withQT.json",
        "infographicVQA_{split}_v1.0.json",
        "infographic*_{split}_*.json",
    )
    folders: ClassVar[tuple[str, ...]] = ("", "infographicsvqa_images", "images")
    within: ClassVar[str] = "InfographicVQA"
    name: ClassVar[str] = "image_local_name"
    kept: ClassVar[tuple[str, ...]] = ("answer_type",)


@frozen(kw_only=True)
class StVqa(Published):
    """ST-VQA: questions of the training set about scenes; the answers of the test set are not published.

    LLaVAR's table is of 5,000 questions (``--limit 5000``).
    """

    obtain: ClassVar[str] = (
        "put train_task_3.json and its images of the Robust Reading Competition, or the Parquet files of "
        "lmms-lab-encoder/ST-VQA there"
    )
    licence: ClassVar[str] = "research, after registration with the Robust Reading Competition"
    groups: ClassVar[tuple[str, ...]] = ("dataset",)

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """As LLaVAR's table was made, and with short answers."""
        return {
            "multimodalocr-2023": evolve(MULTIMODALOCR_2023, split="train"),
            "lmms-eval": evolve(LMMS_EVAL, split="train", metric="anls-m4c"),
        }

    def rows(self, files: Files, split: str) -> Iterable[Row]:
        """Read Parquet, or else the annotations."""
        held = files.parquet(split)
        if held is not None:
            return held
        rows = files.json(f"{split}_task_3.json", "*_task_3.json", split=split)["data"]
        return [
            {
                **row,
                "image": files.picture(
                    row["file_path"] if "file_path" in row else row["file_name"], "", row["dataset"]
                ),
            }
            for row in rows
        ]

    def question(self, row: Row, place: int) -> BenchmarkQuestion:
        """Keep the dataset that an image comes from."""
        kept = {"dataset": row["dataset"]} if row.get("dataset") else {}
        return BenchmarkQuestion(
            id=str(row.get("question_id", place)),
            text=row["question"],
            answers=texts(row["answers"]),
            picture=row["image"],
            fields=kept,
        )


@frozen(kw_only=True)
class OcrVqa(Published):
    """OCR-VQA: questions about the covers of books."""

    obtain: ClassVar[str] = (
        "put dataset.json of ocr-vqa.github.io and images/, or the Parquet files of howard-hou/OCR-VQA there"
    )
    licence: ClassVar[str] = "research"

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """As LLaVAR's table was made, and with short answers and equality."""
        short = BenchmarkProtocol(source="LLaVA", split="test", metric="exact", template="{question}" + SHORT)
        return {"multimodalocr-2023": evolve(MULTIMODALOCR_2023, split="test"), "exact": short}

    def rows(self, files: Files, split: str) -> Iterable[Row]:
        """Return a row for each question of an image."""
        number = chosen(split, SPLITS, "ocr-vqa")
        held = files.parquet(split, "validation" if split == "val" else split)
        if held is None:
            covers = files.json("dataset.json")
            held = [
                {**row, "image_id": id_, "image": files.picture(f"{id_}{_suffix(row)}", "images", "")}
                for id_, row in covers.items()
                if row.get("split") == number
            ]
        return [_asked(row, place) for row in held for place in range(len(row["questions"]))]

    def question(self, row: Row, place: int) -> BenchmarkQuestion:
        """One answer to each."""
        del place
        return BenchmarkQuestion(id=row["id"], text=row["question"], answers=(row["answer"],), picture=row["image"])


def _asked(row: Row, place: int) -> dict[str, Any]:
    return {
        "id": f"{row['image_id']}-{place}",
        "question": row["questions"][place],
        "answer": row["answers"][place],
        "image": row["image"],
    }


def _suffix(row: Row) -> str:
    return PurePosixPath(row["imageURL"]).suffix or ".jpg"
