"""Questions without a model: text and places answer them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal

from attrs import field, frozen
from attrs.validators import and_, ge, le, min_len

from remgcl import Ask, Candidate, Evidence, Generator
from remgcl.plugins.generators.lines import lines_of
from remgcl.plugins.generators.questions import TYPES, Made, Page

Type = Literal[
    "above",
    "below",
    "right",
    "largest",
    "smallest",
    "sum",
    "difference",
    "row",
    "count",
    "alphabetical",
    "letters",
]


@frozen(kw_only=True)
class Compose(Generator):
    """Compose questions that the lines of text answer by their places, numbers and order, with the steps to the answer.

    It asks no model and costs nothing. Answers are right by construction, as far as OCR is; a question is asked only
    where the lines leave no doubt. Data of a language model must beat these.

    Attributes:
        types: Which sorts of question are asked.
        per_image: Most questions about an image, of as many types as it allows.
        steps: Whether the answer tells the steps to it, or is short.
        least_confidence: Lines less certain are not asked about.
        seed: Seeds the choice of questions.
    """

    types: tuple[Type, ...] = field(default=tuple(TYPES), validator=min_len(1))
    per_image: int = field(default=4, validator=ge(1))
    steps: bool = True
    least_confidence: float = field(default=0.8, validator=and_(ge(0.0), le(1.0)))
    seed: int = field(default=0, validator=ge(0))

    async def __call__(self, evidence: Evidence, ask: Ask) -> Sequence[Candidate]:
        """Ask of each type in turn, in an order by chance."""
        del ask
        random = Random(f"{self.seed} {evidence.digest}")
        page = Page(tuple(lines_of(evidence.regions, self.least_confidence)), random)
        made = {kind: random.sample(held, len(held)) for kind in self.types if (held := list(TYPES[kind](page)))}
        kinds = random.sample(sorted(made), len(made))
        turns = ((kind, made[kind][turn]) for turn in range(self.per_image) for kind in kinds if turn < len(made[kind]))
        return [self._candidate(kind, one) for (kind, one), _ in zip(turns, range(self.per_image), strict=False)]

    @property
    def most(self) -> int:
        """As many as an image may have."""
        return self.per_image

    def _candidate(self, kind: str, made: Made) -> Candidate:
        return Candidate(
            question=made.question,
            answer=made.steps if self.steps else made.short,
            type=kind,
            regions=tuple(line.place for line in made.lines),
            facts={"short": made.short},
        )
