"""OCRBench and OCRBench v2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from attrs import evolve, frozen

from remgcl import BenchmarkProtocol, BenchmarkQuestion, Picture
from remgcl.plugins.benchmarks.files import SHORT, Files, Published, Row, texts


@frozen(kw_only=True)
class OcrBench(Published):
    """OCRBench: 1,000 questions about text in images, of ten types.

    Protocols: `multimodalocr` as its own script asks LLaVA, with a suffix for short answers; `lmms-eval` without.
    """

    obtain: ClassVar[str] = (
        "put OCRBench.json and its images, as MultimodalOCR links them, or the Parquet files of echo840/OCRBench there"
    )
    licence: ClassVar[str] = "code MIT; the images are under the terms of the datasets they come from"
    groups: ClassVar[tuple[str, ...]] = ("dataset_name",)

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """As MultimodalOCR asks LLaVA, and as lmms-eval asks."""
        bare = BenchmarkProtocol(source="lmms-eval", split="test", metric="ocrbench")
        return {"multimodalocr": evolve(bare, source="MultimodalOCR", template="{question}" + SHORT), "lmms-eval": bare}

    def rows(self, files: Files, split: str) -> Iterable[Row]:
        """Read Parquet, or else the JSON list."""
        held = files.parquet(split)
        if held is not None:
            return [
                {**row, "answers": row["answer"], "dataset_name": row.get("dataset"), "type": row["question_type"]}
                for row in held
            ]
        rows = files.json("OCRBench.json", "OCRBench/OCRBench.json", "FullTest.json")
        return [{**row, "image": files.picture(row["image_path"], "", "OCRBench_Images")} for row in rows]

    def question(self, row: Row, place: int) -> BenchmarkQuestion:
        """Name it by its id, or by its place."""
        return BenchmarkQuestion(
            id=str(row.get("id", place)),
            text=row["question"],
            answers=texts(row["answers"]),
            picture=row["image"],
            type=row["type"],
            fields={"dataset_name": row["dataset_name"]},
        )


@frozen(kw_only=True)
class OcrBenchV2(Published):
    """OCRBench v2: 10,000 questions of 30 types, in English and Chinese.

    Questions of text spotting are left out: they have no rule here.
    """

    obtain: ClassVar[str] = "put OCRBench_v2.json and its images, or the Parquet files of ling99/OCRBench_v2 there"
    licence: ClassVar[str] = "research only"
    groups: ClassVar[tuple[str, ...]] = ("dataset_name",)

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """The question alone, as MultimodalOCR and lmms-eval ask."""
        return {"multimodalocr": BenchmarkProtocol(source="MultimodalOCR", split="test", metric="ocrbench-v2")}

    def rows(self, files: Files, split: str) -> Iterable[Row]:
        """Read Parquet, or else the JSON list."""
        held = files.parquet(split)
        if held is None:
            read = files.json("OCRBench_v2.json", "OCRBench_v2/OCRBench_v2.json")
            held = [{**row, "image": files.picture(row["image_path"])} for row in read]
        return [row for row in held if row["type"] != "text spotting en"]

    def question(self, row: Row, place: int) -> BenchmarkQuestion:
        """Keep what the rule of its type looks at."""
        kept = {name: row[name] for name in ("eval", "bbox", "content") if row.get(name) not in (None, "None", [])}
        picture: Picture = row["image"]
        return BenchmarkQuestion(
            id=str(row.get("id", place)),
            text=row["question"],
            answers=texts(row["answers"]),
            picture=picture,
            type=row["type"],
            fields={"dataset_name": row["dataset_name"], **kept},
        )
