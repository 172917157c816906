"""``remgcl chat``: several turns, commands, and errors that end nothing."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remgcl import load

Call = Callable[..., Any]


@pytest.fixture
def talk(remgcl: Call, trained: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Pipe lines into `remgcl chat`."""

    def call(*lines: str, image: Path | None = None) -> Any:  # noqa: ANN401 - how a command ended
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return remgcl("chat", trained, *([image] if image else []), "--max-new-tokens", 6)

    return call


def test_turns_follow_each_other_until_the_input_ends(talk: Call, trained: Path, folder: Path) -> None:
    model = load(trained)
    red = {"role": "user", "content": [{"type": "image", "image": folder / "red.png"}, {"type": "text", "text": "Hi"}]}
    first = model.chat([red], max_new_tokens=6)
    said = [red, {"role": "assistant", "content": first}, {"role": "user", "content": "Why?"}]
    ended = talk("Hi", "", "Why?", image=folder / "red.png")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"{first}\n{model.chat(said, max_new_tokens=6)}\n"


def test_commands_change_the_conversation(talk: Call, folder: Path) -> None:
    alone = talk("Hi").out
    shown = talk("Hi", image=folder / "blue.png").out
    ended = talk(
        "Hi", "/image " + str(folder / "blue.png"), "Hi", "/reset", "Hi", "/history", "/image", "Hi", "/quit", "Hi"
    )
    assert ended.code == 0
    history = f"user: [image] Hi\nassistant: {shown}"
    assert ended.out == alone + shown + shown + history + alone


def test_errors_are_printed_and_end_nothing(talk: Call) -> None:
    ended = talk("/image nowhere.png", "/imag x", "/help", "Hi")
    assert ended.code == 0
    assert "error: image 'nowhere.png': there is no such file" in ended.err
    assert "error: no command '/imag'; did you mean '/image'?" in ended.err
    assert "/history" in ended.out
    assert ended.out.endswith(talk("Hi").out)


def test_an_image_that_is_none_is_an_error_before_the_model_is_loaded(talk: Call, folder: Path) -> None:
    ended = talk("Hi", image=folder / "cut.png")
    assert (ended.code, ended.out) == (2, "")
    assert "error: image 'cut.png': is broken" in ended.err
