"""Questions: turns and images read from texts and messages."""

from pathlib import Path

import pytest
from PIL import Image

from remgcl import DataError, RequestError, Turn
from remgcl.core.inference.images import from_data_url, open_image
from remgcl.core.inference.question import asked, from_messages

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAf"
    "FcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


def test_the_image_stands_at_the_front_of_its_turn(folder: Path) -> None:
    question = asked("What?", folder / "red.png")
    assert question.turns == (Turn("user", "What?", image=True),)
    assert question.image is not None
    assert question.image.getpixel((0, 0)) == (255, 0, 0)
    assert asked("What?").turns == (Turn("user", "What?"),)


@pytest.mark.parametrize("text", ["<image>\nWhat?", "What?\n<image>", "<image> What?", "What?"])
def test_a_placeholder_at_either_end_is_dropped_where_there_is_an_image(text: str) -> None:
    assert asked(text, Image.new("RGB", (2, 2))).turns[0].text == "What?"


def test_a_placeholder_stays_where_it_is_text() -> None:
    assert asked("<image>\nWhat?").turns[0].text == "<image>\nWhat?"
    assert asked("a <image> here", Image.new("RGB", (2, 2))).turns[0].text == "a <image> here"


def test_messages_with_parts_become_turns() -> None:
    image = {"type": "image_url", "image_url": {"url": PIXEL}}
    text = {"type": "text", "text": "What?"}
    question = from_messages(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [text, image, {"type": "text", "text": "Where?"}]},
            {"role": "assistant", "content": "Here."},
            {"role": "user", "content": "Why?"},
        ]
    )
    assert question.system == "Be brief."
    assert question.turns == (
        Turn("user", "What?\nWhere?", image=True),
        Turn("assistant", "Here."),
        Turn("user", "Why?"),
    )
    assert question.image is not None
    assert question.image.size == (1, 1)


SAID = {"role": "user", "content": "What?"}
SHOWN = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]}


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([], "messages: must be a list of at least one message"),
        ("What?", "messages: must be a list of at least one message"),
        (["What?"], r"messages\[0\]: must be a table with 'role' and 'content'; it is a str"),
        ([{"role": "user"}], r"messages\[0\]\.content: must be a text or a list of parts; it is a NoneType"),
        ([{"role": "tool", "content": "x"}], r"messages\[0\]\.role: must be 'user'.* it is 'tool'"),
        ([SAID, SAID], r"messages\[1\]\.role: must be 'assistant'"),
        ([SAID, {"role": "assistant", "content": "x"}], "messages: the last one must be the user's"),
        ([SAID, {"role": "system", "content": "x"}], r"messages\[1\]: a system message comes first"),
        ([{"role": "system", "content": "x"}], "messages: the last one must be the user's"),
        ([SHOWN, {"role": "assistant", "content": "x"}, SHOWN], "a conversation may show one image; there are 2"),
        ([SAID, {**SHOWN, "role": "assistant"}, SAID], r"messages\[1\]: only a user's message may show an image"),
        ([{"role": "user", "content": [{"type": "audio"}]}], r"content\[0\]\.type: must be 'text', 'image' or"),
        ([{"role": "user", "content": ["x"]}], r"content\[0\]\.type: must be 'text', 'image' or 'image_url'"),
        ([{"role": "user", "content": [{"type": "text"}]}], r"content\[0\]\.text: must be a text; it is None"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": 7}]}], r"image_url: must be a text; it is 7"),
    ],
)
def test_messages_of_another_form_are_refused(messages: object, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        from_messages(messages)  # type: ignore[arg-type]


def test_images_are_opened_from_paths_bytes_data_urls_and_themselves(folder: Path) -> None:
    raw = (folder / "red.png").read_bytes()
    for source in (folder / "red.png", str(folder / "red.png"), raw, Image.new("P", (6, 4))):
        assert open_image(source).size == (6, 4)
        assert open_image(source).mode == "RGB"
    assert open_image(PIXEL).size == (1, 1)


def test_a_bad_image_is_an_error(folder: Path) -> None:
    with pytest.raises(DataError, match=r"image 'nowhere\.png': there is no such file"):
        open_image(folder / "nowhere.png")
    with pytest.raises(DataError, match=r"image 'cut\.png': is broken"):
        open_image(folder / "cut.png")
    with pytest.raises(DataError, match="image 'given': cannot be read"):
        open_image(b"no image")
    with pytest.raises(DataError, match="6 x 4 is too large; a square may have 9 pixels"):
        open_image(folder / "red.png", max_pixels=9)
    with pytest.raises(RequestError, match="is an address, and none is fetched here"):
        open_image("https://example.org/a.png")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("data:image/png,abc", "is no data URL in base64"),
        ("data:image/png;base64", "is no data URL in base64"),
        ("data:image/png;base64,a", "is not in base64"),
        ("data:image/png;base64,****", "is not in base64"),
    ],
)
def test_a_data_url_that_cannot_be_decoded_is_refused(url: str, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        from_data_url(url)
