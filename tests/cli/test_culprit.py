"""Errors that come out of a plugin: every command names it, and keeps the traceback of what is no user's fault."""

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remgcl.cli import main

Call = Callable[..., Any]

PLUGIN = '''
from attrs import frozen
from remgcl import Census, DataError, Dataset, Loss, RunError, Sample, Turn, hookimpl


class Samples:
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 2

    def __getitem__(self, index):
        if self.error == "data":
            raise DataError("record 1: has no text")
        if self.error == "run":
            raise RunError("the disk is away")
        if self.error == "bug":
            raise KeyError("text")
        return Sample("a", (Turn("user", "What?"), Turn("assistant", "yes")))

    def modality_lengths(self):
        return [-1, -1]


@frozen(kw_only=True)
class Flaky(Dataset):
    """Fails where it is told to.

    Attributes:
        error: How.
    """

    error: str = ""

    def census(self):
        if self.error == "census":
            raise DataError("records.json: is empty")
        if self.error == "count":
            raise KeyError("records")
        return Census(samples=2, images=0, digest="0f")

    def build(self):
        return Samples(self.error)


@frozen(kw_only=True)
class Late(Loss):
    """Keeps its contract on random features only."""

    def __call__(self, features):
        return features.zero() if features.patches.shape[0] else None


@hookimpl
def remgcl_register_datasets():
    return {"flaky": Flaky}


@hookimpl
def remgcl_register_losses():
    return {"late": Late}
'''

WHO = "plugin 'flaky' of acme-flaky 1.2 (acme_flaky): "


@pytest.fixture
def flaky(install_plugin: Callable[..., Path], recipe: Path) -> Callable[[str], list[str]]:
    """Give the arguments that let the small recipe fail in a plugin."""
    file = install_plugin("acme-flaky", PLUGIN, point="flaky")
    assert file.is_file()

    def arguments(error: str, *more: str) -> list[str]:
        settings = [f"stages.{stage}.data={{ use = 'flaky', error = '{error}' }}" for stage in ("pretrain", "tune")]
        shown = ["stages.tune.validation.data={ use = 'synthetic', samples = 2, split = 'held_out' }"]
        return [str(recipe), *(word for setting in (*settings, *shown, *more) for word in ("--set", setting))]

    return arguments


@pytest.mark.parametrize("command", ["check", "run"])
def test_an_error_that_a_plugin_raises_for_the_user_names_the_plugin(remgcl: Call, flaky: Call, command: str) -> None:
    ended = remgcl(command, *flaky("census"))
    assert ended.code == 2
    message, told = ended.err.splitlines()
    assert message == "error: records.json: is empty"
    assert told.startswith(f"error: {WHO}datasets: raised DataError in Flaky.census (")


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_mistake_of_a_plugin_keeps_its_traceback_and_names_the_plugin(
    flaky: Call, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["remgcl", command, *flaky("count")])
    with pytest.raises(KeyError) as raised:
        main()
    printed = "".join(traceback.format_exception(raised.value)).splitlines()
    assert any("in census" in line for line in printed)
    assert printed[-1].startswith(f"{WHO}datasets: raised KeyError in Flaky.census (")
    assert printed[-1].endswith("; report it to its authors")


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("error", "message"), [("data", "record 1: has no text"), ("run", "the disk is away")], ids=["data", "run"]
)
def test_an_error_of_a_sample_is_told_in_its_own_words_from_a_worker_too(
    remgcl: Call, flaky: Call, error: str, message: str, workers: int
) -> None:
    ended = remgcl("run", *flaky(error, f"stages.pretrain.num_workers={workers}"))
    assert ended.code == 2
    first, told = ended.err.splitlines()
    assert first == f"error: {message}"
    assert told.startswith(f"error: {WHO}")
    assert "__getitem__ (" in told
    assert "report" not in told


@pytest.mark.parametrize("workers", [0, 1])
def test_a_mistake_of_a_sample_names_the_plugin_from_a_worker_too(
    flaky: Call, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["remgcl", "run", *flaky("bug", f"stages.pretrain.num_workers={workers}")])
    with pytest.raises(KeyError) as raised:
        main()
    (note,) = raised.value.__notes__
    assert note.startswith(f"{WHO}raised KeyError in ")
    assert "__getitem__ (" in note


def test_a_loss_that_breaks_its_contract_in_training_is_told_by_stage_name_class_and_plugin(
    remgcl: Call, flaky: Call
) -> None:
    ended = remgcl("run", *flaky("", "stages.pretrain.losses.late={}"))
    assert ended.code == 2
    assert ended.err.startswith(
        "error: stage 'pretrain': loss 'late': acme_flaky.Late of plugin 'flaky': must answer a scalar tensor with a "
        "graph; it answers None: compute it with torch, and return it"
    )
