"""A conversation with a model, turn by turn, about at most one image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from attrs import define, field

from remgcl.core.inference.question import Question, without_placeholder
from remgcl.core.samples import Turn

if TYPE_CHECKING:
    from PIL.Image import Image

    from remgcl.core.inference.loaded import LoadedModel


@define(eq=False)
class Conversation:
    """A conversation with a model.

    Attributes:
        model: Who answers.
        image: The image that the conversation is about, shown in its first turn.
        turns: The turns so far; texts only, without special tokens.
    """

    model: LoadedModel
    image: Image | None = None
    turns: list[Turn] = field(factory=list)

    def show(self, image: Image | None) -> None:
        """Start over with another image.

        Args:
            image: The image; None talks without one.
        """
        self.image = image
        self.turns.clear()

    def reset(self) -> None:
        """Forget what was said; the image stays."""
        self.turns.clear()

    def say(self, text: str, **decoding: Any) -> Iterator[str]:  # noqa: ANN401 - fields of Decoding
        """Say something, and yield the answer piece by piece.

        Both are kept once the answer has ended; of an answer that is left, what was yielded so far.

        Args:
            text: What to say.
            **decoding: Fields of `Decoding`.

        Raises:
            RequestError: The message cannot be used; the conversation stays unchanged.
        """
        shown = self.image is not None and not self.turns
        said = Turn("user", without_placeholder(text) if shown else text, image=shown)
        pieces: list[str] = []
        question = Question((*self.turns, said), self.image)
        try:
            for piece in self.model.stream(question, **decoding):
                pieces.append(piece)
                yield piece
        except GeneratorExit:
            self._keep(said, pieces)
            raise
        self._keep(said, pieces)

    def _keep(self, said: Turn, pieces: list[str]) -> None:
        self.turns += [said, Turn("assistant", "".join(pieces))]
