"""Plugins that were made for an earlier layout."""

import sys
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from remgcl.core.registry.loading import load
from remgcl.core.registry.moved import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_an_old_module_is_the_new_one_with_a_warning_that_names_it(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(FutureWarning, match=rf"{old} is now {MOVED[old]}; the old name goes with the next release"):
        module = import_module(old)
    assert module is import_module(MOVED[old])
    monkeypatch.delitem(sys.modules, old, raising=False)


def test_a_plugin_of_the_old_layout_works_and_is_named_with_the_new_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "aged.py").write_text(
        "from remgcl import hookimpl\nfrom remgcl.core.job import Job\n@hookimpl\ndef remgcl_stage_ends(stage): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "remgcl.core.job", raising=False)
    assert load([EntryPoint("aged", "aged", "remgcl")]).broken == {}
    assert "plugin 'aged' of aged: remgcl.core.job is now remgcl.core.training.job" in caplog.text


def test_a_module_that_never_was_is_missing() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"remgcl\.core\.nothing"):
        import_module("remgcl.core.nothing")
