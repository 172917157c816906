"""The contract of chat models: messages with images to text, many requests at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

from attrs import field, frozen
from attrs.validators import min_len

from remgcl.core.parts.part import Part
from remgcl.core.parts.promise import is_a, returns, text, that, whole

if TYPE_CHECKING:
    from PIL.Image import Image

Finish: TypeAlias = Literal["stop", "length", "refused"]
"""Why a reply ended: by itself, at its limit, or because the model or a filter refused to answer."""


@frozen(kw_only=True, eq=False)
class ChatRequest:
    """A conversation that waits for its next message, and how that is decoded.

    Attributes:
        messages: An optional system message, then user and assistant alternating, the user's last:
            ``{"role": ..., "content": ...}``. Content is a text or a list of parts: ``{"type": "text", "text": TEXT}``
            or ``{"type": "image", "image": IMAGE}`` with a Pillow image in RGB.
        max_new_tokens: Longest reply in tokens.
        temperature: Divides the logits before sampling; 0 takes the most probable token.
        top_p: Share of the probability that is sampled from.
        seed: Seed of the sampling.
        stop: Texts that end the reply; they are not part of it.
    """

    messages: Sequence[Mapping[str, Any]]
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[Image, ...]:
        """All images, in the order they are shown."""
        return tuple(part["image"] for _, part in self._parts() if part["type"] == "image")

    @property
    def question(self) -> str:
        """The texts of the last message, joined by line breaks."""
        last = len(self.messages) - 1
        return "\n".join(part["text"] for place, part in self._parts() if place == last and part["type"] == "text")

    def _parts(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Return every part of every message, with the place of the message."""
        for place, message in enumerate(self.messages):
            content = message["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            yield from ((place, part) for part in parts)


@frozen(kw_only=True)
class ChatUsage:
    """What a reply took.

    Attributes:
        prompt_tokens: Tokens of the request, those of its images included.
        completion_tokens: Tokens of the reply, reasoning included.
        images: Images of the request.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    images: int = 0


@frozen(kw_only=True)
class ChatReply:
    """The reply to one request.

    Attributes:
        text: What the model says.
        finish: Why it ended.
        usage: What it took.
        model: The name of the model that answered, as the endpoint reports it.
        reasoning: What the model thought before it answered, where it is given apart.
    """

    text: str
    finish: Finish = "stop"
    usage: ChatUsage = ChatUsage()
    model: str = ""
    reasoning: str = ""


@runtime_checkable
class Chat(Protocol):
    """A chat model that is ready to answer."""

    async def send(self, request: ChatRequest) -> ChatReply:
        """Answer a request, whatever other requests are under way.

        Args:
            request: The request; it stays as it is.

        Raises:
            ChatError: There is no reply; the error says whether to try again.
        """


@frozen(kw_only=True)
class ChatModel(Part):
    """Answer messages that may show images.

    A chat model sends each request once: its caller decides what is tried again, and waits.

    Attributes:
        model: The model: a folder, a run, a name that an endpoint knows.
    """

    command: ClassVar[str] = "remgcl eval MODEL --chat {name} --benchmark NAME --out OUT"
    setting: ClassVar[str] = "--chat-set"

    model: str = field(validator=min_len(1))

    @property
    @returns("true or false", that(is_a(bool)))
    def sees(self) -> bool:
        """Whether the model takes images; known without loading it."""
        return True

    @property
    @returns("a whole number of at least 1", that(whole(1)))
    def at_once(self) -> int:
        """How many requests to keep under way: as many as are answered in one batch, or sent side by side."""
        return 1

    @abstractmethod
    @returns("a text that is not empty", that(text))
    def identity(self) -> str:
        """Name all that decides the replies beside the request, without loading the model; never a key.

        Replies are cached and compared by it: another model, template or endpoint has another identity.

        Raises:
            RemgclError: There is no such model.
        """

    @abstractmethod
    @returns("an asynchronous context manager", that(is_a(AbstractAsyncContextManager)))
    def open(self) -> AbstractAsyncContextManager[Chat]:
        """Load or connect on entering, and return what answers; let go on leaving.

        Raises:
            RemgclError: The model cannot be loaded, or something it needs is not there, such as a key.
        """
