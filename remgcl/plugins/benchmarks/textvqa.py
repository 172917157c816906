"""TextVQA, with or without the tokens of an OCR system in the prompt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from attrs import evolve, frozen

from remgcl import BenchmarkProtocol, BenchmarkQuestion, DataError
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


OLD_PROMPT = re.compile(r"Question: (.*?) Short answer:", re.DOTALL)
"""The question in prompts that begin with the tokens."""


def question_in(prompt: str) -> str:
    """Find the question in a prompt of LLaVA's question files, in lower case.

    Source: the forms of prompt that LLaVA's `llava/eval/eval_textvqa.py` knows.

    Args:
        prompt: A prompt with tokens and suffix, or with one of them.

    Raises:
        DataError: It is of no known form.
    """
    lines = prompt.split("\n")
    if prompt.startswith("OCR tokens: "):
        found = OLD_PROMPT.search(prompt)
        question = found[1] if found else None
    elif "Reference OCR token: " in prompt and len(lines) == 3:  # noqa: PLR2004 - tokens, question, suffix
        question = lines[1] if prompt.startswith("Reference OCR token:") else lines[0]
    else:
        question = lines[0] if len(lines) == 2 else None  # noqa: PLR2004 - question, suffix
    if question is None:
        raise DataError(f"prompt: is of no form that holds a question; it is {prompt[:60]!r}")
    return question.lower()


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

    def key(self, question: BenchmarkQuestion) -> str:
        """LLaVA's answers name the image and repeat the question."""
        return f"{question.fields['image_id']} {question.text.lower()}"

    def answered(self, record: Mapping[str, Any]) -> str:
        """Find the question in the prompt; that of `remgcl eval` is a field of its own."""
        if isinstance(record.get("image_id"), str) and isinstance(record.get("question"), str):
            return f"{record['image_id']} {record['question'].lower()}"
        return f"{record.get('question_id')} {question_in(str(record.get('prompt', '')))}"

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
