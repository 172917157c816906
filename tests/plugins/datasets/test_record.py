"""Records of LLaVA's JSON: what they mean, and every way to break them."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remgcl import Region, Turn
from remgcl.plugins.datasets.record import faults_of, regions_of, turns_of, words_of

Make = Callable[..., dict[str, Any]]

QUAD = [[1, 2], [5.5, 2], [5.5, 3], [1, 3]]
NAMES = ["image", "conversations", "regions", "from", "value", "text", "quad", "confidence", "human", "gpt", "<image>"]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(NAMES) | st.text(max_size=4),
    lambda held: st.lists(held, max_size=4) | st.dictionaries(st.sampled_from(NAMES), held, max_size=4),
    max_leaves=12,
)
value = st.sampled_from(["<image>", "", "x"])
turn = st.fixed_dictionaries({"from": st.sampled_from(["human", "gpt"]), "value": value})
pair = st.tuples(*(st.fixed_dictionaries({"from": st.just(who), "value": value}) for who in ("human", "gpt")))
conversation = st.lists(pair, min_size=1, max_size=2).map(lambda pairs: [turn for pair in pairs for turn in pair])
region = st.fixed_dictionaries({"text": st.text(max_size=3), "quad": st.just(QUAD) | anything})
nearly_records = st.fixed_dictionaries(
    {"conversations": conversation | st.lists(turn | anything, max_size=2)},
    optional={"image": st.just("a.png") | anything, "regions": st.lists(region, max_size=2) | anything},
)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("<image>\nWhat is it?", "What is it?"),
        ("What is it?\n<image>", "What is it?"),
        ("What <image> is it?", "What  is it?"),
        ("<image>", ""),
    ],
)
def test_the_image_moves_to_the_front_of_its_turn(said: str, text: str, record: Make) -> None:
    made = record(said, "A cat.", "Sure?", " Yes. ", image="a.png")
    assert list(faults_of(made)) == []
    assert turns_of(made) == (
        Turn("user", text, image=True),
        Turn("assistant", "A cat."),
        Turn("user", "Sure?"),
        Turn("assistant", " Yes. "),
    )


def test_the_image_may_come_in_a_later_turn(record: Make) -> None:
    made = record("Hello.", "Hi.", "See:\n<image>", "A cat.", image="a.png")
    assert [turn.image for turn in turns_of(made)] == [False, False, True, False]


def test_text_without_an_image_stays_as_it_is(record: Make) -> None:
    made = record(" 2 + 2? \n", "4")
    assert list(faults_of(made)) == []
    assert turns_of(made) == (Turn("user", " 2 + 2? \n"), Turn("assistant", "4"))


def test_what_gpt_says_before_it_is_asked_is_left_out(record: Make) -> None:
    made = record("<image>\nWhat?", "A cat.", image="a.png")
    made["conversations"].insert(0, {"from": "gpt", "value": "I can see <image>"})
    assert list(faults_of(made)) == []
    assert turns_of(made) == (Turn("user", "What?", image=True), Turn("assistant", "A cat."))


def test_a_marker_that_gpt_says_is_text(record: Make) -> None:
    made = record("<image>\nWrite the marker.", "It is <image>", image="a.png")
    assert list(faults_of(made)) == []
    assert turns_of(made)[1] == Turn("assistant", "It is <image>")


def test_words_are_counted_over_all_turns(record: Make) -> None:
    assert words_of(record("<image>\nWhat  is it?", "A cat.", image="a.png")) == 6


def test_regions_are_carried(record: Make) -> None:
    made = record("<image>", "x", image="a.png", regions=[{"text": "KFC", "quad": QUAD, "confidence": 0.5}])
    made["regions"].append({"text": "", "quad": QUAD})
    quad = ((1, 2), (5.5, 2), (5.5, 3), (1, 3))
    assert list(faults_of(made)) == []
    assert regions_of(made) == (Region("KFC", quad, 0.5), Region("", quad, 1.0))
    assert regions_of(record("a", "b")) == ()


@pytest.mark.parametrize(("given", "kind"), [([], "list"), ("text", "str"), (None, "NoneType"), (3, "int")])
def test_a_record_must_be_an_object(given: object, kind: str) -> None:
    assert list(faults_of(given)) == [f"must be an object; it is {kind}"]


@pytest.mark.parametrize("image", ["", None, 3, ["a.png"]])
def test_an_image_must_have_a_name(image: object, record: Make) -> None:
    assert list(faults_of(record("<image>", "x", image=image))) == [
        f"image: must be the name of a file; it is {image!r}"
    ]


@pytest.mark.parametrize("said", [[], {}, "hello", 0])
def test_conversations_must_be_a_list_of_turns(said: object) -> None:
    assert list(faults_of({"conversations": said})) == [f"conversations: must be a list of turns; it is {said!r}"]
    assert list(faults_of({})) == ["conversations: must be a list of turns; it is missing"]


@pytest.mark.parametrize(
    "turn",
    [
        {"from": "system", "value": "x"},
        {"from": ["human"], "value": "x"},
        {"from": {}, "value": "x"},
        {"value": "x"},
        {"from": "human"},
        {"from": "human", "value": None},
        {"from": "human", "value": ["x"]},
        {"role": "user", "content": "x"},
        "human: x",
        None,
    ],
)
def test_a_turn_must_say_who_speaks_and_what(turn: object, record: Make) -> None:
    made = record("a", "b")
    made["conversations"].append(turn)
    assert list(faults_of(made)) == [
        f"conversations[2]: must have 'from' ('human' or 'gpt') and 'value' (a text); it is {turn!r}"
    ]


@pytest.mark.parametrize("speakers", ["h", "g", "hgh", "hh", "hhg", "hgg", "gg", "ghh", "gghg"])
def test_human_and_gpt_must_alternate_and_gpt_speak_last(speakers: str) -> None:
    said = [{"from": {"h": "human", "g": "gpt"}[who], "value": "x"} for who in speakers]
    assert list(faults_of({"conversations": said})) == [
        "conversations: human and gpt must alternate, and gpt must speak last"
    ]


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        (["What?", "x"], 0),
        (["What?", "<image>"], 0),
        (["<image> <image>", "x"], 2),
        (["<image>", "x", "<image>", "y"], 2),
        (["<image><image><image>", "x"], 3),
    ],
)
def test_an_image_needs_one_marker(said: list[str], asked: int, record: Make) -> None:
    assert list(faults_of(record(*said, image="a.png"))) == [
        f"conversations: must have one <image> in a human's turn, for its image; there are {asked}"
    ]


def test_a_marker_needs_an_image(record: Make) -> None:
    assert list(faults_of(record("<image>\nWhat?", "x"))) == ["conversations: has <image>; the record has no image"]


@pytest.mark.parametrize(
    "region",
    [
        {"quad": QUAD},
        {"text": 3, "quad": QUAD},
        {"text": "x"},
        {"text": "x", "quad": QUAD[:3]},
        {"text": "x", "quad": [*QUAD, [0, 0]]},
        {"text": "x", "quad": [[0, 0, 0], *QUAD[1:]]},
        {"text": "x", "quad": [["0", "0"], *QUAD[1:]]},
        {"text": "x", "quad": [[True, False], *QUAD[1:]]},
        {"text": "x", "quad": [[float("nan"), 0], *QUAD[1:]]},
        {"text": "x", "quad": [[10**400, 0], *QUAD[1:]]},
        {"text": "x", "quad": [0, 0, 4, 4]},
        {"text": "x", "quad": None},
        ["x", QUAD],
        None,
    ],
)
def test_a_region_must_have_a_text_and_four_corners(region: object, record: Make) -> None:
    made = record("<image>", "x", image="a.png", regions=[{"text": "fine", "quad": QUAD}, region])
    assert list(faults_of(made)) == [f"regions[1]: must have 'text' and 'quad' (four corners [x, y]); it is {region!r}"]


@pytest.mark.parametrize("confidence", [-0.1, 1.1, "high", None, True, float("nan"), [1]])
def test_a_confidence_must_be_a_share(confidence: object, record: Make) -> None:
    region = {"text": "x", "quad": QUAD, "confidence": confidence}
    assert list(faults_of(record("<image>", "x", image="a.png", regions=[region]))) == [
        f"regions[0]: confidence: must be a number from 0 to 1; it is {confidence!r}"
    ]


def test_every_region_at_fault_is_told(record: Make) -> None:
    made = record("<image>", "x", image="a.png", regions=[None, {"text": "x", "quad": QUAD}, 1])
    assert [fault.partition(":")[0] for fault in faults_of(made)] == ["regions[0]", "regions[2]"]


@pytest.mark.parametrize(("regions", "kind"), [(None, "NoneType"), ({}, "dict"), ("x", "str")])
def test_regions_must_be_a_list(regions: object, kind: str, record: Make) -> None:
    assert list(faults_of(record("a", "b", regions=regions))) == [f"regions: must be a list; it is {kind}"]


@settings(max_examples=300)
@given(anything | nearly_records)
def test_whatever_json_holds_is_judged_and_what_has_no_fault_is_read(held: object) -> None:
    if not list(faults_of(held)):
        assert isinstance(held, dict)
        read = turns_of(held)
        assert [turn.role for turn in read] == ["user", "assistant"] * (len(read) // 2)
        assert sum(turn.image for turn in read) == ("image" in held)
        assert len(regions_of(held)) == len(held.get("regions", ()))
        assert words_of(held) >= 0


def test_half_a_surrogate_pair_is_told_by_its_place(record: Make) -> None:
    quad = [[0, 0], [1, 0], [1, 1], [0, 1]]

    assert list(faults_of(record("q", "ok \ud83d no"))) == [
        r"conversations[1]: value: holds half of a surrogate pair, '\ud83d' at character 3"
    ]
    assert list(faults_of(record("q", "a", regions=[{"text": "x\udc00", "quad": quad}]))) == [
        r"regions[0]: text: holds half of a surrogate pair, '\udc00' at character 1"
    ]
