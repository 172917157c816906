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
        """Whether the answer equals the true one, ignoring surrounding space."""
        return self.answer.strip() == self.sample.turns[-1].text.strip()


def exact_match(answered: Sequence[Answered]) -> float:
    """Return the share of right answers, from 0 to 1.

    Args:
        answered: At least one answer.
    """
    return sum(each.right for each in answered) / len(answered)
