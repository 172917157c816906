"""A conversation: what was said is what is asked next, as text."""

from collections.abc import Callable

import pytest

from remgcl import RequestError, Sample, Turn
from remgcl.core.inference.conversation import Conversation
from remgcl.core.inference.loaded import LoadedModel


def test_each_turn_is_asked_with_those_before(asked_model: LoadedModel, ask: Callable[..., Sample]) -> None:
    conversation = Conversation(asked_model, ask().image)
    first = "".join(conversation.say("What?", max_new_tokens=6))
    second = "".join(conversation.say("Where?", max_new_tokens=6))
    messages = [
        {"role": "user", "content": [{"type": "image", "image": ask().image}, {"type": "text", "text": "What?"}]},
        {"role": "assistant", "content": first},
        {"role": "user", "content": "Where?"},
    ]
    assert first == asked_model.ask(ask().image, "What?", max_new_tokens=6)
    assert second == asked_model.chat(messages, max_new_tokens=6)
    assert conversation.turns == [
        Turn("user", "What?", image=True),
        Turn("assistant", first),
        Turn("user", "Where?"),
        Turn("assistant", second),
    ]


def test_the_prompt_has_one_beginning_mark_however_many_turns(asked_model: LoadedModel) -> None:
    conversation = Conversation(asked_model)
    for _ in range(3):
        list(conversation.say("What?", max_new_tokens=4))
    tokenizer = asked_model.tokenizer
    pieces = asked_model.template.render(conversation.turns, tokenizer)
    text = "".join(piece.text for piece in pieces)
    assert text.count("<s>") == 0
    assert text.count("</s>") == 3


def test_a_reset_keeps_the_image_and_another_image_begins_anew(
    asked_model: LoadedModel, ask: Callable[..., Sample]
) -> None:
    conversation = Conversation(asked_model, ask().image)
    first = "".join(conversation.say("What?", max_new_tokens=6))
    conversation.reset()
    assert "".join(conversation.say("What?", max_new_tokens=6)) == first
    conversation.show(None)
    assert conversation.turns == []
    assert "".join(conversation.say("What?", max_new_tokens=6)) == asked_model.ask(None, "What?", max_new_tokens=6)


def test_what_cannot_be_asked_is_not_kept(asked_model: LoadedModel) -> None:
    conversation = Conversation(asked_model)
    with pytest.raises(RequestError, match="temperature"):
        list(conversation.say("What?", temperature=-1))
    assert conversation.turns == []


def test_an_answer_that_is_left_is_kept_as_far_as_it_was_read(asked_model: LoadedModel) -> None:
    conversation = Conversation(asked_model)
    pieces = conversation.say("What?", max_new_tokens=60)
    read = next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert conversation.turns == [Turn("user", "What?"), Turn("assistant", read)]
