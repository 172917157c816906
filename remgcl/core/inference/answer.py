"""What a model answers: a text that knows how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from remgcl.core.model.answering import Answering, Finish
    from remgcl.core.model.generate import Prompt


class Answer(str):
    """The text of an answer.

    Attributes:
        finish: Why it ended: ``stop`` if the model or a stop string ended it, ``length`` if it reached its limit.
        tokens: How many tokens were generated, the one that ended it included.
        cut: How many tokens of the prompt did not fit the context.
    """

    __slots__ = ("cut", "finish", "tokens")

    finish: Finish
    tokens: int
    cut: int

    def __new__(cls, text: str, **facts: Any) -> Self:  # noqa: ANN401 - the attributes
        """Join a text and how it ended.

        Args:
            text: The answer.
            **facts: The attributes.
        """
        answer = super().__new__(cls, text)
        for name, value in facts.items():
            setattr(answer, name, value)
        return answer

    @classmethod
    def of(cls, prompt: Prompt, answering: Answering) -> Answer:
        """Make the answer from the generated tokens.

        Args:
            prompt: The prompt.
            answering: The generated tokens.
        """
        return cls(
            answering.text,
            finish=answering.finish or "stop",
            tokens=answering.generated,
            cut=prompt.example.tokens.cut,
        )
