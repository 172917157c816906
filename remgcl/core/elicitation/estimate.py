"""An estimate of a run's calls and highest cost, from some of its images, before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

from attrs import frozen

from remgcl.core.elicitation.file import ElicitFile
from remgcl.core.elicitation.purse import IMAGE_TOKENS, cost_of
from remgcl.core.elicitation.sources import Picture, Seen, evidence, pictures, source_of
from remgcl.core.errors import DataError
from remgcl.core.ocr.cache import OcrCache
from remgcl.core.ocr.sources import FileSource
from remgcl.core.parts import Ask, Candidate, ChatReply, ChatRequest, Evidence, Judge, showing

LOOKED_AT = 60
"""Images whose requests are measured."""

BYTES = 4.0
"""Bytes of a token, about: of English, with today's tokenizers."""

TYPICAL = Candidate(
    question="Which of the prices on the sign is the lowest, and how much would two of it cost together?",
    answer="The sign lists three prices, of which the lowest is 4. Two of it cost 4 + 4 = 8.",
)
"""Stands for what generators will make, when the requests of judges are measured."""


@frozen(kw_only=True)
class Asked:
    """What a part will ask.

    Attributes:
        part: Its key.
        model: The key of its chat model.
        calls: Calls, at most.
        tokens_in: Tokens of all requests, about.
        tokens_out: Tokens of all replies, at most.
        cost: What they take; None where the model has no price.
    """

    part: str
    model: str
    calls: int
    tokens_in: int
    tokens_out: int
    cost: float | None


@frozen(kw_only=True)
class Estimate:
    """What a run will do.

    Attributes:
        images: Images there are, those that occur twice among them.
        candidates: Candidates, at most.
        asked: What each part will ask.
        unknown: Of the images that were measured, those that the OCR cache does not hold.
        measured: Images that were measured.
    """

    images: int
    candidates: int
    asked: tuple[Asked, ...]
    unknown: int
    measured: int


class _Measured(Exception):  # noqa: N818 - ends a part where it asks
    """Carries the request that a part makes first."""

    def __init__(self, request: ChatRequest) -> None:
        self.request = request


def estimate(file: ElicitFile, limit: int | None) -> Estimate:
    """Estimate what a run will ask.

    Args:
        file: The file.
        limit: Most images.

    Raises:
        DataError: There is no image.
        RunError: The OCR cache cannot be read.
    """
    cache = OcrCache.open(Path(file.ocr)) if file.ocr is not None and (Path(file.ocr) / "about.json").exists() else None
    source, seen = source_of(file), Seen()
    there = len(source) if isinstance(source, FileSource) else len(source.build())
    images = min(there, limit or there)
    some = [evidence(picture, cache, seen) for picture in _some(file, seen)] if file.asked else []
    asked = [_asked(file, key, model, times * images, some, make) for key, model, times, make in _parts(file)]
    most = sum(generator.most for generator in file.generators.values())
    return Estimate(
        images=images,
        candidates=images * most,
        asked=tuple(each for each in asked if each.calls),
        unknown=seen.unknown,
        measured=len(some),
    )


def _some(file: ElicitFile, seen: Seen) -> Iterator[Picture]:
    yield from pictures(file, None, seen, LOOKED_AT)


Make: TypeAlias = Callable[[Evidence, Ask], Awaitable[object]]


def _parts(file: ElicitFile) -> Iterator[tuple[str, str, int, Make]]:
    """Return each part that asks: its key, its model, its calls for an image, and how it is made to ask."""
    caption = file.caption
    if caption is not None:
        message = {"role": "user", "content": showing(caption.prompt)}
        request = ChatRequest(messages=(message,), max_new_tokens=caption.max_tokens)
        yield "caption", caption.model, 1, lambda _, ask: ask(request)
    for key, generator in file.generators.items():
        yield key, file.model_of(generator), generator.calls, generator
    most = sum(generator.most for generator in file.generators.values())
    for key, judge in file.ordered_judges.items():
        yield key, file.model_of(judge), judge.calls * most, partial(_judged, judge)


def _judged(judge: Judge, image: Evidence, ask: Ask) -> Awaitable[object]:
    return judge(image, TYPICAL, ask)


def _asked(file: ElicitFile, key: str, model: str, calls: int, some: list[Evidence], make: Make) -> Asked:  # noqa: PLR0913, PLR0917 - of one part
    requests = [request for image in some if calls and (request := _request(make, image))]
    sees = calls > 0 and bool(requests) and file.models[model].sees
    tokens_in = round(calls * fmean([_tokens(request, sees=sees) for request in requests])) if requests else 0
    tokens_out = round(calls * fmean([request.max_new_tokens for request in requests])) if requests else 0
    price = file.prices.get(model)
    cost = cost_of(price, tokens_in, tokens_out) if price else None
    return Asked(
        part=key, model=model, calls=calls if requests else 0, tokens_in=tokens_in, tokens_out=tokens_out, cost=cost
    )


def _request(make: Make, image: Evidence) -> ChatRequest | None:
    """Let a part ask, and take what it asks first; nothing if it does not ask about the image."""

    async def ask(request: ChatRequest, draw: int = 0) -> ChatReply:
        del draw
        raise _Measured(request)

    async def measure() -> ChatRequest | None:
        try:
            await make(image, ask)
        except _Measured as measured:
            return measured.request
        return None

    try:
        return asyncio.run(measure())
    except DataError:  # an image that cannot be read
        return None


def _tokens(request: ChatRequest, *, sees: bool) -> float:
    tokens = 0.0
    for message in request.messages:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        tokens += sum(len(part["text"].encode(errors="replace")) for part in parts if part["type"] == "text") / BYTES
        tokens += sum(part["type"] == "image" for part in parts) * IMAGE_TOKENS / 3 * sees
    return tokens
