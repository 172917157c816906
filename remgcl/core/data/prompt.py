"""A conversation shortened to a prompt that fits, from its oldest text on.

The end of a prompt says what to do: the question, and the mark behind which the
assistant speaks. So text goes from the front, and the end always stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from attrs import evolve

from remgcl.core.data.tokens import IMAGE, Tokens
from remgcl.core.samples import Turn

Write: TypeAlias = Callable[[Sequence[Turn]], Tokens]
"""Renders turns by a template and tokenizes them."""


def fit_prompt(turns: Sequence[Turn], write: Write, length: int, image_tokens: int) -> Tokens:
    """Write a prompt, shortened from the text of its oldest turns where it is too long.

    Exchanges before the question lose their text first, from its beginning, and
    go as a whole once they have none and show no image. If that does not do, a
    question that takes more than half of the room loses its beginning;
    otherwise the system text does.

    Args:
        turns: A conversation that ends with the user's question.
        write: Renders and tokenizes turns.
        length: Longest prompt in tokens, image included.
        image_tokens: Tokens the image takes.

    Returns:
        The prompt; its `cut` is the number of tokens that went.
    """

    def size(tokens: Tokens) -> int:
        return len(tokens.ids) + (image_tokens - 1) * int((tokens.ids == IMAGE).sum())

    def fitting(least: int, most: int) -> Tokens:
        """Drop as few characters as does; the larger number does."""
        while most - least > 1:
            middle = (least + most) // 2
            least, most = (least, middle) if size(write(shortened(turns, middle))) <= length else (middle, most)
        return write(shortened(turns, most))

    whole = write(turns)
    if size(whole) <= length:
        return whole
    history = sum(len(turn.text) for turn in turns[:-1])
    every = history + len(turns[-1].text)
    alone, frame = (write(shortened(turns, characters)) for characters in (history, every))
    if size(alone) <= length:
        prompt = fitting(0, history)
    elif size(frame) <= length < 2 * (size(alone) - size(frame)):
        prompt = fitting(history, every)
    else:
        prompt = alone.keep_end(length, image_tokens)
    return evolve(prompt, cut=size(whole) - size(prompt))


def shortened(turns: Sequence[Turn], characters: int) -> tuple[Turn, ...]:
    """Drop characters from the front of a conversation's text.

    Args:
        turns: A conversation that ends with the user's question.
        characters: How many to drop; exchanges that are left without text and
            image go as a whole.
    """
    kept: list[Turn] = []
    for turn in turns:
        dropped = min(characters, len(turn.text))
        characters -= dropped
        kept.append(evolve(turn, text=turn.text[dropped:]))
    question = kept.pop()
    exchanges = [kept[at : at + 2] for at in range(0, len(kept), 2)]
    shown = [turn for pair in exchanges for turn in pair if any(each.text or each.image for each in pair)]
    return (*shown, question)
