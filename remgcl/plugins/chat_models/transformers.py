"""Any model of transformers that chats, with images or without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from itertools import groupby
from typing import Any, Literal

from attrs import define, field, frozen
from attrs.validators import ge

from remgcl import Chat, ChatError, ChatModel, ChatReply, ChatRequest, ChatUsage, WeightsError, identity_of, in_batches


@frozen(kw_only=True)
class Transformers(ChatModel):
    """A folder or hub id that transformers reads: an image-text-to-text model, or a text model.

    The prompt is that of the model's own chat template and processor. Replies are greedy unless a request asks for
    sampling, whatever `generation_config.json` says.

    Attributes:
        model: The folder or hub id.
        revision: Commit, tag or branch of the hub.
        device: Where it runs; a GPU if there is one.
        dtype: Type of the weights; float32 on a CPU, that of the files on a GPU.
        batch_size: Requests answered at once.
        template: Settings of the chat template, such as ``{enable_thinking = false}``.
        processor: Settings of the processor, such as ``{max_pixels = 1003520}``.
    """

    revision: str | None = None
    device: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    batch_size: int = field(default=8, validator=ge(1))
    template: dict[str, Any] = field(factory=dict)
    processor: dict[str, Any] = field(factory=dict)

    @property
    def sees(self) -> bool:
        """Whether the configuration is that of a model that takes images."""
        from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

        return type(self._config()) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    @property
    def at_once(self) -> int:
        """Two batches: one waits while the other is answered."""
        return 2 * self.batch_size

    def identity(self) -> str:
        """Name weights, template, processor and type."""
        chosen = (self.revision, self.dtype, sorted(self.template.items()), sorted(self.processor.items()))
        return f"transformers {identity_of(self.model)} {chosen!r}"

    def open(self) -> AbstractAsyncContextManager[Chat]:
        """Load the model and its processor."""
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Chat]:
        model = self._load()
        async with in_batches(model.answer, self.batch_size) as chat:
            yield chat

    def _config(self) -> Any:  # noqa: ANN401 - transformers is untyped
        from transformers import AutoConfig

        with _reading(self.model):
            return AutoConfig.from_pretrained(self.model, revision=self.revision)

    def _load(self) -> _Model:
        import torch
        from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

        place = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        kind = getattr(torch, self.dtype) if self.dtype else torch.float32 if place == "cpu" else "auto"
        sees, named = self.sees, {"revision": self.revision}
        auto, reader = (AutoModelForImageTextToText, AutoProcessor) if sees else (AutoModelForCausalLM, AutoTokenizer)
        with _reading(self.model):
            model = auto.from_pretrained(self.model, dtype=kind, **named).to(place).eval()
            processor = reader.from_pretrained(self.model, **named, **self.processor)
        tokenizer = processor.tokenizer if sees else processor
        if not (getattr(processor, "chat_template", None) or tokenizer.chat_template):
            raise WeightsError(f"{self.model}: has no chat template, so it cannot be asked; name a chat model")
        tokenizer.padding_side = "left"
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return _Model(self.model, model, processor, tokenizer, self.template, sees)


@define(eq=False)
class _Model:
    """A loaded model.

    Attributes:
        name: What it is called.
        model: The model of transformers.
        processor: Its processor, or its tokenizer if it takes no images.
        tokenizer: Its tokenizer, which pads on the left.
        template: Settings of its chat template.
        sees: Whether it takes images.
    """

    name: str
    model: Any
    processor: Any
    tokenizer: Any
    template: Mapping[str, Any]
    sees: bool

    def answer(self, requests: Sequence[ChatRequest]) -> list[ChatReply | Exception]:
        """Answer requests, those of equal settings in one batch; a sampled one with a seed alone."""
        replies: dict[int, ChatReply | Exception] = {}
        places = []
        for place, request in enumerate(requests):
            if request.images and not self.sees:
                replies[place] = ChatError(f"{self.name}: takes no images", "refused")
            else:
                places.append(place)
        order = sorted(places, key=lambda place: repr(_batch_of(requests[place], place)))
        for _, group in groupby(order, key=lambda place: _batch_of(requests[place], place)):
            together = list(group)
            answered = self._answer([requests[place] for place in together])
            replies |= zip(together, answered, strict=True)
        return [replies[place] for place in range(len(requests))]

    def _answer(self, requests: Sequence[ChatRequest]) -> list[ChatReply]:
        import torch

        first = requests[0]
        inputs = self._encoded(requests)
        prompt = inputs["input_ids"].shape[1]
        if first.seed is not None:
            torch.manual_seed(first.seed)
        with torch.inference_mode(), _own_settings(self.model) as own:
            ids = self.model.generate(**inputs, generation_config=self._settings(first, own), **self._stops(first))
        lengths = inputs["attention_mask"].sum(dim=1).tolist()
        return [
            self._reply(request, row[prompt:].tolist(), length)
            for request, row, length in zip(requests, ids, lengths, strict=True)
        ]

    def _encoded(self, requests: Sequence[ChatRequest]) -> Any:  # noqa: ANN401 - a batch of transformers
        """Write the prompts by the chat template, and encode them with their images."""
        first = requests[0]
        conversations = [[_message(message, parts=self.sees) for message in each.messages] for each in requests]
        texts = [
            self.processor.apply_chat_template(each, tokenize=False, add_generation_prompt=True, **self.template)
            for each in conversations
        ]
        begin = self.tokenizer.bos_token
        written = not self.sees or bool(begin and all(text.startswith(begin) for text in texts))
        images = {"images": [list(each.images) for each in requests]} if first.images else {}
        encoded = self.processor(
            text=texts, **images, padding=True, return_tensors="pt", add_special_tokens=not written
        )
        kind = {"dtype": self.model.dtype} if self.sees and first.images else {}  # of pixels; ids stay whole numbers
        return encoded.to(self.model.device, **kind)

    def _settings(self, request: ChatRequest, own: Any) -> Any:  # noqa: ANN401 - a configuration of transformers
        from transformers import GenerationConfig

        end = own.eos_token_id if own.eos_token_id is not None else self.tokenizer.eos_token_id
        sampled = request.temperature > 0
        chosen = {"temperature": request.temperature, "top_p": request.top_p, "top_k": 0} if sampled else {}
        return GenerationConfig(
            max_new_tokens=request.max_new_tokens,
            do_sample=sampled,
            eos_token_id=end,
            pad_token_id=self.tokenizer.pad_token_id,
            **chosen,
        )

    def _stops(self, request: ChatRequest) -> dict[str, Any]:
        return {"stop_strings": list(request.stop), "tokenizer": self.tokenizer} if request.stop else {}

    def _reply(self, request: ChatRequest, ids: list[int], length: int) -> ChatReply:
        """Cut an answer where it ends."""
        own = self.model.generation_config.eos_token_id
        ends = {self.tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])}
        ended = next((place for place, token in enumerate(ids) if token in ends), None)
        text = self.tokenizer.decode(ids if ended is None else ids[:ended], skip_special_tokens=True)
        stops = [place for stop in request.stop if (place := text.find(stop)) >= 0]
        used = len(ids) if ended is None else ended + 1
        usage = ChatUsage(prompt_tokens=length, completion_tokens=used, images=len(request.images))
        finish: Literal["stop", "length"] = "length" if ended is None and not stops else "stop"
        return ChatReply(text=text[: min(stops, default=None)].strip(), finish=finish, usage=usage, model=self.name)


def _batch_of(request: ChatRequest, place: int) -> tuple[object, ...]:
    """Name the batch of a request: equal settings, with images or without."""
    settings = (request.max_new_tokens, request.temperature, request.top_p, request.stop)
    return (bool(request.images), *settings, place if request.temperature > 0 else -1)


def _message(message: Mapping[str, Any], *, parts: bool) -> dict[str, Any]:
    """Write the content of a message as the template wants it: parts, or one text."""
    content = message["content"]
    if parts:
        return {**message, "content": [{"type": "text", "text": content}] if isinstance(content, str) else content}
    if isinstance(content, str):
        return dict(message)
    return {**message, "content": "\n".join(part["text"] for part in content if part["type"] == "text")}


@contextmanager
def _own_settings(model: Any) -> Iterator[Any]:  # noqa: ANN401 - transformers' models are untyped
    """Hide the settings of generation that came with the weights, of which `generate` takes what is not named."""
    from transformers import GenerationConfig

    own = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield own
    finally:
        model.generation_config = own


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what transformers raises on a folder that it cannot read into a clear error."""
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise WeightsError(f"{name}: cannot be read by transformers; {str(error).partition(chr(10))[0]}") from error
