"""``remgcl ask``: a trained run answers about a file, an address, or without an image."""

from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from remgcl import load
from tests.tiny_llava import original, projector_alone, tiny

Call = Callable[..., Any]


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and prints nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of the library
        """Stay quiet."""
        del format, args


@pytest.fixture
def served(folder: Path) -> Iterator[str]:
    """The address of a local server of the pictures."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_the_answer_is_printed(remgcl: Call, trained: Path, folder: Path) -> None:
    ended = remgcl("ask", trained, folder / "red.png", "What?", "--max-new-tokens", 8)
    expected = load(trained).ask(folder / "red.png", "What?", max_new_tokens=8)
    assert (ended.code, ended.out, ended.err) == (0, f"{expected}\n", "")
    assert expected


def test_the_options_reach_the_model(remgcl: Call, trained: Path) -> None:
    options = ("--max-new-tokens", 8, "--temperature", 2, "--seed", 3, "--top-p", 0.9, "--conv", "llama_2")
    ended = remgcl("ask", trained, "-", "What?", *options)
    settings = {"max_new_tokens": 8, "temperature": 2.0, "seed": 3, "top_p": 0.9}
    assert ended.out == f"{load(trained, template='llama_2').ask(None, 'What?', **settings)}\n"


def test_a_typed_address_is_fetched_where_its_host_is_allowed(
    remgcl: Call, trained: Path, folder: Path, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = remgcl("ask", trained, f"{served}/red.png", "What?")
    assert (refused.code, refused.out) == (2, "")
    assert "must begin with https://" in refused.err
    monkeypatch.setenv("REMGCL_PRIVATE_HOSTS", "127.0.0.1")
    ended = remgcl("ask", trained, f"{served}/red.png", "What?", "--max-new-tokens", 8)
    assert ended.out == remgcl("ask", trained, folder / "red.png", "What?", "--max-new-tokens", 8).out


@pytest.mark.parametrize(
    ("run", "image", "options", "told"),
    [
        ("nowhere", "-", (), "error: nowhere: there is no such folder"),
        (None, "nowhere.png", (), "error: image 'nowhere.png': there is no such file"),
        (None, "-", ("--temperature", "-1"), "error: temperature: must be a number of at least 0; it is -1.0"),
        (None, "-", ("--conv", "v2"), "error: no template 'v2'"),
        (None, "-", ("--stage", "tone"), "no stage 'tone'; did you mean 'tune'?"),
    ],
)
def test_what_cannot_be_asked_is_an_error_of_the_user(  # noqa: PLR0913, PLR0917 - parameters
    remgcl: Call, trained: Path, run: str | None, image: str, options: tuple[str, ...], told: str
) -> None:
    ended = remgcl("ask", run or trained, image, "What?", *options)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err


def test_a_published_model_is_asked_with_what_it_lacks(remgcl: Call, tmp_path: Path, trained: Path) -> None:
    source = original(tiny(), tmp_path / "llava")
    tower = source.with_name("llava-tower").rename(tmp_path / "tower")
    refused = remgcl("ask", source, "-", "What?")
    assert refused.code == 2
    assert "its vision tower 'llava-tower' cannot be found; name its folder or hub id with --tower" in refused.err
    ended = remgcl("ask", source, "-", "What?", "--tower", tower, "--max-new-tokens", 4)
    assert (ended.code, ended.err) == (0, "")
    alone = projector_alone(tiny(), tmp_path / "mm_projector.bin")
    refused = remgcl("ask", alone, "-", "What?")
    assert "holds no vision_tower and no backbone; name the model that it was trained on with --base" in refused.err
    ended = remgcl("ask", alone, "-", "What?", "--base", source, "--tower", tower, "--max-new-tokens", 4)
    assert (ended.code, ended.err) == (0, "")
    told = remgcl("ask", trained, "-", "What?", "--base", source, "--tower", tower).err
    assert "is a run, which has all its parts; leave --base and --tower out" in told
