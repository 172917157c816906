"""The server with OpenAI's own client: answers, streams, limits, errors, and load."""

import base64
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import openai
import pytest
from attrs import evolve
from PIL import Image

from remgcl.core.inference.fetch import Fetcher
from remgcl.core.inference.loaded import LoadedModel

Serve = Callable[..., str]

HELLO = [{"role": "user", "content": "What?"}]


def client(address: str, key: str = "none") -> openai.OpenAI:
    """Make OpenAI's client, without retries."""
    return openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0, timeout=120)


def data_url(image: Image.Image) -> str:
    """Write an image as a data URL."""
    held = BytesIO()
    image.save(held, "PNG")
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"


def about(image: str, text: str) -> list[dict[str, Any]]:
    """Make messages about an image."""
    parts = [{"type": "image_url", "image_url": {"url": image}}, {"type": "text", "text": text}]
    return [{"role": "user", "content": parts}]


def ask(chat: openai.OpenAI, messages: list[dict[str, Any]] = HELLO, **settings: Any) -> Any:  # noqa: ANN401 - the client's types
    """Ask the small model."""
    return chat.chat.completions.create(model="small", messages=messages, **settings)  # type: ignore[call-overload]


def test_answers_are_those_of_the_model(serve: Serve, asked_model: LoadedModel) -> None:
    chat = client(serve())
    picture = Image.effect_noise((40, 30), 90).convert("RGB")
    for messages, expected in (
        (HELLO, asked_model.ask(None, "What?", max_new_tokens=9)),
        (about(data_url(picture), "What?"), asked_model.ask(picture, "What?", max_new_tokens=9)),
    ):
        found = ask(chat, messages, max_tokens=9)
        assert found.choices[0].message.content == expected
        assert found.choices[0].finish_reason == expected.finish
        assert found.usage.completion_tokens == expected.tokens
        assert found.usage.total_tokens == found.usage.prompt_tokens + expected.tokens
    assert [model.id for model in chat.models.list()] == ["small"]


def test_the_prompt_is_counted_with_the_image(serve: Serve, asked_model: LoadedModel) -> None:
    chat = client(serve())
    text = ask(chat, max_tokens=1).usage.prompt_tokens
    shown = ask(chat, about(data_url(Image.new("RGB", (9, 9))), "What?"), max_tokens=1).usage.prompt_tokens
    assert shown == text + asked_model.encoder.tower.tokens + len("\n")


def test_settings_reach_the_model(serve: Serve, asked_model: LoadedModel) -> None:
    chat = client(serve())
    sampled = {"temperature": 1.5, "top_p": 0.9, "seed": 4}
    expected = asked_model.ask(None, "What?", max_new_tokens=9, **sampled)
    assert ask(chat, max_completion_tokens=9, **sampled).choices[0].message.content == expected
    whole = asked_model.ask(None, "What?", max_new_tokens=40)
    stop = whole[9:12]
    cut = ask(chat, max_tokens=40, stop=[stop])
    assert cut.choices[0].message.content == whole.partition(stop)[0].strip()
    assert cut.choices[0].finish_reason == "stop"
    assert ask(chat, max_tokens=3).choices[0].finish_reason == "length"


def test_a_stream_is_the_answer_piece_by_piece(serve: Serve, asked_model: LoadedModel) -> None:
    expected = asked_model.ask(None, "What?", max_new_tokens=20)
    chunks = list(ask(client(serve()), max_tokens=20, stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == expected
    assert len([piece for piece in pieces if piece]) > 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == expected.finish
    assert chunks[-1].usage.completion_tokens == expected.tokens


def test_several_models_are_told_apart(serve: Serve, asked_model: LoadedModel, build_model: Callable[..., Any]) -> None:
    other = LoadedModel(
        name="other",
        recipe=asked_model.recipe,
        stage="tune",
        model=build_model(seed=1).eval(),
        encoder=asked_model.encoder,
        context=256,
    )
    chat = client(serve(asked_model, other))
    assert [model.id for model in chat.models.list()] == ["small", "other"]
    for model in (asked_model, other):
        found = chat.chat.completions.create(model=model.name, messages=HELLO, max_tokens=9)  # type: ignore[arg-type]
        assert found.choices[0].message.content == model.ask(None, "What?", max_new_tokens=9)
    with pytest.raises(openai.NotFoundError, match="no model 'smal'; did you mean 'small'"):
        chat.chat.completions.create(model="smal", messages=HELLO)  # type: ignore[arg-type]


PIXEL = data_url(Image.new("RGB", (1, 1)))


@pytest.mark.parametrize(
    ("messages", "settings", "told"),
    [
        ([], {}, "messages: must be a list of at least one message"),
        ([{"role": "user", "content": 3}], {}, "content: must be a text or a list of parts"),
        (about("data:image/png;base64,AAAA", "What?"), {}, "image 'data URL': cannot be read"),
        (about("data:image/png;base64,?", "What?"), {}, "is not in base64"),
        (about("/etc/passwd", "What?"), {}, "is no data URL; send the image as a data URL"),
        (about("https://example.org/a.png", "What?"), {}, "is an address, and this server fetches no addresses"),
        ([{"role": "user", "content": [{"type": "image", "image": "/etc/hostname"}]}], {}, "is no data URL"),
        (HELLO, {"temperature": -1}, "temperature: must be a number of at least 0; it is -1"),
        (HELLO, {"top_p": 2}, "top_p: must be above 0 and at most 1; it is 2"),
        (HELLO, {"max_tokens": 65}, "max_tokens: may be 64 at most; it is 65"),
        (HELLO, {"max_tokens": "many"}, "max_tokens: must be of type int; it is 'many'"),
        (HELLO, {"stop": [1]}, "stop: must be a text or a list of texts"),
        (HELLO, {"n": 2}, "n: is not supported"),
        (HELLO, {"logprobs": True}, "logprobs: is not supported"),
        (HELLO, {"response_format": {"type": "json_object"}}, "response_format: is not supported"),
    ],
)
def test_a_bad_request_is_refused_with_its_reason(
    serve: Serve, messages: list[dict[str, Any]], settings: dict[str, Any], told: str
) -> None:
    chat = client(serve(max_new_tokens=64))
    with pytest.raises(openai.BadRequestError, match=told):
        ask(chat, messages, **settings)
    assert ask(chat, max_tokens=2).usage.completion_tokens <= 2


def test_what_is_no_json_is_refused(serve: Serve) -> None:
    address = serve()
    for body in (b"{", b"[]", b"\xff", b"[" * 100_000):
        found = httpx.post(f"{address}/v1/chat/completions", content=body, timeout=60)
        assert found.status_code == 400, body[:9]
        assert found.json()["error"]["type"] == "invalid_request_error"
    assert httpx.get(f"{address}/health").json()["status"] == "ok"


def test_large_requests_and_images_are_refused(serve: Serve) -> None:
    chat = client(serve(body_bytes=20_000, pixels=1000))
    with pytest.raises(openai.APIStatusError, match="the request is larger than 20000 bytes") as caught:
        ask(chat, [{"role": "user", "content": "x" * 30_000}])
    assert caught.value.status_code == 413
    with pytest.raises(openai.BadRequestError, match="100 x 20 is too large; a square may have 1000 pixels"):
        ask(chat, about(data_url(Image.new("RGB", (100, 20))), "What?"))
    assert ask(chat, max_tokens=2)


def test_an_answer_that_takes_too_long_is_an_error_and_ends(serve: Serve, asked_model: LoadedModel) -> None:
    chat = client(serve(seconds=0.02))
    with pytest.raises(openai.APIStatusError, match=r"the answer takes longer than 0\.02 seconds") as caught:
        ask(chat, max_tokens=200)
    assert caught.value.status_code == 504
    with pytest.raises(openai.APIError, match=r"the answer takes longer than 0\.02 seconds"):
        list(ask(chat, max_tokens=200, stream=True))
    assert asked_model.ask(None, "What?", max_new_tokens=2)


def test_a_key_is_asked_for_where_there_is_one(serve: Serve) -> None:
    address = serve(key="secret")
    with pytest.raises(openai.AuthenticationError, match="the API key is missing or wrong"):
        ask(client(address, "other"))
    assert ask(client(address, "secret"), max_tokens=2)
    assert httpx.get(f"{address}/v1/models").status_code == 401
    assert httpx.get(f"{address}/metrics").status_code == 401
    assert httpx.get(f"{address}/health").status_code == 200


def test_a_client_that_leaves_disturbs_nobody(serve: Serve, asked_model: LoadedModel) -> None:
    address = serve(queue=4)
    host, port = address.removeprefix("http://").split(":")
    for stream in (True, False):
        body = json.dumps({"messages": HELLO, "max_tokens": 200, "stream": stream}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        for _ in range(3):
            with socket.create_connection((host, int(port))) as left:
                left.sendall(head + body)
                time.sleep(0.05)
    expected = asked_model.ask(None, "What?", max_new_tokens=9)
    deadline = time.monotonic() + 60
    while "remgcl_requests_in_flight 0.0" not in httpx.get(f"{address}/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ask(client(address), max_tokens=9).choices[0].message.content == expected


def test_addresses_are_fetched_from_listed_hosts_only(serve: Serve, asked_model: LoadedModel, folder: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    files = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    Thread(target=files.serve_forever, daemon=True).start()
    at = f"http://127.0.0.1:{files.server_address[1]}/red.png"
    listed = Fetcher(hosts=["127.0.0.1"])
    with pytest.raises(openai.BadRequestError, match="must begin with https://"):
        ask(client(serve(fetcher=listed)), about(at, "What?"))
    chat = client(serve(fetcher=evolve(listed, private=["127.0.0.1"])))
    found = ask(chat, about(at, "What?"), max_tokens=9)
    assert found.choices[0].message.content == asked_model.ask(folder / "red.png", "What?", max_new_tokens=9)
    with pytest.raises(openai.BadRequestError, match=r"host 'example\.org' is not allowed"):
        ask(chat, about("https://example.org/a.png", "What?"))
    files.shutdown()
    files.server_close()


def test_nothing_is_lost_or_mixed_up_under_load(serve: Serve, asked_model: LoadedModel) -> None:
    """200 requests, 32 at once, every tenth a bad one."""
    questions = [f"Number {place}? {'And why? ' * (place % 5)}" for place in range(200)]
    expected = asked_model.generate(questions, batch_size=16, max_new_tokens=8)
    assert len(set(expected)) > 100
    address = serve(batch_size=16, queue=64)
    chat = client(address)

    def send(place: int) -> str:
        if place % 10 == 9:
            with pytest.raises(openai.BadRequestError, match="cannot be read"):
                ask(chat, about("data:image/png;base64,AAAA", questions[place]))
            return "refused"
        said = [{"role": "user", "content": questions[place]}]
        if place % 3:
            return str(ask(chat, said, max_tokens=8).choices[0].message.content)
        chunks = ask(chat, said, max_tokens=8, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(send, range(200)))
    assert found == ["refused" if place % 10 == 9 else text for place, text in enumerate(expected)]
    metrics = httpx.get(f"{address}/metrics").text
    assert 'remgcl_requests_total{status="200"} 180.0' in metrics
    assert 'remgcl_requests_total{status="400"} 20.0' in metrics
    assert "remgcl_requests_in_flight 0.0" in metrics
    batches = next(line for line in metrics.splitlines() if line.startswith("remgcl_batch_size_count"))
    assert float(batches.split()[1]) < 120


def test_a_full_queue_refuses_and_recovers(serve: Serve) -> None:
    chat = client(serve(queue=2, batch_size=1))
    told: list[tuple[str, str]] = []

    def send(_: int) -> int:
        raw = chat.chat.completions.with_raw_response
        try:
            return raw.create(model="small", messages=HELLO, max_tokens=100).status_code  # type: ignore[arg-type]
        except openai.RateLimitError as error:
            told.append((str(error), error.response.headers["retry-after"]))
            return 429

    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(send, range(12)))
    assert statuses.count(429) == len(told) > 0
    assert all("the queue is full; 2 requests are accepted at once" in text for text, _ in told)
    assert {after for _, after in told} == {"1"}
    assert 200 in statuses
    assert send(0) == 200
