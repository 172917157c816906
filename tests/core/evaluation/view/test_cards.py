"""What a card of a page says."""

import json
from typing import Any

import pytest

from remgcl.core.evaluation.scored import Item
from remgcl.core.evaluation.view.cards import Card, as_script, tags_of
from remgcl.core.evaluation.view.images import Shown

QUAD = [[1, 2], [3, 2], [3, 4], [1, 4]]


def item(score: Any = 1.0, **more: Any) -> Item:  # noqa: ANN401 - any field
    """Make an answered question."""
    line = {"prompt": "Read.", "prediction": "KFC", "answers": ["KFC"], "score": score} | more
    return Item("q", float(score) if isinstance(score, int | float) else None, line)


def card_of(replies: dict[str, Item], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    """Write one card, and read it again."""
    shown = {"a": Shown("data:x", 100, 50, "digest")}
    card = Card(benchmark="b", replies=replies, picture="a")
    return dict(json.loads(as_script([card], shown, **more))["cards"][0])


@pytest.mark.parametrize(
    ("found", "tags"),
    [
        (item(1.0), ("right",)),
        (item(0.0, unparsed=True, finish="length"), ("wrong", "unparsed", "cut off")),
        (item(0.3, finish="refused"), ("partly right", "refused")),
        (item([7.0, 8.0]), ("without a score from 0 to 1",)),
        (item(None), ("without a score from 0 to 1",)),
    ],
)
def test_tags_say_how_right_a_reply_is_and_what_is_special(found: Item, tags: tuple[str, ...]) -> None:
    assert tags_of(found) == tags


def test_no_text_can_end_the_script() -> None:
    bad = "</script><script>alert(1)</script><!-- & \u2028 \ud83d"
    text = as_script([Card(benchmark="b", replies={bad: item(prediction=bad)})], {})
    assert not {"<", ">", "&", "\u2028"} & set(text)
    assert json.loads(text)["cards"][0]["replies"][0]["text"] == bad


def test_regions_of_the_prediction_come_before_those_of_the_cache() -> None:
    regions = {"regions": lambda content: [(content, QUAD)]}
    assert card_of({"": item(regions=[{"text": "own", "quad": QUAD}])}, **regions)["regions"][0][0] == "own"
    assert card_of({"": item()}, **regions)["regions"] == [["digest", 1, 2, 3, 2, 3, 4, 1, 4]]
    assert card_of({"": item()})["regions"] == []


@pytest.mark.parametrize(
    "regions", ["x", [3], [{"text": "a"}], [{"quad": [1, 2]}], [{"quad": [[1, "2"]]}], [{"quad": [[1, float("nan")]]}]]
)
def test_what_is_no_region_is_not_drawn(regions: object) -> None:
    assert card_of({"": item(regions=regions)})["regions"] == []


def test_answers_of_many_people_are_counted() -> None:
    assert card_of({"": item(answers=["two", "2", "two"])})["answers"] == ["two (2 times)", "2"]


@pytest.mark.parametrize(
    ("score", "text"), [(1.0, "1"), (0.3333, "0.333"), ([8.0, 7.5], "8, 7.5"), ("yes", "yes"), (None, "")]
)
def test_scores_of_all_forms_are_written(score: object, text: str) -> None:
    assert card_of({"": item(score)})["replies"][0]["score"] == text


def test_every_model_has_its_reply_with_reasoning_and_review() -> None:
    replies = {"a": item(reasoning="because"), "b": item(0.0, prediction="M", review="7 8")}
    first, second = card_of(replies)["replies"]
    assert (first["model"], first["reasoning"]) == ("a", "because")
    assert (second["text"], second["review"], second["value"]) == ("M", "7 8", 0)
