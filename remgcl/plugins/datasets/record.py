"""A record of LLaVA's JSON: what it must hold, and what it means."""

from __future__ import annotations

from collections.abc import Iterator
from sys import float_info
from typing import Any, Literal

from remgcl import Point, Region, Turn, half_pair

MARKER = "<image>"
"""Where the image goes, in a human's turn (LLaVA, `llava/constants.py`)."""

ROLES: dict[str, Literal["user", "assistant"]] = {"human": "user", "gpt": "assistant"}
"""Who speaks, in LLaVA's words and in ours."""

CORNERS = 4


def faults_of(record: object) -> Iterator[str]:
    """Describe what is wrong with a record.

    Args:
        record: Anything that JSON can hold.
    """
    if not isinstance(record, dict):
        yield f"must be an object; it is {type(record).__name__}"
        return
    if "image" in record and (not isinstance(record["image"], str) or not record["image"]):
        yield f"image: must be the name of a file; it is {record['image']!r}"
        return
    said = record.get("conversations")
    if not isinstance(said, list) or not said:
        yield "conversations: must be a list of turns; " + ("it is missing" if said is None else f"it is {said!r}")
        return
    faults = list(_conversation_faults(said, image="image" in record))
    yield from faults or _region_faults(record)


def turns_of(record: dict[str, Any]) -> tuple[Turn, ...]:
    """Read the turns; the image moves to the front of its turn, as in LLaVA.

    Args:
        record: A record without fault.
    """
    turns = _from_human(record["conversations"])
    return tuple(_turn(turn["from"], turn["value"], "image" in record) for turn in turns)


def regions_of(record: dict[str, Any]) -> tuple[Region, ...]:
    """Read the text regions that a record carries.

    Args:
        record: A record without fault.
    """
    return tuple(
        Region(region["text"], _quad(region["quad"]), region.get("confidence", 1.0))
        for region in record.get("regions", ())
    )


def words_of(record: dict[str, Any]) -> int:
    """Count the words of a conversation.

    Args:
        record: A record without fault.
    """
    return sum(len(turn["value"].split()) for turn in record["conversations"])


def _quad(corners: list[list[float]]) -> tuple[Point, Point, Point, Point]:
    first, second, third, fourth = ((x, y) for x, y in corners)
    return first, second, third, fourth


def _turn(who: str, said: str, has_image: bool) -> Turn:  # noqa: FBT001 - private, and called once
    shows = has_image and who == "human" and MARKER in said
    return Turn(ROLES[who], said.replace(MARKER, "").strip() if shows else said, image=shows)


def _from_human(said: list[dict[str, str]]) -> list[dict[str, str]]:
    """Leave out the assistant's turns before the first question."""
    return said[1:] if said[0]["from"] == "gpt" else said


def _conversation_faults(said: list[Any], *, image: bool) -> Iterator[str]:
    for place, turn in enumerate(said):
        if isinstance(turn, dict) and isinstance(turn.get("value"), str) and (half := half_pair(turn["value"])):
            yield f"conversations[{place}]: value: {half}"
            return
        if not isinstance(turn, dict) or turn.get("from") not in [*ROLES] or not isinstance(turn.get("value"), str):
            yield f"conversations[{place}]: must have 'from' ('human' or 'gpt') and 'value' (a text); it is {turn!r}"
            return
    turns = _from_human(said)
    if [turn["from"] for turn in turns] != ["human", "gpt"] * (len(turns) // 2) or not turns:
        yield "conversations: human and gpt must alternate, and gpt must speak last"
        return
    asked = sum(turn["value"].count(MARKER) for turn in turns if turn["from"] == "human")
    if image and asked != 1:
        yield f"conversations: must have one {MARKER} in a human's turn, for its image; there are {asked}"
    if not image and asked:
        yield f"conversations: has {MARKER}; the record has no image"


def _region_faults(record: dict[str, Any]) -> Iterator[str]:
    regions = record.get("regions", [])
    if not isinstance(regions, list):
        yield f"regions: must be a list; it is {type(regions).__name__}"
        return
    for place, region in enumerate(regions):
        if not isinstance(region, dict) or not isinstance(region.get("text"), str) or not _is_quad(region.get("quad")):
            yield f"regions[{place}]: must have 'text' and 'quad' (four corners [x, y]); it is {region!r}"
        elif half := half_pair(region["text"]):
            yield f"regions[{place}]: text: {half}"
        elif not _is_number(region.get("confidence", 1.0)) or not 0 <= region.get("confidence", 1.0) <= 1:
            yield f"regions[{place}]: confidence: must be a number from 0 to 1; it is {region['confidence']!r}"


def _is_number(part: object) -> bool:
    return isinstance(part, int | float) and not isinstance(part, bool) and abs(part) <= float_info.max


def _is_quad(quad: object) -> bool:
    return (
        isinstance(quad, list)
        and len(quad) == CORNERS
        and all(isinstance(corner, list) and len(corner) == 2 for corner in quad)  # noqa: PLR2004 - x and y
        and all(_is_number(part) for corner in quad for part in corner)
    )
