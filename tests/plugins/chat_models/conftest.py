"""Tiny models: a run, folders of transformers, and an endpoint that plays a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from remgcl import Chat, ChatError, ChatModel, ChatReply, ChatRequest, Engine, RunFolder
from tests.small_recipe import RECIPE

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}"
    "{% endif %}{% endfor %}{% endif %}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)

Send = Callable[..., list[ChatReply | ChatError]]
Answer = Callable[[dict[str, Any]], tuple[int, dict[str, str], str]]


@pytest.fixture
def picture() -> Image.Image:
    """A small picture."""
    return Image.linear_gradient("L").resize((40, 30)).convert("RGB")


@pytest.fixture
def request_of() -> Callable[..., ChatRequest]:
    """Make a request of a text, with an image or without."""

    def make(text: str, image: Image.Image | None = None, **settings: Any) -> ChatRequest:  # noqa: ANN401 - fields of a request
        shown = [{"type": "image", "image": image}] if image else []
        messages = [{"role": "user", "content": [*shown, {"type": "text", "text": text}]}]
        return ChatRequest(messages=messages, **{"max_new_tokens": 8, **settings})

    return make


@pytest.fixture
def send() -> Send:
    """Send requests to a chat model side by side; where one has no reply, its error is given."""

    async def one(chat: Chat, request: ChatRequest) -> ChatReply | ChatError:
        try:
            return await chat.send(request)
        except ChatError as error:
            return error

    def make(part: ChatModel, requests: Sequence[ChatRequest]) -> list[ChatReply | ChatError]:
        async def run() -> list[ChatReply | ChatError]:
            async with part.open() as chat:
                return list(await asyncio.gather(*(one(chat, request) for request in requests)))

        return asyncio.run(run())

    return make


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Path:
    """A run of the small recipe whose weights are nearly random, so that its answers depend on the question."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "small.toml").write_text(RECIPE)
    slow = [f"stages.{stage}.learning_rate=1e-9" for stage in ("first", "second")]
    recipe = engine.read(folder / "small.toml", ["backbone.deviation=0.3", *slow])
    engine.run(recipe, RunFolder(folder / "small"), Console(quiet=True), "small.toml")
    return folder / "small"


@pytest.fixture(scope="session")
def vision_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of transformers with a tiny LLaVA of random weights."""
    import torch
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    from remgcl.plugins.backbones.tiny import TinyBackbone

    folder = tmp_path_factory.mktemp("llava")
    tokenizer = TinyBackbone().build_tokenizer()
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    tokenizer.chat_template = TEMPLATE
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    text = LlamaConfig(
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        vocab_size=len(tokenizer),
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.3,
    )
    torch.manual_seed(0)
    image = tokenizer.convert_tokens_to_ids("<image>")
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=image, vision_feature_layer=-1)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = LlavaProcessor(
        images, tokenizer, patch_size=8, vision_feature_select_strategy="default", num_additional_image_tokens=1
    )
    processor.chat_template = TEMPLATE
    processor.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of transformers with a tiny text model of random weights."""
    import torch

    from remgcl.plugins.backbones.tiny import TinyBackbone

    folder = tmp_path_factory.mktemp("text")
    torch.manual_seed(0)
    backbone = TinyBackbone(width=32, layers=1, heads=2, mlp=32, deviation=0.3)
    backbone.build().save_pretrained(folder)  # type: ignore[operator]
    tokenizer = backbone.build_tokenizer()
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return str(folder)


class Endpoint:
    """An endpoint that answers by a function of the request: status, headers, body."""

    def __init__(self, answer: Answer) -> None:
        """Start it."""
        self.answer = answer
        self.received: list[tuple[dict[str, Any], dict[str, str]]] = []
        lock = Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    outer.received.append((body, {name.lower(): value for name, value in self.headers.items()}))
                status, headers, text = outer.answer(body)
                if not status:
                    self.connection.close()
                    return
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def close(self) -> None:
        """Stop it."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def completion(text: str | None, *, finish: str = "stop", used: int = 1, **message: object) -> str:
    """Write a completion."""
    choice = {"message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return json.dumps(
        {"model": "served", "choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": used}}
    )


def echo(body: dict[str, Any]) -> tuple[int, dict[str, str], str]:
    """Say what is said, cut to as many words as are wanted."""
    content = body["messages"][-1]["content"]
    words = (content if isinstance(content, str) else content[-1]["text"]).split()[: body["max_tokens"]]
    return 200, {}, completion(" ".join(words), used=len(words))


@pytest.fixture
def endpoint() -> Iterator[Callable[..., Endpoint]]:
    """Start endpoints; they stop with the test."""
    started: list[Endpoint] = []

    def start(answer: Answer = echo) -> Endpoint:
        started.append(Endpoint(answer))
        return started[-1]

    yield start
    for each in started:
        each.close()
