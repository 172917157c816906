"""Models of this machine: replies of a batch are those of single requests, and what cannot be asked is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve
from PIL import Image

import remgcl
from remgcl import ChatError, ChatModel, ChatReply, ChatRequest, WeightsError
from remgcl.plugins.chat_models import Remgcl, Transformers
from tests.plugins.chat_models.conftest import Send

RequestOf = Callable[..., ChatRequest]

TEXTS = ("What?", "Is there any text in this picture, and if so, which?", "A", "Read. " * 5, "Where? Why?")


def texts(replies: list[ChatReply | ChatError]) -> list[str]:
    """Give the texts of replies that came."""
    assert all(isinstance(reply, ChatReply) for reply in replies), replies
    return [reply.text for reply in replies if isinstance(reply, ChatReply)]


@pytest.fixture(params=["remgcl", "llava", "text"])
def part(request: pytest.FixtureRequest) -> ChatModel:
    """A chat model of each kind that runs here."""
    if request.param == "remgcl":
        return Remgcl(model=str(request.getfixturevalue("trained")), device="cpu")
    folder = "vision_folder" if request.param == "llava" else "text_folder"
    return Transformers(model=request.getfixturevalue(folder), device="cpu")


def test_a_batch_of_mixed_lengths_has_the_replies_of_single_requests(
    part: ChatModel, request_of: RequestOf, send: Send, picture: Image.Image
) -> None:
    shown = [picture.rotate(40 * place) if part.sees and place % 2 else None for place in range(len(TEXTS))]
    requests = [request_of(text, image, max_new_tokens=12) for text, image in zip(TEXTS, shown, strict=True)]
    alone = texts(send(evolve(part, batch_size=1), requests))  # type: ignore[call-arg]
    assert texts(send(evolve(part, batch_size=8), requests)) == alone  # type: ignore[call-arg]
    assert len(set(alone)) > 2


def test_each_request_has_its_own_settings(part: ChatModel, request_of: RequestOf, send: Send) -> None:
    whole = texts(send(part, [request_of("What?", max_new_tokens=20)]))[0]
    stop = whole[2:4]
    short, cut, sampled, again = send(
        part,
        [
            request_of("What?", max_new_tokens=2),
            request_of("What?", max_new_tokens=20, stop=(stop,)),
            request_of("What?", max_new_tokens=20, temperature=2.0, seed=1),
            request_of("What?", max_new_tokens=20, temperature=2.0, seed=1),
        ],
    )
    assert isinstance(short, ChatReply)
    assert (short.finish, short.usage.completion_tokens) == ("length", 2)
    assert texts([cut]) == [whole.partition(stop)[0].strip()]
    assert texts([sampled]) == texts([again]) != [whole]


def test_the_replies_of_a_run_are_those_of_the_loaded_model(
    trained: Path, request_of: RequestOf, send: Send, picture: Image.Image
) -> None:
    model = remgcl.load(trained, device="cpu")
    expected = model.ask(picture, "Read.", max_new_tokens=8)
    (reply,) = send(Remgcl(model=str(trained), device="cpu"), [request_of("Read.", picture)])
    assert isinstance(reply, ChatReply)
    assert (reply.text, reply.finish, reply.usage.completion_tokens) == (expected, expected.finish, expected.tokens)


def test_a_question_that_does_not_fit_is_refused_and_the_others_are_answered(
    trained: Path, request_of: RequestOf, send: Send
) -> None:
    part = Remgcl(model=str(trained), device="cpu")
    long, usual = send(part, [request_of("What?", max_new_tokens=10**6), request_of("What?")])
    assert isinstance(long, ChatError)
    assert long.kind == "refused"
    assert "leave no room for a question" in str(long)
    assert isinstance(usual, ChatReply)


def test_the_identity_of_a_run_changes_with_its_weights_and_its_template(trained: Path, tmp_path: Path) -> None:
    import shutil

    part = Remgcl(model=str(trained))
    copied = tmp_path / "copied"
    shutil.copytree(trained, copied)
    assert evolve(part, model=str(copied)).identity() == part.identity()
    others = [evolve(part, stage="first").identity(), evolve(part, template="plain").identity()]
    assert len({part.identity(), *others}) == 3


def test_the_identity_of_a_folder_changes_with_its_weights(vision_folder: str, tmp_path: Path) -> None:
    import shutil

    copied = tmp_path / "copied"
    shutil.copytree(vision_folder, copied)
    assert remgcl.identity_of(copied) == remgcl.identity_of(vision_folder)
    weights = bytearray((copied / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copied / "model.safetensors").write_bytes(weights)
    assert remgcl.identity_of(copied) != remgcl.identity_of(vision_folder)


def test_what_is_no_model_is_named(tmp_path: Path, send: Send) -> None:
    for part in (Transformers(model=str(tmp_path)), Transformers(model=str(tmp_path / "none"))):
        with pytest.raises(WeightsError, match="cannot be read by transformers"):
            send(part, [])
    with pytest.raises(WeightsError, match=r"no such folder, and no such model in the cache"):
        Transformers(model="nobody/nothing").identity()


def test_a_model_without_a_chat_template_cannot_be_asked(text_folder: str, tmp_path: Path, send: Send) -> None:
    import shutil

    shutil.copytree(text_folder, tmp_path / "bare")
    (tmp_path / "bare" / "chat_template.jinja").unlink()
    with pytest.raises(WeightsError, match="bare: has no chat template, so it cannot be asked"):
        send(Transformers(model=str(tmp_path / "bare"), device="cpu"), [])


def test_settings_of_generation_beside_the_weights_do_not_count(
    text_folder: str, tmp_path: Path, request_of: RequestOf, send: Send
) -> None:
    import json
    import shutil

    shutil.copytree(text_folder, tmp_path / "other")
    config = tmp_path / "other" / "generation_config.json"
    told = json.loads(config.read_text())
    config.write_text(json.dumps(told | {"do_sample": True, "temperature": 5.0, "repetition_penalty": 9.0}))
    one, other = (Transformers(model=folder, device="cpu") for folder in (text_folder, str(tmp_path / "other")))
    requests = [request_of(text, max_new_tokens=20) for text in TEXTS]
    assert texts(send(one, requests)) == texts(send(other, requests))
