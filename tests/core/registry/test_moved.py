"""Plugins that were made for an earlier layout."""

from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from remgcl.core.registry.loading import load
from remgcl.core.registry.moved import MOVED, new_place


@pytest.mark.parametrize("old", MOVED)
def test_the_old_module_is_gone_and_the_new_one_is_there(old: str) -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        import_module(old)
    assert import_module(MOVED[old])
    assert f"{old} is now {MOVED[old]}" in new_place(caught.value)


def test_a_plugin_of_the_old_layout_is_left_out_with_the_new_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "aged.py").write_text("from remgcl.core.job import Job\n")
    monkeypatch.syspath_prepend(tmp_path)
    loaded = load([EntryPoint("aged", "aged", "remgcl")])
    assert loaded.broken["aged"].endswith(
        "; remgcl.core.job is now remgcl.core.training.job; only remgcl, remgcl.training and remgcl.testing are public"
    )
    assert "it is left out" in caplog.text


def test_another_missing_module_has_no_new_place() -> None:
    assert new_place(ModuleNotFoundError("x", name="numpy.x")) == new_place(ValueError("y")) == ""
