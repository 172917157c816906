"""TextVQA, with or without the tokens of an OCR system in the prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from attrs import evolve, frozen

from remgcl import BenchmarkProtocol, BenchmarkQuestion
from remgcl.plugins.benchmarks.files import SHORT, Files, Published, Row, of_split

TOKENS = "{question}\nReference OCR token: {ocr_tokens}" + SHORT
"""The prompt with tokens of an OCR system, as LLaVA's question file has it."""

MULTIMODALOCR_2023 = BenchmarkProtocol(
    source="MultimodalOCR, June 2023",
    split="val",
    metric="multimodalocr-2023",
    max_new_tokens=256,
    temperature=0.9,
    seed=0,
)
"""The bare question, answered by sampling, as the tables of LLaVAR were made."""


@frozen(kw_only=True)
class TextVqa(Published):
    """TextVQA: 5,000 questions of the validation set, with ten answers each.

    Protocols: `llava` and `lmms-eval` without OCR tokens, `llava-ocr` and `lmms-eval-ocr` with the published ones in
    the prompt, `multimodalocr-2023` as LLaVAR's table was made. Scores of these are not comparable: those with tokens
    are about 13 points higher.
    """

    obtain: ClassVar[str] = (
        "put TextVQA_0.5.1_val.json, train_images/ and, for tokens, TextVQA_Rosetta_OCR_v0.2_val.json of textvqa.org, "
        "or the Parquet files of lmms-lab-encoder/textvqa there"
    )
    licence: ClassVar[str] = "CC-BY-4.0"

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """With and without tokens."""
        llava = BenchmarkProtocol(source="LLaVA", split="val", metric="vqa-evalai", template="{question}" + SHORT)
        lmms = evolve(llava, source="lmms-eval", case="capitalize")
        return {
            "llava": llava,
            "llava-ocr": evolve(llava, template=TOKENS),
            "lmms-eval": lmms,
            "lmms-eval-ocr": evolve(lmms, template=TOKENS),
            "multimodalocr-2023": MULTIMODALOCR_2023,
        }

    def rows(self, files: Files, split: str) -> Iterable[Row]:
        """Read Parquet, or else the annotations and the tokens."""
        held = files.parquet(split, "validation" if split == "val" else split)
        if held is not None:
            return held
        name = f"TextVQA_0.5.1_{split}.json"
        rows = files.json(name, f"TextVQA_*_{split}.json", "TextVQA_0.5.1_*.json", split=split)["data"]
        for row in rows[:1]:
            of_split(files.one(name, "TextVQA_0.5.1_*.json"), row, split)
        rosetta = f"TextVQA_Rosetta_OCR_v0.2_{split}.json"
        tokens = (
            {each["image_id"]: each["ocr_tokens"] for each in files.json(rosetta)["data"]}
            if files.found(rosetta)
            else {}
        )
        folders = ("train_images", "") if split != "test" else ("test_images", "")
        return [
            {
                **row,
                "image": files.picture(f"{row['image_id']}.jpg", *folders),
                **({"ocr_tokens": tokens[row["image_id"]]} if row["image_id"] in tokens else {}),
            }
            for row in rows
        ]

    def question(self, row: Row, place: int) -> BenchmarkQuestion:
        """Keep the tokens for the prompts that show them."""
        del place
        tokens = {} if row.get("ocr_tokens") is None else {"ocr_tokens": list(row["ocr_tokens"])}
        return BenchmarkQuestion(
            id=str(row["question_id"]),
            text=row["question"],
            answers=tuple(row["answers"]),
            picture=row["image"],
            fields={"image_id": row["image_id"], **tokens},
        )
