"""Templates that break one promise each."""

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from remgcl import Piece, Template, Turn
from remgcl.testing import conformance


@frozen(kw_only=True)
class Good(Template):
    """Write roles before what is said."""

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - as in the contract
        """Write it."""
        del tokenizer
        pieces: list[Piece] = []
        for turn in turns:
            if turn.role == "user":
                pieces += [Piece("U: "), *turn.pieces, Piece(" A:")]
            else:
                pieces.append(Piece(f" {turn.text}\n", learned=True))
        return tuple(pieces)


@frozen(kw_only=True)
class Blind(Good):
    """Leave out an image that comes late."""

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - as in the contract
        """Show an image at the front only."""
        pieces = super().render(turns, tokenizer)
        return tuple(piece for place, piece in enumerate(pieces) if not piece.image or place < 3)


@frozen(kw_only=True)
class Repeats(Good):
    """Write the first question twice."""

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - as in the contract
        """Begin with it."""
        return (Piece(f"{turns[0].text} "), *super().render(turns, tokenizer))


@frozen(kw_only=True)
class Parrot(Good):
    """Learn the questions too."""

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - as in the contract
        """Mark each as learned."""
        asked = {turn.text for turn in turns if turn.role == "user"}
        pieces = super().render(turns, tokenizer)
        return tuple(Piece(piece.text, learned=True) if piece.text.strip() in asked else piece for piece in pieces)


@frozen(kw_only=True)
class Empty(Good):
    """Learn an empty piece first."""

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - as in the contract
        """Put it there."""
        return (Piece("", learned=True), *super().render(turns, tokenizer))


@frozen(kw_only=True)
class Open(Good):
    """End the prompt before the assistant's role."""

    def render(self, turns: Sequence[Turn], tokenizer: Any) -> tuple[Piece, ...]:  # noqa: ANN401 - as in the contract
        """Leave it out."""
        pieces = super().render(turns, tokenizer)
        return pieces if turns[-1].role == "assistant" else pieces[:-1]


TestGood = conformance(Good())
TestBlind = conformance(Blind())
TestRepeats = conformance(Repeats())
TestParrot = conformance(Parrot())
TestEmpty = conformance(Empty())
TestOpen = conformance(Open())
