"""A model of this project, or one in a published format that it reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Literal

from attrs import field, frozen
from attrs.validators import ge

from remgcl import Chat, ChatError, ChatModel, ChatReply, ChatRequest, ChatUsage, RemgclError, identity_of, in_batches

if TYPE_CHECKING:
    from remgcl.inference import LoadedModel


@frozen(kw_only=True)
class Remgcl(ChatModel):
    """A run, a stage, a checkpoint, or a folder or hub id in a published format: what `remgcl.load` takes.

    Replies do not depend on the batch they are made in. A conversation may show one image.

    Attributes:
        model: The run, the folder or the hub id.
        stage: The stage of a run; the last one that has a model by default.
        template: The template that conversations are written by; that of the stage by default.
        base: The model that a published LoRA or projector was trained on top of.
        tower: The vision tower of a published model, where the one that it names cannot be found.
        device: Where it runs; a GPU if there is one.
        dtype: Type of the weights; float32 on a CPU, the stage's precision on a GPU.
        batch_size: Requests answered at once.
    """

    stage: str | None = None
    template: str | None = None
    base: str | None = None
    tower: str | None = None
    device: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    batch_size: int = field(default=8, validator=ge(1))

    @property
    def at_once(self) -> int:
        """Two batches: one waits while the other is answered."""
        return 2 * self.batch_size

    def identity(self) -> str:
        """Name weights, template and type."""
        chosen = {name: getattr(self, name) for name in ("template", "base", "tower", "dtype")}
        settings = "".join(f", {name} {value}" for name, value in chosen.items() if value is not None)
        return f"{identity_of(self.model, stage=self.stage)}{settings}"

    def open(self) -> AbstractAsyncContextManager[Chat]:
        """Load the model."""
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Chat]:
        import remgcl

        named = {name: getattr(self, name) for name in ("stage", "template", "base", "tower", "device", "dtype")}
        model = remgcl.load(self.model, **named)
        async with in_batches(lambda requests: _answer(model, requests), self.batch_size) as chat:
            yield chat


def _answer(model: LoadedModel, requests: Sequence[ChatRequest]) -> list[ChatReply | Exception]:
    """Answer requests in one batch; one that cannot be encoded has its error instead of a reply."""
    from remgcl.inference import Answer, Decoding

    prompts, replies = {}, dict[int, ChatReply | Exception]()
    for place, request in enumerate(requests):
        decoding = Decoding(
            max_new_tokens=request.max_new_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            stop=request.stop,
        )
        try:
            prompts[place] = model.prepare(request.messages, decoding)
        except RemgclError as error:
            replies[place] = ChatError(str(error), "refused")
    answers = model.decode([*prompts.values()]) if prompts else []
    for (place, prompt), answering in zip(prompts.items(), answers, strict=True):
        answer = Answer.of(prompt, answering)
        usage = ChatUsage(
            prompt_tokens=model.length(prompt.example),
            completion_tokens=answer.tokens,
            images=len(requests[place].images),
        )
        replies[place] = ChatReply(text=str(answer), finish=answer.finish, usage=usage, model=model.name)
    return [replies[place] for place in range(len(requests))]
