"""GQA and VQAv2: short answers about photographs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from attrs import frozen

from remgcl import BenchmarkProtocol, BenchmarkQuestion
from remgcl.plugins.benchmarks.files import SHORT, Files, Published, Row


@frozen(kw_only=True)
class Gqa(Published):
    """GQA: 12,578 balanced questions of the set testdev."""

    obtain: ClassVar[str] = (
        "put testdev_balanced_questions.json and images/ of the GQA download, or the Parquet files of both "
        "configurations of lmms-lab-encoder/GQA there"
    )
    licence: ClassVar[str] = "CC-BY-4.0"
    groups: ClassVar[tuple[str, ...]] = ("structural",)

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """With the suffix of LLaVA and lmms-eval."""
        llava = BenchmarkProtocol(
            source="LLaVA", split="testdev", metric="gqa", template="{question}" + SHORT, max_new_tokens=128
        )
        return {"llava": llava}

    def rows(self, files: Files, split: str) -> Iterable[Row]:
        """Read Parquet, whose images are apart, or else the questions."""
        held = files.parquet(split, within=f"{split}_balanced_instructions")
        if held is not None:
            shown = files.parquet(split, within=f"{split}_balanced_images") or []
            images = {row["id"]: row["image"] for row in shown}
            return [{**row, "image": images[row["imageId"]]} for row in held]
        read = files.json(f"{split}_balanced_questions.json", f"questions/{split}_balanced_questions.json")
        return [
            {**row, "id": id_, "image": files.picture(f"{row['imageId']}.jpg", "images", "")}
            for id_, row in read.items()
        ]

    def question(self, row: Row, place: int) -> BenchmarkQuestion:
        """Keep the structural type."""
        del place
        types = row.get("types") or {}
        return BenchmarkQuestion(
            id=str(row["id"]),
            text=row["question"],
            answers=(row["answer"],),
            picture=row["image"],
            fields={"structural": types["structural"]} if types.get("structural") else {},
        )


@frozen(kw_only=True)
class VqaV2(Published):
    """VQAv2: questions of the validation set with ten answers; those of the test sets are scored by a server only."""

    obtain: ClassVar[str] = (
        "put v2_OpenEnded_mscoco_val2014_questions.json, v2_mscoco_val2014_annotations.json of visualqa.org and COCO's "
        "val2014/, or the Parquet files of lmms-lab-encoder/VQAv2 there"
    )
    licence: ClassVar[str] = "CC-BY-4.0; the images are COCO's"
    groups: ClassVar[tuple[str, ...]] = ("answer_type",)

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """With the suffix of LLaVA and lmms-eval."""
        llava = BenchmarkProtocol(source="LLaVA", split="val", metric="vqa-official", template="{question}" + SHORT)
        return {"llava": llava}

    def rows(self, files: Files, split: str) -> Iterable[Row]:
        """Read Parquet, or else the questions joined with the annotations."""
        held = files.parquet(split, "validation" if split == "val" else split)
        if held is not None:
            return held
        names = (f"v2_OpenEnded_mscoco_{split}2014_questions.json", f"v2_mscoco_{split}2014_annotations.json")
        asked, answered = (files.json(name, split=split) for name in names)
        known = {row["question_id"]: row for row in answered["annotations"]}
        return [
            {**known[row["question_id"]], **row, "image": files.picture(_coco(row["image_id"], split), f"{split}2014")}
            for row in asked["questions"]
        ]

    def question(self, row: Row, place: int) -> BenchmarkQuestion:
        """Take the text of each of the ten answers."""
        del place
        answers = tuple(each["answer"] if isinstance(each, Mapping) else each for each in row["answers"])
        return BenchmarkQuestion(
            id=str(row["question_id"]),
            text=row["question"],
            answers=answers,
            picture=row["image"],
            fields={"answer_type": row["answer_type"]} if row.get("answer_type") else {},
        )


def _coco(image: int, split: str) -> str:
    return f"COCO_{split}2014_{image:012d}.jpg"
