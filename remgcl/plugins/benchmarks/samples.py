"""Held-out samples of any dataset as a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path

from attrs import frozen

from remgcl import Benchmark, BenchmarkProtocol, BenchmarkQuestion, DataError, Dataset, Picture, Sample


@frozen(kw_only=True)
class Samples(Benchmark):
    """Samples of a dataset: the last question of each, and its answer as the truth.

    Attributes:
        data: The dataset.
        metric: The rule that scores the answers.
        max_new_tokens: Longest answer in tokens.
    """

    data: Dataset
    metric: str = "exact"
    max_new_tokens: int = 128

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """The question as it is."""
        asked = BenchmarkProtocol(
            source="the dataset", split="all", metric=self.metric, max_new_tokens=self.max_new_tokens
        )
        return {"plain": asked}

    def questions(self, folder: Path, split: str) -> Sequence[BenchmarkQuestion]:
        """Read the samples."""
        del folder, split
        samples = self.data.build()
        return [_question(samples[place], lambda place=place: samples[place]) for place in range(len(samples))]  # type: ignore[misc]


def _question(sample: Sample, again: Callable[[], Sample]) -> BenchmarkQuestion:
    if len(sample.turns) != 2:  # noqa: PLR2004 - a question and its answer
        raise DataError(f"sample {sample.id!r}: has {len(sample.turns)} turns; a question and its answer are due")
    picture = Picture(name=sample.id, content=lambda: png(again())) if sample.image is not None else None
    question, answer = sample.turns
    return BenchmarkQuestion(
        id=sample.id, text=question.text, answers=(answer.text,), picture=picture, regions=sample.regions
    )


def png(sample: Sample) -> bytes:
    """Write the image of a sample as a file.

    Args:
        sample: A sample with an image.
    """
    held = BytesIO()
    if sample.image is not None:
        sample.image.save(held, "PNG")
    return held.getvalue()
