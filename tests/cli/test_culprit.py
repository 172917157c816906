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
        "error: stage 'pretrain': loss 'late': acme_flaky.Late of plugin 'flaky': must return a scalar tensor "
        "attached to the autograd graph; it returned None: compute it with torch, and return it"
    )


@pytest.mark.parametrize("ending", ["raise SystemExit(0)", "import sys\nsys.exit()", "raise GeneratorExit"])
def test_a_plugin_that_ends_the_program_while_it_is_imported_is_left_out_and_named(
    remgcl: Call, install_plugin: Call, ending: str
) -> None:
    install_plugin("acme-quits", ending)
    ended = remgcl("parts", "losses")
    assert ended.code == 0
    assert "plugin 'acme-quits' of acme-quits 1.2 (acme_quits): cannot be imported" in ended.out
    assert "global" in ended.out


def test_a_hook_that_ends_the_program_is_an_error_that_names_its_plugin(remgcl: Call, install_plugin: Call) -> None:
    text = "from remgcl import hookimpl\n\n\n@hookimpl\ndef remgcl_register_losses():\n    raise SystemExit(0)\n"
    install_plugin("acme-quits", text)
    ended = remgcl("parts", "losses")
    assert ended.code == 2
    assert "plugin 'acme-quits': remgcl_register_losses: raises SystemExit(0)" in ended.err


def test_a_module_that_ends_the_program_while_it_is_trained_is_named(
    remgcl: Call, install_plugin: Call, recipe: Path
) -> None:
    text = """
from attrs import frozen
from remgcl import Projector, hookimpl


@frozen(kw_only=True)
class Quits(Projector):
    \"\"\"Ends the program at the third call.\"\"\"

    def build(self, width_in, width_out):
        from torch import nn

        class Module(nn.Linear):
            calls = 0

            def forward(self, features):
                Module.calls += 1
                if Module.calls > 2:
                    raise SystemExit(0)
                return super().forward(features)

        return Module(width_in, width_out)


@hookimpl
def remgcl_register_projectors():
    return {"quits": Quits}
"""
    install_plugin("acme-quits", text)
    ended = remgcl("run", recipe, "--set=projector.use=quits")
    assert ended.code == 2
    assert "plugin 'acme-quits' of acme-quits 1.2 (acme_quits): projectors: raised SystemExit in " in ended.err
