"""Held-out samples, what a model answers, and how many of the answers are right."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from remgcl.core.samples import Sample


@frozen(eq=False)
class Answered:
    """A held-out sample and what a model answers.

    Attributes:
        sample: The sample; its last turn is the true answer.
        answer: What the model says.
        cut: How many tokens of the prompt did not fit.
    """

    sample: Sample
    answer: str
    cut: int = 0

    @property
    def right(self) -> bool:
        """Whether the whole answer is the true one, but for space around it."""
        return self.answer.strip() == self.sample.turns[-1].text.strip()


def exact_match(answered: Sequence[Answered]) -> float:
    """Give the share of right answers, from 0 to 1.

    Args:
        answered: At least one answer.
    """
    return sum(each.right for each in answered) / len(answered)
