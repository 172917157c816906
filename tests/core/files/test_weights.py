"""Weights by name: folders, hub ids, and clear errors where there are none."""

import json
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
from safetensors import SafetensorError

from remgcl import WeightsError, read_json, reading_weights, verify_weights
from remgcl.core.files.weights import TENSORS

FOLDER = "it is a folder"
NEITHER = "there is no such folder, and the hub has none of that name; download it with: hf download {name}"


def told(action: Callable[[], object]) -> str:
    """Tell what an action raises."""
    with pytest.raises(WeightsError) as raised:
        action()
    return str(raised.value)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a file into an otherwise empty cache of the hub."""
    from huggingface_hub import constants

    home = tmp_path / "cache"
    for module in (constants, huggingface_hub.file_download):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(home), raising=False)

    def put(name: str, file: str, text: str) -> Path:
        folder = home / f"models--{name.replace('/', '--')}"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text("0" * 40)
        path = folder / "snapshots" / ("0" * 40) / file
        path.parent.mkdir(parents=True)
        path.write_text(text)
        return path

    return put


@pytest.mark.parametrize(
    "error",
    [
        OSError("no file"),
        ValueError("no value"),
        TypeError("no type"),
        KeyError("key"),
        RuntimeError("no run"),
        ImportError("no library"),
        SafetensorError("no header"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_library_raises_on_bad_weights_is_one_kind_of_error(error: Exception, tmp_path: Path) -> None:
    def action() -> None:
        with reading_weights(str(tmp_path)):
            raise error

    assert told(action) == f"weights {str(tmp_path)!r}: cannot be read; {error}; {FOLDER}"


def test_the_original_error_is_kept_for_who_wants_to_see_it() -> None:
    with pytest.raises(WeightsError) as raised, reading_weights("a/b"):
        raise OSError("no file")
    assert isinstance(raised.value.__cause__, OSError)


@pytest.mark.parametrize(
    ("message", "reason"), [("first\nsecond", "first"), ("", "OSError")], ids=["two lines", "no message"]
)
def test_of_a_long_message_the_first_line_is_told(message: str, reason: str, tmp_path: Path) -> None:
    def action() -> None:
        with reading_weights(str(tmp_path)):
            raise OSError(message)

    assert f"cannot be read; {reason}; " in told(action)


@pytest.mark.parametrize("error", [AssertionError, ZeroDivisionError, KeyboardInterrupt, WeightsError])
def test_what_is_no_fault_of_the_weights_passes(error: type[BaseException]) -> None:
    with pytest.raises(error, match="own words"), reading_weights("a/b"):
        raise error("own words")


def test_nothing_happens_where_nothing_is_raised() -> None:
    with reading_weights("a/b"):
        pass


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a/b", NEITHER.format(name="a/b")),
        ("gpt2", NEITHER.format(name="gpt2")),
        ("/nowhere/at/all", "there is no such folder"),
        ("./weights", "there is no such folder"),
        ("../weights", "there is no such folder"),
        ("~/weights", "there is no such folder"),
        ("a/b/c", "there is no such folder"),
    ],
)
def test_an_error_says_what_the_name_was_taken_for(name: str, kind: str) -> None:
    def action() -> None:
        with reading_weights(name):
            raise OSError("no file")

    assert told(action) == f"weights {name!r}: cannot be read; no file; {kind}"


@pytest.mark.parametrize("file", ["model.safetensors", "model-00001-of-00002.safetensors", "pytorch_model.bin"])
def test_a_folder_with_tensors_is_enough_and_they_are_not_read(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text("no tensors")
    verify_weights(str(tmp_path))


@pytest.mark.parametrize("file", ["config.json", "model.safetensors.index.json", "training_args.bin", "model.pt"])
def test_a_folder_without_tensors_says_what_was_looked_for(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text("")
    assert told(lambda: verify_weights(str(tmp_path))) == (
        f"weights {str(tmp_path)!r}: the folder holds no tensors; expected *.safetensors or pytorch_model*.bin"
    )


def test_the_patterns_of_tensors_are_what_the_error_names() -> None:
    assert TENSORS == ("*.safetensors", "pytorch_model*.bin")


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./weights", "a/b/c", "~/weights"])
def test_a_path_to_nothing_is_told_without_asking_the_hub(name: str) -> None:
    assert told(lambda: verify_weights(name)) == f"weights {name!r}: there is no such folder"


def test_a_name_that_no_hub_could_have_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert told(lambda: verify_weights("a b")) == f"weights 'a b': {NEITHER.format(name='a b')}"


def test_a_file_is_no_folder_of_weights(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("")
    assert told(lambda: verify_weights(str(path))) == f"weights {str(path)!r}: it is a file"


def test_a_hub_id_that_the_hub_does_not_answer_for_is_told_how_to_get(cache: Callable[..., Path]) -> None:
    cache("some/other", "config.json", "{}")
    assert told(lambda: verify_weights("no/such-model")) == (
        "weights 'no/such-model': neither a folder nor in the hub's cache, and the hub does not answer for it; "
        "download it with: hf download no/such-model"
    )


def test_a_hub_id_in_the_cache_is_enough_without_a_network(cache: Callable[..., Path]) -> None:
    cache("some/model", "config.json", "{}")
    verify_weights("some/model")


def test_a_hub_id_that_the_hub_answers_for_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda _, name, **__: asked.append(name))
    verify_weights("no/such-model")
    assert asked == ["no/such-model"]


def test_json_beside_weights_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hidden_size": 8}')
    assert read_json(str(tmp_path), "config.json") == {"hidden_size": 8}


def test_json_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_json(str(tmp_path), "preprocessor_config.json") is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[1]", "it is not a JSON object"),
        (b"3", "it is not a JSON object"),
        (b"{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"", "Expecting value: line 1 column 1 (char 0)"),
        (b"\xff\xfe", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_json_that_is_no_object_is_told_by_its_file(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    assert told(lambda: read_json(str(tmp_path), "config.json")) == (
        f"weights {str(path)!r}: cannot be read; {reason}; it is a file"
    )


def test_json_of_a_hub_id_is_read_from_the_cache(cache: Callable[..., Path]) -> None:
    path = cache("some/model", "config.json", json.dumps({"hidden_size": 8}))
    assert read_json("some/model", "config.json") == {"hidden_size": 8}
    path.write_text("[]")
    assert told(lambda: read_json("some/model", "config.json")).endswith("it is not a JSON object; it is a file")


def test_json_below_a_path_to_nothing_is_an_error() -> None:
    assert told(lambda: read_json("/nowhere/at/all", "config.json")).endswith("; there is no such folder")
