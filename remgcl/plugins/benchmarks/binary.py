"""MME and POPE: questions to be answered by yes or no."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from attrs import evolve, frozen

from remgcl import BenchmarkProtocol, BenchmarkQuestion, DataError, listed
from remgcl.plugins.benchmarks.files import SHORT, Files, Published, Row

ASKED = "Please answer yes or no."
"""What MME's questions end with."""

CATEGORIES = ("random", "popular", "adversarial")

IMAGES = (".jpg", ".png", ".jpeg", ".JPG", ".PNG")


@frozen(kw_only=True)
class Mme(Published):
    """MME: two questions about each image, in 14 tasks of perception and cognition.

    Protocols: `llava` and `lmms-eval` replace the words at the end of a question by a suffix; `published` leaves it as
    it is.
    """

    obtain: ClassVar[str] = (
        "put the folders of MME's release, one for each task with a text file for each image, or the Parquet files of "
        "lmms-lab-encoder/MME there"
    )
    licence: ClassVar[str] = "research, on request from its authors"

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """As LLaVA and lmms-eval ask, and as published."""
        llava = BenchmarkProtocol(
            source="LLaVA", split="test", metric="mme", template="{question}" + SHORT, remove=(ASKED,)
        )
        published = evolve(llava, source="MME", template="{question}", remove=())
        return {
            "llava": llava,
            "lmms-eval": evolve(llava, source="lmms-eval", max_new_tokens=16),
            "published": published,
        }

    def rows(self, files: Files, split: str) -> Iterable[Row]:
        """Read Parquet, or else the folders of the tasks."""
        held = files.parquet(split)
        if held is not None:
            return [{**row, "name": str(row["question_id"]).rpartition("/")[2]} for row in held]
        texts = [*files.found("*/*.txt"), *files.found("*/questions_answers_YN/*.txt")]
        if not texts:
            raise files.missing("TASK/IMAGE.txt")
        return [row for path in texts for row in _pair(files, path)]

    def question(self, row: Row, place: int) -> BenchmarkQuestion:
        """Join the two questions of an image by its name."""
        task, name = str(row["category"]), str(row["name"])
        return BenchmarkQuestion(
            id=f"{task}/{name}/{place}",
            text=row["question"],
            answers=(row["answer"],),
            picture=evolve(row["image"], name=f"{task}/{name}"),
            type=task,
            fields={"answer": row["answer"], "category": task},
        )


def _pair(files: Files, path: Path) -> Iterator[dict[str, Any]]:
    """Read the questions of an image: a line each, the answer behind a tab."""
    inner = path.parent.name == "questions_answers_YN"
    task = path.parent.parent.name if inner else path.parent.name
    folder = f"{task}/images" if inner else task
    names = [f"{path.stem}{suffix}" for suffix in IMAGES]
    name = next((name for name in names if (files.folder / folder / name).is_file()), names[0])
    lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        text, tab, answer = line.rpartition("\t")
        if not tab:
            raise DataError(f"{path}: line {number}: must be a question and an answer with a tab between")
        yield {
            "question": text,
            "answer": answer.strip(),
            "category": task,
            "name": name,
            "image": files.picture(name, folder),
        }


@frozen(kw_only=True)
class Pope(Published):
    """POPE: whether an object is in a COCO image, by three ways to choose those that are not."""

    obtain: ClassVar[str] = (
        "put coco_pope_random.json, coco_pope_popular.json, coco_pope_adversarial.json of the POPE repository and "
        "COCO's val2014/, or the Parquet files of lmms-lab-encoder/POPE there"
    )
    licence: ClassVar[str] = "MIT; the images are COCO's"

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """With the suffix of LLaVA and lmms-eval."""
        llava = BenchmarkProtocol(source="LLaVA", split="test", metric="pope", template="{question}" + SHORT)
        return {"llava": llava}

    def rows(self, files: Files, split: str) -> Iterable[Row]:
        """Read Parquet, or else the lines of each category."""
        held = files.parquet(split)
        if held is not None:
            return [{**row, "label": row["answer"], "text": row["question"]} for row in held]
        rows = []
        for category in CATEGORIES:
            lines = files.lines(f"coco_pope_{category}.json", f"coco/coco_pope_{category}.json")
            rows += [
                {**row, "category": category, "image": files.picture(row["image"], "val2014", "")} for row in lines
            ]
        return rows

    def question(self, row: Row, place: int) -> BenchmarkQuestion:
        """Name it by category and number."""
        del place
        category, label = str(row["category"]), row["label"]
        if label not in {"yes", "no"}:
            raise DataError(f"pope: question {row['question_id']!r}: label: must be one of {listed(('yes', 'no'))}")
        return BenchmarkQuestion(
            id=f"{category}-{row['question_id']}",
            text=row["text"],
            answers=(label,),
            picture=row["image"],
            type=category,
            fields={"label": label, "category": category},
        )
