"""Models saved and loaded part by part."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from remgcl import RunError
from remgcl.core.model import saved as checkpoint
from remgcl.core.model.saved import load_part, save_parts, saved_parts


def files_of(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def told(action: Callable[[], object]) -> str:
    """Tell what an action raises."""
    with pytest.raises(RunError) as raised:
        action()
    return str(raised.value)


def flip(file: Path) -> None:
    """Flip the last bit of a file: of a weight, which no reader would notice."""
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


class Tied(nn.Module):
    """Two names of one table, a buffer, and a number that is no float."""

    def __init__(self) -> None:
        """Draw weights."""
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.table.weight
        self.norm = nn.BatchNorm1d(4)
        self.norm(torch.randn(8, 4))
        self.register_buffer("scale", torch.randn(3, dtype=torch.bfloat16))


TABLES = {"vision_tower": {"use": "tiny"}, "projector": {"use": "linear"}, "backbone": {"use": "tiny"}}


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, dict[str, nn.Module]]:
    """A saved model without its tower, and the modules."""
    modules = {"projector": nn.Linear(3, 4), "backbone": Tied()}
    save_parts(modules, TABLES, tmp_path / "model")
    return tmp_path / "model", modules


def test_parts_are_saved_a_file_each_with_the_recipes_tables_of_all(saved: tuple[Path, dict[str, nn.Module]]) -> None:
    folder, _ = saved
    files = {"projector.safetensors", "backbone.safetensors", "parts.json"}
    assert {path.name for path in folder.iterdir()} == {*files, "manifest.json"}
    assert json.loads((folder / "manifest.json").read_text())["files"].keys() == files
    assert json.loads((folder / "parts.json").read_text()) == {
        "vision_tower": {"recipe": {"use": "tiny"}, "file": None},
        "projector": {"recipe": {"use": "linear"}, "file": "projector.safetensors"},
        "backbone": {"recipe": {"use": "tiny"}, "file": "backbone.safetensors"},
    }
    assert saved_parts(folder) == {
        "projector": folder / "projector.safetensors",
        "backbone": folder / "backbone.safetensors",
    }


def test_what_is_loaded_is_exactly_what_was_saved(saved: tuple[Path, dict[str, nn.Module]]) -> None:
    folder, modules = saved
    again = {"projector": nn.Linear(3, 4), "backbone": Tied()}
    for name, file in saved_parts(folder).items():
        load_part(again[name], file)
        state = modules[name].state_dict()
        loaded = again[name].state_dict()
        assert loaded.keys() == state.keys()
        for key, tensor in state.items():
            assert loaded[key].dtype == tensor.dtype
            assert torch.equal(loaded[key], tensor), key


def test_tensors_that_were_one_are_one_again(saved: tuple[Path, dict[str, nn.Module]]) -> None:
    folder, _ = saved
    again = Tied()
    load_part(again, saved_parts(folder)["backbone"])
    assert again.head.weight is again.table.weight


def test_a_part_without_tensors_is_saved_and_loaded_like_any_other(tmp_path: Path) -> None:
    save_parts({"projector": nn.Identity()}, TABLES, tmp_path / "model")
    load_part(nn.Identity(), saved_parts(tmp_path / "model")["projector"])


def test_a_model_that_is_there_is_replaced_as_a_whole(saved: tuple[Path, dict[str, nn.Module]]) -> None:
    folder, _ = saved
    new = nn.Linear(2, 2)
    save_parts({"projector": new}, TABLES, folder)
    assert {path.name for path in folder.iterdir()} == {"projector.safetensors", "parts.json", "manifest.json"}
    again = nn.Linear(2, 2)
    load_part(again, saved_parts(folder)["projector"])
    assert torch.equal(again.weight, new.weight)


def test_a_model_whose_saving_is_interrupted_leaves_the_old_one_and_no_half(
    saved: tuple[Path, dict[str, nn.Module]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = saved
    before = files_of(folder)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save_parts({"projector": nn.Linear(2, 2)}, TABLES, folder)
    assert files_of(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    save_parts({"projector": nn.Linear(2, 2)}, TABLES, folder)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "there is no manifest.json"),
        (lambda folder: (folder / "backbone.safetensors").unlink(), "backbone.safetensors is missing"),
        (
            lambda folder: flip(folder / "projector.safetensors"),
            "projector.safetensors has changed since it was written",
        ),
        (lambda folder: (folder / "more").touch(), "more is not in manifest.json"),
    ],
    ids=["never sealed", "missing", "one bit", "added"],
)
def test_a_model_that_is_not_what_was_saved_is_refused(
    saved: tuple[Path, dict[str, nn.Module]], damage: Callable[[Path], object], wrong: str
) -> None:
    damage(saved[0])
    assert told(lambda: saved_parts(saved[0])).startswith(f"{saved[0]}: is not what was saved there; {wrong}")


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    assert told(lambda: saved_parts(tmp_path)) == f"{tmp_path}: holds no saved model; there is no parts.json"
    assert told(lambda: saved_parts(tmp_path / "none")).endswith("holds no saved model; there is no parts.json")


@pytest.mark.parametrize(
    "content",
    [
        '{"projector": 3}',
        '{"projector": {}}',
        '{"projector": {"file": 3}}',
        '{"projector": {"file": []}}',
        '{"projector": {"file": "../projector.safetensors"}}',
        '{"projector": {"file": "/etc/passwd"}}',
        '{"projector": {"file": "backbone.safetensors"}}',
        '{"encoder": {"file": "encoder.safetensors"}}',
    ],
)
def test_a_list_of_parts_that_this_project_did_not_write_is_told(tmp_path: Path, content: str) -> None:
    """A file outside of the folder is never opened."""
    (tmp_path / "parts.json").write_text(content)
    (name,) = json.loads(content)
    assert told(lambda: saved_parts(tmp_path)) == f"{tmp_path / 'parts.json'}: {name}: is no saved part of a model"


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "cannot be read; Expecting value"), ("[]", "is not a JSON object"), ("nope", "cannot be read; Expecting")],
)
def test_a_broken_list_of_parts_is_told(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "parts.json").write_text(content)
    assert told(lambda: saved_parts(tmp_path)).startswith(f"{tmp_path / 'parts.json'}: {reason}")


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (nn.Linear(3, 5), "size mismatch for weight: copying a param with shape torch.Size([4, 3])"),
        (nn.Sequential(nn.Linear(3, 4)), 'Missing key(s) in state_dict: "0.bias", "0.weight"'),
        (nn.Linear(3, 4, bias=False), 'Unexpected key(s) in state_dict: "bias"'),
        (nn.Identity(), 'Unexpected key(s) in state_dict: "bias", "weight"'),
    ],
    ids=["other shape", "missing", "left over", "none expected"],
)
def test_another_part_is_told_with_what_does_not_fit(
    saved: tuple[Path, dict[str, nn.Module]], module: nn.Module, reason: str
) -> None:
    file = saved_parts(saved[0])["projector"]
    message = told(lambda: load_part(module, file))
    assert message.startswith(f"{file}: cannot be loaded; Error(s) in loading state_dict")
    assert reason in message
    assert "\n" not in message


def test_of_a_very_long_reason_the_beginning_is_told(tmp_path: Path) -> None:
    save_parts({"projector": nn.Identity()}, TABLES, tmp_path / "model")
    large = nn.Sequential(*(nn.Linear(1, 1) for _ in range(99)))
    message = told(lambda: load_part(large, tmp_path / "model" / "projector.safetensors"))
    assert message.endswith(" ...")
    assert len(message) < len(str(tmp_path)) + 400


@pytest.mark.parametrize("kept", [0, 4, 60, -1])
def test_a_broken_file_is_told(saved: tuple[Path, dict[str, nn.Module]], kept: int) -> None:
    file = saved_parts(saved[0])["projector"]
    file.write_bytes(file.read_bytes()[:kept])
    assert told(lambda: load_part(nn.Linear(3, 4), file)).startswith(
        f"{file}: cannot be loaded; Error while deserializing header"
    )


def test_a_missing_file_is_told(saved: tuple[Path, dict[str, nn.Module]]) -> None:
    file = saved_parts(saved[0])["projector"]
    file.unlink()
    assert told(lambda: load_part(nn.Linear(3, 4), file)).startswith(f"{file}: cannot be loaded; No such file")


def test_a_foreign_file_is_told_and_nothing_of_it_is_run(tmp_path: Path) -> None:
    """A pickle may run code when it is read."""
    file = tmp_path / "projector.safetensors"
    torch.save(nn.Linear(3, 4).state_dict(), file)
    assert told(lambda: load_part(nn.Linear(3, 4), file)).startswith(f"{file}: cannot be loaded; ")
