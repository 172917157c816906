"""MM-Vet, LLaVA-Bench (in the wild) and LLaVA's qa90: long answers that a chat model judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from attrs import frozen

from remgcl import BenchmarkProtocol, BenchmarkQuestion, DataError, Picture
from remgcl.plugins.benchmarks.files import Files, Published, Row

GRADE = """Grade an answer to a question about an image that you do not see. Compare it with the true answer, in which \
<AND> joins parts that must all be there and <OR> joins parts of which one must be there.

Examples, with the grade of each:
Question: What is x in the equation? True answer: -1 <AND> -5. Answer: x = 3. Grade: 0.0
Question: What is x in the equation? True answer: -1 <AND> -5. Answer: x = -1. Grade: 0.5
Question: What is x in the equation? True answer: -1 <AND> -5. Answer: x = -5 or x = -1. Grade: 1.0

Question: {question}
True answer: {answers}
Answer: {prediction}

Reply with the grade alone, a number from 0.0 to 1.0 with one digit behind the point."""
"""How a judge grades an answer of MM-Vet; the words are this project's."""

PAIR = """Two assistants answered a question about an image. You do not see it; this is what it shows:

{context}

Question: {question}

The answer of assistant 1:
{reference}

The answer of assistant 2:
{prediction}

Rate how helpful, relevant, accurate and detailed each answer is, from 1 to 10. The first line of your reply holds the \
two ratings alone, that of assistant 1 first, with one space between them. Give your reasons below; the order of the \
answers must not matter."""
"""How a judge rates the reference and an answer of LLaVA-Bench; the words are this project's."""


@frozen(kw_only=True)
class MmVet(Published):
    """MM-Vet: 218 questions that need several abilities at once; a judge grades the answers from 0 to 1.

    The published judge was gpt-4-0613; grades of another judge are not comparable.
    """

    obtain: ClassVar[str] = (
        "put mm-vet.json and images/ of the MM-Vet release, or the Parquet files of lmms-lab-encoder/MMVet there"
    )
    licence: ClassVar[str] = "CC-BY-NC-4.0"

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """The question alone, as LLaVA asks."""
        llava = BenchmarkProtocol(
            source="LLaVA",
            split="test",
            metric="judge",
            metric_settings=("form=grade",),
            max_new_tokens=1024,
            judge=GRADE,
        )
        return {"llava": llava}

    def rows(self, files: Files, split: str) -> Iterable[Row]:
        """Read Parquet, or else the table of questions."""
        held = files.parquet(split)
        if held is not None:
            return held
        read = files.json("mm-vet.json")
        return [
            {**row, "question_id": id_, "image": files.picture(row["imagename"], "images", "")}
            for id_, row in read.items()
        ]

    def question(self, row: Row, place: int) -> BenchmarkQuestion:
        """Group it by the abilities that it needs."""
        del place
        needs = row["capability"]
        return BenchmarkQuestion(
            id=str(row["question_id"]),
            text=row["question"],
            answers=(row["answer"],),
            picture=row["image"],
            type=needs if isinstance(needs, str) else ", ".join(sorted(needs)),
        )


@frozen(kw_only=True)
class LlavaBench(Published):
    """LLaVA-Bench (in the wild): 60 questions about 24 images; a judge rates reference and answer.

    The published judge was gpt-4-0314; ratings of another judge are not comparable.
    """

    obtain: ClassVar[str] = (
        "put questions.jsonl, context.jsonl, answers_gpt4.jsonl and images/ of liuhaotian/llava-bench-in-the-wild, or "
        "the Parquet files of lmms-lab-encoder/llava-bench-in-the-wild there"
    )
    licence: ClassVar[str] = "CC-BY-NC-4.0"
    asked: ClassVar[str] = "questions.jsonl"
    shown: ClassVar[str] = "context.jsonl"
    references: ClassVar[tuple[str, ...]] = ("answers_gpt4.jsonl",)

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """The question alone, as LLaVA asks."""
        llava = BenchmarkProtocol(source="LLaVA", split="train", metric="judge", max_new_tokens=1024, judge=PAIR)
        return {"llava": llava}

    def rows(self, files: Files, split: str) -> Iterable[Row]:
        """Read Parquet, or else the questions, joined with context and reference by their ids."""
        held = files.parquet(split)
        if held is not None:
            return [
                {**row, "text": row["question"], "context": row["caption"], "reference": row["gpt_answer"]}
                for row in held
            ]
        contexts = {row["image"]: row for row in files.lines(self.shown)}
        references = {row["question_id"]: row["text"] for row in files.lines(*self.references)}
        return [self._row(row, contexts, references, files) for row in files.lines(self.asked)]

    def _row(
        self, row: Row, contexts: Mapping[str, Row], references: Mapping[Any, str], files: Files
    ) -> dict[str, Any]:
        if row["question_id"] not in references or row["image"] not in contexts:
            raise DataError(f"{files.folder}: question {row['question_id']!r}: has no reference answer or no context")
        context = contexts[row["image"]]
        caption = context.get("caption", context.get("captions", ""))
        return {
            **row,
            "context": caption if isinstance(caption, str) else "\n".join(caption),
            "reference": references[row["question_id"]],
            "image": _picture(files, row["image"]),
        }

    def question(self, row: Row, place: int) -> BenchmarkQuestion:
        """Keep what the judge sees."""
        del place
        return BenchmarkQuestion(
            id=str(row["question_id"]),
            text=row["text"],
            picture=row["image"],
            type=row["category"],
            fields={"context": row["context"], "reference": row["reference"]},
        )


@frozen(kw_only=True)
class Qa90(LlavaBench):
    """LLaVA's qa90: 90 questions about 30 COCO images, of conversation, detail and reasoning."""

    obtain: ClassVar[str] = (
        "put qa90_questions.jsonl, caps_boxes_coco2014_val_80.jsonl and qa90_gpt4_answer.jsonl of LLaVA's "
        "playground/data and COCO's val2014/ there"
    )
    licence: ClassVar[str] = "CC-BY-NC-4.0; the images are COCO's"
    asked: ClassVar[str] = "*qa90_questions.jsonl"
    shown: ClassVar[str] = "caps_boxes_coco2014_val_80.jsonl"
    references: ClassVar[tuple[str, ...]] = ("qa90_gpt4_answer.jsonl", "*gpt4_answer*.jsonl")


def _picture(files: Files, name: str) -> Picture:
    """Find an image by its name, or by that with COCO's prefix."""
    for each in (name, f"COCO_val2014_{name}"):
        picture = files.picture(each, "images", "val2014", "")
        if picture.file is not None and picture.file.is_file():
            return picture
    return files.picture(name, "images")
