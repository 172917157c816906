"""ChartQA."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from attrs import evolve, frozen

from remgcl import BenchmarkProtocol, BenchmarkQuestion
from remgcl.plugins.benchmarks.files import SHORT, Files, Published, Row

KINDS = ("human", "augmented")


@frozen(kw_only=True)
class ChartQa(Published):
    """ChartQA: 1,250 questions by people and 1,250 that were made by a model.

    Protocols: `lmms-eval` asks for a single word, `llava` for a single word or phrase.
    """

    obtain: ClassVar[str] = (
        "put test/test_human.json, test/test_augmented.json and test/png/ of the ChartQA repository, or the Parquet "
        "files of lmms-lab-encoder/ChartQA there"
    )
    licence: ClassVar[str] = "GPL-3.0"

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """As lmms-eval asks, and with LLaVA's suffix."""
        word = "{question}\nAnswer the question with a single word."
        lmms = BenchmarkProtocol(source="lmms-eval", split="test", metric="relaxed", template=word, max_new_tokens=16)
        return {
            "lmms-eval": lmms,
            "llava": evolve(lmms, source="LLaVA", template="{question}" + SHORT, max_new_tokens=128),
        }

    def rows(self, files: Files, split: str) -> Iterable[Row]:
        """Read Parquet, or else both lists."""
        held = files.parquet(split)
        if held is not None:
            return [{**row, "label": row["answer"], "query": row["question"]} for row in held]
        return [
            {**row, "type": kind, "image": files.picture(row["imgname"], f"{split}/png", "png")}
            for kind in KINDS
            for row in files.json(f"{split}/{split}_{kind}.json", f"{split}_{kind}.json")
        ]

    def question(self, row: Row, place: int) -> BenchmarkQuestion:
        """Name it by kind and place."""
        kind = str(row["type"]).partition("_")[0]
        answers = tuple(row["label"]) if isinstance(row["label"], list) else (row["label"],)
        return BenchmarkQuestion(
            id=f"{kind}-{place}", text=row["query"], answers=answers, picture=row["image"], type=kind
        )
