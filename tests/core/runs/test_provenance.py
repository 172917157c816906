"""What a result may depend on: versions, and the commit of the working folder."""

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from remgcl.core.runs import provenance as module
from remgcl.core.runs.provenance import provenance


def test_a_library_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIBRARIES", ("remgcl", "no-such-library"))
    assert provenance()["libraries"] == {"remgcl": version("remgcl")}


def test_the_commit_is_that_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert module._commit() is None
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", *command], check=True)  # noqa: S603, S607 - a repository of this test
    assert len(module._commit() or "") == 40


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert module._commit() is None
