"""Drawn numbers and words that no training has seen, as a benchmark: by content, length and size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from attrs import field, frozen
from attrs.validators import ge, min_len

from remgcl import Benchmark, BenchmarkProtocol, BenchmarkQuestion, Picture
from remgcl.plugins.datasets.synthetic import Synthetic, SyntheticSamples

Content: TypeAlias = Literal["digits", "letters", "words"]


@frozen(kw_only=True)
class SyntheticBenchmark(Benchmark):
    """Drawn texts of each content, length and height, none of which the dataset `synthetic` draws for training.

    Its tables are by content and length, by height in pixels, and by the third of the image where the text stands.

    Attributes:
        samples: Images of each content, length and height.
        content: What is written.
        lengths: Characters of a text.
        heights: Heights of the letters in pixels.
        size: Height and width of an image in pixels.
        held_out: Share of all texts that training leaves out, as in the dataset.
        question: What is asked.
        seed: Seed of the drawings.
    """

    groups: ClassVar[tuple[str, ...]] = ("height", "place")

    samples: int = field(default=32, validator=ge(1))
    content: tuple[Content, ...] = field(default=("digits",), validator=min_len(1))
    lengths: tuple[int, ...] = field(default=(2, 3), validator=min_len(1))
    heights: tuple[int, ...] = field(default=(14, 20, 25, 30), validator=min_len(1))
    size: int = field(default=96, validator=ge(16))
    held_out: float = 0.2
    question: str = "Read."
    seed: int = 1000

    def protocols(self) -> Mapping[str, BenchmarkProtocol]:
        """The whole text, or the text among others."""
        exact = BenchmarkProtocol(source="remgcl", split="held_out", metric="exact", max_new_tokens=16)
        contained = BenchmarkProtocol(source="remgcl", split="held_out", metric="ocrbench", max_new_tokens=64)
        return {"exact": exact, "contained": contained}

    def questions(self, folder: Path, split: str) -> Sequence[BenchmarkQuestion]:
        """Draw nothing yet; each image is drawn when it is asked about."""
        del folder
        cells = [(what, long, high) for what in self.content for long in self.lengths for high in self.heights]
        return [question for cell in cells for question in self._cell(*cell, split)]

    def _cell(self, content: Content, length: int, height: int, split: str) -> Iterator[BenchmarkQuestion]:
        data = Synthetic(
            samples=self.samples,
            split="train" if split == "train" else "held_out",
            held_out=self.held_out,
            content=content,
            length=length,
            size=self.size,
            font=(height, height),
            question=self.question,
            seed=self.seed,
        )
        drawn = data.build()
        kind = f"{content}, {length} long"
        for place in range(len(drawn)):
            sample = drawn[place]
            middle = sum(y for region in sample.regions for _, y in region.quad) / (4 * len(sample.regions))
            third = ("top", "middle", "bottom")[min(2, int(3 * middle / self.size))]
            yield BenchmarkQuestion(
                id=f"{content}-{length}-{height}-{place}",
                text=self.question,
                answers=(sample.turns[-1].text,),
                picture=Picture(name=f"{content}-{length}-{height}-{place}.png", content=_Drawing(drawn, place)),
                type=kind,
                fields={"content": content, "length": length, "height": height, "place": third},
                regions=sample.regions,
            )


@frozen
class _Drawing:
    """Draws an image when it is called."""

    drawn: SyntheticSamples
    place: int

    def __call__(self) -> bytes:
        held = BytesIO()
        image = self.drawn[self.place].image
        if image is not None:
            image.save(held, "PNG")
        return held.getvalue()
