"""Endpoints: what is sent, what comes back, and what each failure is called."""

from __future__ import annotations

import base64
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from attrs import evolve
from PIL import Image

from remgcl import ChatError, ChatReply, ChatRequest, RequestError
from remgcl.plugins.chat_models import OpenAi
from tests.plugins.chat_models.conftest import Endpoint, Send, completion

pytest.importorskip("openai", reason="the extra 'openai' is not installed")

RequestOf = Callable[..., ChatRequest]
Start = Callable[..., Endpoint]


def test_a_request_is_sent_as_openai_has_it(
    endpoint: Start, request_of: RequestOf, send: Send, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "secret-key")
    server = endpoint()
    part = OpenAi(model="gpt", base_url=server.url, key_env="A_KEY", extra={"top_k": 1})
    (reply,) = send(part, [request_of("one two", picture, max_new_tokens=5, seed=3, stop=("\n",))])
    assert isinstance(reply, ChatReply)
    assert (reply.text, reply.finish, reply.model) == ("one two", "stop", "served")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.images) == (7, 2, 1)
    body, headers = server.received[0]
    assert headers["authorization"] == "Bearer secret-key"
    shown, text = body["messages"][0]["content"]
    assert text == {"type": "text", "text": "one two"}
    head, _, held = shown["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    with Image.open(BytesIO(base64.b64decode(held))) as sent:
        assert sent.convert("RGB").tobytes() == picture.tobytes()
    rest = {name: value for name, value in body.items() if name != "messages"}
    assert rest == {"model": "gpt", "max_tokens": 5, "temperature": 0.0, "seed": 3, "stop": ["\n"], "top_k": 1}


def test_fields_that_an_endpoint_does_not_take_are_left_out(endpoint: Start, request_of: RequestOf, send: Send) -> None:
    server = endpoint(lambda _: (200, {}, completion("yes")))
    part = OpenAi(
        model="o", base_url=server.url, length_key="max_completion_tokens", omit=("temperature", "seed", "stop")
    )
    send(part, [request_of("?", seed=3, stop=("x",))])
    body, _ = server.received[0]
    assert body.keys() == {"model", "messages", "max_completion_tokens"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, "busy"),
        (500, "failed"),
        (503, "failed"),
        (401, "denied"),
        (403, "denied"),
        (404, "denied"),
        (400, "refused"),
        (413, "refused"),
        (422, "refused"),
    ],
)
def test_a_status_says_what_to_do(endpoint: Start, request_of: RequestOf, send: Send, status: int, kind: str) -> None:
    server = endpoint(lambda _: (status, {}, '{"error": {"message": "not  today"}}'))
    (error,) = send(OpenAi(model="m", base_url=server.url), [request_of("?")])
    assert isinstance(error, ChatError)
    assert (error.kind, error.wait) == (kind, None)
    assert f"{server.url}: HTTP {status}: " in str(error)
    assert "not today" in str(error)
    assert len(server.received) == 1  # nothing is tried again here


@pytest.mark.parametrize(("told", "wait"), [("2.5", 2.5), ("-1", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
def test_a_busy_endpoint_says_how_long_to_wait(
    endpoint: Start, request_of: RequestOf, send: Send, told: str, wait: float | None
) -> None:
    server = endpoint(lambda _: (429, {"Retry-After": told}, "later"))
    (error,) = send(OpenAi(model="m", base_url=server.url), [request_of("?")])
    assert isinstance(error, ChatError)
    assert error.wait == wait


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<html>Bad gateway</html>", "replied with something else than a completion: <html>Bad gateway</html>"),
        ("{}", "replied with something else than a completion"),
        ('{"choices": []}', "replied with something else than a completion"),
        ('{"choices": [{"message": {"content": "ye', "replied with something else than a completion"),
        ("[1]", "replied with something else than a completion"),
        (completion(None), "replied with a completion without a text"),
        (completion(["yes"]), "replied with a completion without a text"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_completion_is_a_failure_and_never_a_reply(
    endpoint: Start, request_of: RequestOf, send: Send, body: str, told: str
) -> None:
    kind = "text/html" if body.startswith("<") else "application/json"
    server = endpoint(lambda _: (200, {"Content-Type": kind}, body))
    (error,) = send(OpenAi(model="m", base_url=server.url), [request_of("?")])
    assert isinstance(error, ChatError)
    assert error.kind == "failed"
    assert told in str(error)


@pytest.mark.parametrize(
    ("body", "ended"),
    [
        (completion("half a", finish="length"), ("half a", "length")),
        (completion("", finish="content_filter"), ("", "refused")),
        (completion(None, refusal="I will not."), ("I will not.", "refused")),
        (completion("", finish="stop"), ("", "stop")),
    ],
)
def test_a_reply_says_how_it_ended(
    endpoint: Start, request_of: RequestOf, send: Send, body: str, ended: tuple[str, str]
) -> None:
    server = endpoint(lambda _: (200, {}, body))
    (reply,) = send(OpenAi(model="m", base_url=server.url), [request_of("?")])
    assert isinstance(reply, ChatReply)
    assert (reply.text, reply.finish) == ended


def test_a_dropped_connection_and_a_slow_reply_are_failures(endpoint: Start, request_of: RequestOf, send: Send) -> None:
    import time

    def slow(_: object) -> tuple[int, dict[str, str], str]:
        time.sleep(0.5)
        return 200, {}, completion("late")

    dropped = OpenAi(model="m", base_url=endpoint(lambda _: (0, {}, "")).url)
    late = OpenAi(model="m", base_url=endpoint(slow).url, timeout=0.1)
    for part, told in ((dropped, "cannot be reached"), (late, r"no reply within 0.1 s")):
        (error,) = send(part, [request_of("?")])
        assert isinstance(error, ChatError)
        assert error.kind == "failed"
        assert told in str(error)


def test_a_key_stands_in_no_error_and_no_identity(
    endpoint: Start, request_of: RequestOf, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "secret-key")
    server = endpoint(lambda _: (401, {}, "wrong key: secret-key"))
    part = OpenAi(model="m", base_url=server.url, key_env="A_KEY")
    (error,) = send(part, [request_of("?")])
    assert "wrong key: ***" in str(error)
    assert "secret" not in f"{error!r}{part.identity()}"


def test_a_key_that_is_not_set_is_an_error_before_anything_is_sent(
    endpoint: Start, request_of: RequestOf, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("A_KEY", raising=False)
    server = endpoint()
    with pytest.raises(RequestError, match=r"^key_env: the environment variable 'A_KEY' is not set or empty$"):
        send(OpenAi(model="m", base_url=server.url, key_env="A_KEY"), [request_of("?")])
    assert server.received == []


def test_requests_are_sent_side_by_side(endpoint: Start, request_of: RequestOf, send: Send) -> None:
    from threading import Barrier

    together = Barrier(8, timeout=20)

    def meet(body: dict[str, Any]) -> tuple[int, dict[str, str], str]:
        together.wait()
        return 200, {}, completion(body["messages"][0]["content"][0]["text"])

    part = OpenAi(model="m", base_url=endpoint(meet).url)
    replies = send(part, [request_of(f"question {place}") for place in range(8)])
    assert [reply.text for reply in replies if isinstance(reply, ChatReply)] == [f"question {i}" for i in range(8)]


def test_what_decides_the_replies_changes_the_identity() -> None:
    part = OpenAi(model="m", base_url="http://127.0.0.1:1/v1")
    others = [
        evolve(part, model="n"),
        evolve(part, base_url="http://127.0.0.1:2/v1"),
        evolve(part, image_format="jpeg"),
        evolve(part, extra={"top_k": 1}),
    ]
    assert len({part.identity(), *(other.identity() for other in others)}) == 5
    assert evolve(part, concurrency=3, timeout=1.0, key_env="A").identity() == part.identity()
