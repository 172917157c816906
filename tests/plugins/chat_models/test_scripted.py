"""Scripts: replies from a list, a file or a function."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from remgcl import ChatError, ChatReply, ChatRequest, DataError, RequestError
from remgcl.plugins.chat_models import Scripted
from tests.plugins.chat_models.conftest import Send

RequestOf = Callable[..., ChatRequest]


def said(reply: ChatReply | ChatError) -> str:
    """Give the text of a reply."""
    assert isinstance(reply, ChatReply)
    return reply.text


def test_a_list_is_repeated_in_the_order_of_the_requests(request_of: RequestOf, send: Send) -> None:
    replies = send(Scripted(replies=("a", "b")), [request_of("?")] * 5)
    assert list(map(said, replies)) == ["a", "b", "a", "b", "a"]


def test_a_file_has_the_reply_to_each_question(request_of: RequestOf, send: Send, tmp_path: Path) -> None:
    file = tmp_path / "replies.jsonl"
    file.write_text("".join(json.dumps({"question": f"{n}?", "reply": f"{n}."}) + "\n" for n in range(3)))
    part = Scripted(file=str(file))
    *known, unknown = send(part, [request_of("2?"), request_of("0?"), request_of("9?")])
    assert list(map(said, known)) == ["2.", "0."]
    assert isinstance(unknown, ChatError)
    assert (unknown.kind, str(unknown)) == ("refused", "there is no reply to '9?'")
    before = part.identity()
    file.write_text("[]")
    assert part.identity() != before
    with pytest.raises(DataError, match=r"replies\.jsonl: is no file of replies"):
        send(part, [])


def test_a_function_sees_the_request(
    request_of: RequestOf, send: Send, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "script_of_a_test.py").write_text("def reply(request):\n    return request.question[::-1]\n")
    monkeypatch.syspath_prepend(tmp_path)
    (reply,) = send(Scripted(function="script_of_a_test:reply"), [request_of("abc")])
    assert said(reply) == "cba"
    with pytest.raises(RequestError, match="function: 'operator:nothing' cannot be imported"):
        send(Scripted(function="operator:nothing"), [])


def test_a_reply_that_is_too_long_is_cut(request_of: RequestOf, send: Send) -> None:
    (reply,) = send(Scripted(replies=("one two three",)), [request_of("?", max_new_tokens=2)])
    assert isinstance(reply, ChatReply)
    assert (reply.text, reply.finish) == ("one two", "length")


def test_there_must_be_one_script() -> None:
    with pytest.raises(ValueError, match="must name one of 'replies', 'file' and 'function'"):
        Scripted()
    with pytest.raises(ValueError, match="must name one of"):
        Scripted(replies=("a",), file="b")
