"""What generators, judges and selectors work on: an image with its text, a pair made of it, and its verdicts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import field, frozen

from remgcl.core.errors import PluginError
from remgcl.core.parts.promise import contained, shown
from remgcl.core.samples import Region

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")


@frozen(kw_only=True, eq=False, slots=False)
class Evidence:
    """What is known of an image.

    Attributes:
        name: What the image is called in data and messages.
        digest: Names its content.
        size: Width and height in pixels.
        regions: Its lines of text; OCR may have misread them.
        caption: A description by a chat model that sees; empty without one.
        load: Reads the image.
    """

    name: str
    digest: str
    size: tuple[int, int]
    regions: tuple[Region, ...] = ()
    caption: str = ""
    load: Callable[[], Image] | None = field(default=None, repr=False)

    @cached_property
    def image(self) -> Image:
        """The image in RGB, read when it is first looked at.

        Raises:
            DataError: It cannot be read.
        """
        if self.load is None:
            raise PluginError(f"image {self.name!r}: the evidence has no image to read")
        return self.load()


@frozen(kw_only=True)
class Candidate:
    """A question about an image, and its answer.

    Attributes:
        question: What is asked, without a marker for the image.
        answer: What is answered.
        type: The sort of question, such as ``sum``; selectors balance by it.
        regions: Which of the evidence's regions it rests on, by their numbers.
        facts: What else a judge or a reader may want, of types that JSON has.
    """

    question: str
    answer: str
    type: str = ""
    regions: tuple[int, ...] = ()
    facts: Mapping[str, Any] = MappingProxyType({})


@frozen(kw_only=True)
class Verdict:
    """What a judge thinks of a candidate.

    Attributes:
        passed: Whether it may stay.
        why: The reason, in a few words.
        score: From 0 to 1, where the judge has one.
        complexity: How much reasoning it takes, from 0 to 1, where the judge says so.
    """

    passed: bool
    why: str = ""
    score: float | None = None
    complexity: float | None = None


@frozen(kw_only=True)
class Scored:
    """A candidate that every judge passed.

    Attributes:
        candidate: The candidate.
        image: The digest of its image.
        verdicts: What was thought of it, by the judge's key.
    """

    candidate: Candidate
    image: str
    verdicts: Mapping[str, Verdict] = MappingProxyType({})


async def awaited(result: Awaitable[T], who: str, expected: str, check: Callable[[object], bool]) -> T:
    """Wait for what a part returns, and make sure of it.

    Args:
        result: What the part's method returned.
        who: Plugin, part and method.
        expected: What is due, in words.
        check: Tells whether a value is that.

    Raises:
        PluginError: It is something else.
    """
    with contained(who):
        value = await result
    if not check(value):
        raise PluginError(f"{who}: must return {expected}; it returned {shown(value)}")
    return value
