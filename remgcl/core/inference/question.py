"""Questions: conversations that wait for an answer, from a picture and a text or from messages with parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from attrs import field, frozen

from remgcl.core.errors import RequestError
from remgcl.core.inference.images import ImageSource, open_image
from remgcl.core.samples import Turn

if TYPE_CHECKING:
    from PIL.Image import Image

Message: TypeAlias = Mapping[str, Any]
"""``{"role": "user", "content": TEXT or [parts]}``, as OpenAI's chat API has it."""

OpenImage: TypeAlias = Callable[[Any], "Image"]
"""Opens the image part of a message."""

PLACEHOLDER = "<image>"
"""Marks the place of an image in LLaVA's data."""


@frozen(eq=False)
class Question:
    """A conversation that ends with the user's turn.

    Attributes:
        turns: User and assistant alternate; at most one turn shows the image.
        image: The image, or None.
        system: The system text; None keeps the template's.
    """

    turns: tuple[Turn, ...]
    image: Image | None = None
    system: str | None = field(default=None)


def asked(text: str, image: ImageSource | None = None) -> Question:
    """Make a question of one turn.

    A placeholder of the image at the front or the end of the text is dropped,
    as the image has its place.

    Args:
        text: The question.
        image: The image it is about.

    Raises:
        DataError: The image cannot be read.
        RequestError: The text is no text.
    """
    if not isinstance(text, str):
        raise RequestError(f"question: must be a text; it is a {type(text).__name__}")
    if image is None:
        return Question((Turn("user", text),))
    return Question((Turn("user", without_placeholder(text), image=True),), open_image(image))


def without_placeholder(text: str) -> str:
    """Drop ``<image>`` at the front or the end of a text, with its line break.

    Args:
        text: A question as LLaVA's data have it.
    """
    bare = text.strip()
    if bare.startswith(PLACEHOLDER):
        return bare.removeprefix(PLACEHOLDER).lstrip()
    if bare.endswith(PLACEHOLDER):
        return bare.removesuffix(PLACEHOLDER).rstrip()
    return text


def from_messages(messages: Sequence[Message], open_part: OpenImage = open_image) -> Question:
    """Make a question of messages.

    Args:
        messages: An optional system message, then user and assistant alternating, the user's last. Content is a text
            or a list of parts: ``{"type": "text", "text": ...}``, ``{"type": "image", "image": ...}`` or
            ``{"type": "image_url", "image_url": {"url": ...}}``.
        open_part: Opens what a part holds as an image.

    Raises:
        DataError: An image cannot be read.
        RequestError: The messages are of another form, or show more than one image.
    """
    if isinstance(messages, str | Mapping) or not isinstance(messages, Sequence) or not messages:
        raise RequestError("messages: must be a list of at least one message")
    system: str | None = None
    turns: list[Turn] = []
    images: list[Image] = []
    for place, message in enumerate(messages):
        where = f"messages[{place}]"
        if not isinstance(message, Mapping):
            raise RequestError(f"{where}: must be a table with 'role' and 'content'; it is a {type(message).__name__}")
        text, shown = _content(message.get("content"), f"{where}.content", open_part)
        role = message.get("role")
        if role in ("system", "developer"):
            if place or shown:
                raise RequestError(f"{where}: a system message comes first and holds text only")
            system = text
            continue
        expected: Literal["user", "assistant"] = "assistant" if len(turns) % 2 else "user"
        if role != expected:
            raise RequestError(f"{where}.role: must be {expected!r}, as user and assistant alternate; it is {role!r}")
        if shown and role == "assistant":
            raise RequestError(f"{where}: only a user's message may show an image")
        images += shown
        turns.append(Turn(expected, without_placeholder(text) if shown else text, image=bool(shown)))
    if not turns or turns[-1].role != "user":
        raise RequestError("messages: the last one must be the user's")
    if len(images) > 1:
        raise RequestError(f"messages: a conversation may show one image; there are {len(images)}")
    return Question(tuple(turns), images[0] if images else None, system)


def _content(content: object, where: str, open_part: OpenImage) -> tuple[str, list[Image]]:
    """Return the text of a message, its parts joined by line breaks, and its images."""
    if isinstance(content, str):
        return content, []
    if not isinstance(content, Sequence):
        raise RequestError(f"{where}: must be a text or a list of parts; it is a {type(content).__name__}")
    texts, images = [], []
    for place, part in enumerate(content):
        for kind, value in _part(part, f"{where}[{place}]"):
            if kind == "text":
                texts.append(value)
            else:
                images.append(open_part(value))
    return "\n".join(texts), images


def _part(part: object, where: str) -> Iterator[tuple[str, Any]]:
    """Read a part of a message: its kind, and its text or image."""
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping) or kind not in ("text", "image", "image_url"):
        raise RequestError(f"{where}.type: must be 'text', 'image' or 'image_url'; it is {kind!r}")
    value = part.get(kind)
    if kind == "image_url":
        value = value.get("url") if isinstance(value, Mapping) else value
    if value is None or (kind != "image" and not isinstance(value, str)):
        raise RequestError(
            f"{where}.{kind}: must be {'an image' if kind == 'image' else 'a text'}; it is {value!r:.60}"
        )
    yield kind, value
