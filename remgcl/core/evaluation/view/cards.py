"""The cards of a page: a question each, with the replies to it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, TypeAlias

from attrs import frozen

from remgcl.core.evaluation.scored import Item
from remgcl.core.evaluation.view.images import Shown

FindRegions: TypeAlias = Callable[[str], Sequence[tuple[str, Sequence[tuple[float, float]]]]]
"""Gives text and corners of the regions of an image, by its digest."""


@frozen(kw_only=True)
class Card:
    """A question and the replies of models.

    Attributes:
        benchmark: The benchmark and the protocol.
        replies: The reply of each model, by the model's label; the questions are the same.
        picture: The name of the image among all images of the page; empty if there is none.
        tags: What the card can be found by, beside benchmark and type.
    """

    benchmark: str
    replies: Mapping[str, Item]
    picture: str = ""
    tags: tuple[str, ...] = ()


def tags_of(item: Item) -> tuple[str, ...]:
    """Say what a reply can be found by.

    Args:
        item: The reply and its score.
    """
    tags = []
    if item.score is None:
        tags.append("without a score from 0 to 1")
    else:
        tags.append("right" if item.score >= 1 else "wrong" if item.score <= 0 else "partly right")
    tags += ["unparsed"] if item.line.get("unparsed") else []
    tags += ["cut off"] if item.line.get("finish") == "length" else []
    tags += ["refused"] if item.line.get("finish") == "refused" else []
    return tuple(tags)


def as_script(cards: Sequence[Card], images: Mapping[str, Shown], regions: FindRegions | None = None) -> str:
    """Write cards as JSON that may stand inside a script of a page: no text can end the script.

    Args:
        cards: The cards.
        images: The images of the page.
        regions: Finds regions of images whose predictions carry none.
    """
    places = {name: place for place, name in enumerate(images)}
    data = {
        "cards": [_card(card, images, places, regions) for card in cards],
        "images": [[shown.url, shown.width, shown.height] for shown in images.values()],
    }
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _card(
    card: Card, images: Mapping[str, Shown], places: Mapping[str, int], regions: FindRegions | None
) -> dict[str, Any]:
    first = next(iter(card.replies.values()))
    shown = images.get(card.picture)
    answers = Counter(first.answers)
    return {
        "benchmark": card.benchmark,
        "type": first.type,
        "id": first.id,
        "prompt": str(first.line.get("prompt", first.line.get("question", ""))),
        "answers": [answer if times == 1 else f"{answer} ({times} times)" for answer, times in answers.items()],
        "image": places.get(card.picture, -1),
        "name": first.image,
        "regions": [] if shown is None else _regions(first, shown, regions),
        "tags": card.tags,
        "replies": [_reply(model, item) for model, item in card.replies.items()],
    }


def _reply(model: str, item: Item) -> dict[str, Any]:
    held = item.line.get("score") if item.score is None else item.score
    more = {key: str(item.line[key]) for key in ("reasoning", "review") if item.line.get(key)}
    return {"model": model, "text": item.prediction, "score": _score(held), "value": item.score, **more}


def _score(score: Any) -> str:  # noqa: ANN401 - a number, a label or a pair
    if score is None:
        return ""
    if isinstance(score, list):
        return ", ".join(map(_score, score))
    return f"{score:.3g}" if isinstance(score, int | float) else str(score)


def _regions(item: Item, shown: Shown, find: FindRegions | None) -> list[list[Any]]:
    """Return text and corners of regions: those of the prediction, or else those of the OCR cache."""
    own = item.line.get("regions")
    if isinstance(own, list) and own:
        pairs = [(str(each.get("text", "")), each["quad"]) for each in own if _is_region(each)]
    else:
        pairs = list(find(shown.content)) if find else []
    return [[text, *(round(float(edge), 1) for corner in quad for edge in corner)] for text, quad in pairs]


def _is_region(held: object) -> bool:
    """Tell whether a prediction's region has corners; predictions made elsewhere may mean something else by it."""
    corners = held.get("quad") if isinstance(held, Mapping) else None
    if not isinstance(corners, list) or not all(isinstance(corner, list) and len(corner) == 2 for corner in corners):  # noqa: PLR2004 - x and y
        return False
    return all(isinstance(edge, int | float) and isfinite(edge) for corner in corners for edge in corner)
