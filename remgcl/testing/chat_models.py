"""What every chat model promises: a reply to each request, whatever else is under way, and usage that is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from remgcl.core.errors import ChatError
from remgcl.core.parts import Chat, ChatModel, ChatReply, ChatRequest
from remgcl.testing.checks import PartChecks, broken

QUESTIONS = ("What is written here?", "Read.", "Who are you, and what do you see in this picture?", "Why?")

Reply = ChatReply | ChatError


class Checks(PartChecks):
    """What every chat model promises."""

    def test_its_identity_stays(self, part: ChatModel) -> None:
        """Replies are cached by the identity: it is the same text each time."""
        one, other = part.identity(), part.identity()
        if one != other:
            raise broken(part, f"identity: is {one!r}, then {other!r}; name what decides the replies, and no more")

    def test_every_request_has_its_own_reply(self, part: ChatModel) -> None:
        """Requests that are under way together have the replies that they get alone."""
        requests = [_request(text, shown=part.sees and place % 2 == 0) for place, text in enumerate(QUESTIONS)]
        alone = [_replies(part, [request])[0] for request in requests]
        together = _replies(part, requests)
        for request, one, other in zip(requests, alone, together, strict=True):
            if _told(one) != _told(other):
                raise broken(
                    part,
                    f"send: replies to {request.question!r} with {_told(one)!r} alone, and with {_told(other)!r} among "
                    "others; answer each request by itself",
                )

    def test_it_counts_what_a_reply_takes(self, part: ChatModel) -> None:
        """Usage counts the tokens of prompt and reply, and the images; a reply keeps to its longest length."""
        request = _request(QUESTIONS[0], shown=part.sees, length=3)
        reply = _whole(part, request)
        images, used = len(request.images), reply.usage
        if used.images != images:
            raise broken(part, f"send: counts {used.images} images of {images}")
        if not (used.prompt_tokens >= 1 and 0 <= used.completion_tokens <= request.max_new_tokens):
            raise broken(
                part,
                f"send: counts {used.prompt_tokens} tokens of the prompt, and {used.completion_tokens} of a reply that "
                f"may have {request.max_new_tokens}",
            )

    def test_a_request_stays_as_it_is(self, part: ChatModel) -> None:
        """A request may be sent again: neither its messages nor its images are changed."""
        request = _request(QUESTIONS[0], shown=part.sees)
        before = [image.tobytes() for image in request.images], repr(request.messages)
        _whole(part, request)
        if ([image.tobytes() for image in request.images], repr(request.messages)) != before:
            raise broken(part, "send: changes the request; work on a copy")

    def test_an_image_that_it_cannot_see_is_refused(self, part: ChatModel) -> None:
        """A model that takes no images raises `ChatError` for a request with one, and answers the others."""
        if part.sees:
            return
        shown, plain = _replies(part, [_request("What?", shown=True), _request("What?", shown=False)])
        if not isinstance(shown, ChatError) or not isinstance(plain, ChatReply):
            raise broken(part, f"send: replies to a request with an image with {_told(shown)!r}; raise ChatError")


def _request(text: str, *, shown: bool, length: int = 8) -> ChatRequest:
    """Make a request of one question, with a small picture if it shows one."""
    from PIL import Image

    picture = Image.linear_gradient("L").resize((40, 30)).convert("RGB")
    parts = [*([{"type": "image", "image": picture}] if shown else []), {"type": "text", "text": text}]
    return ChatRequest(messages=[{"role": "user", "content": parts}], max_new_tokens=length)


def _replies(part: ChatModel, requests: Sequence[ChatRequest]) -> list[Reply]:
    """Send requests side by side."""

    async def send(chat: Chat, request: ChatRequest) -> Reply:
        try:
            reply = await chat.send(request)
        except ChatError as error:
            return error
        if not isinstance(reply, ChatReply):
            raise broken(part, f"send: returns {reply!r}; return a remgcl.ChatReply")
        return reply

    async def run() -> list[Reply]:
        async with part.open() as chat:
            return list(await asyncio.gather(*(send(chat, request) for request in requests)))

    try:
        return asyncio.run(run())
    except AssertionError:
        raise
    except Exception as error:
        raise broken(part, f"send: raises {error!r}; raise ChatError, which says whether to try again") from error


def _whole(part: ChatModel, request: ChatRequest) -> ChatReply:
    """Send one request that must succeed."""
    (reply,) = _replies(part, [request])
    if isinstance(reply, ChatError):
        raise broken(part, f"send: raises {reply!r} for {request.question!r}")
    return reply


def _told(reply: Reply) -> str:
    return reply.text if isinstance(reply, ChatReply) else repr(reply)
