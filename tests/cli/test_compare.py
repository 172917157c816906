"""`remgcl compare` as people use it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

Evaluation: TypeAlias = Callable[..., Path]
Remgcl: TypeAlias = Callable[..., Any]


def models(evaluation: Evaluation, folder: Path, **changed: Any) -> list[Path]:  # noqa: ANN401 - keys of the protocol
    """Write evaluations of two models."""
    one, other = [1.0] * 40 + [0.0] * 60, [1.0] * 70 + [0.0] * 30
    return [evaluation(folder / "llava-v1.5-7b", one), evaluation(folder / "remgcl-v1.5-7b", other, **changed)]


def test_a_terminal_of_80_columns_shows_every_number(
    remgcl: Remgcl,
    evaluation: Evaluation,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ended = remgcl("compare", *models(evaluation, tmp_path))
    assert ended.code == 0
    out = ended.out
    assert max(map(len, out.splitlines())) <= 80
    for told in ("llava-v1.5-7b", "remgcl-v1.5-7b", "40.0 [", "70.0 [", "+30.0", "< 0.001", "McNemar's exact test"):
        assert told in out


def test_what_is_piped_has_a_line_for_each_model(
    remgcl: Remgcl,
    evaluation: Evaluation,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    out = remgcl("compare", *models(evaluation, tmp_path)).out
    (row,) = [line for line in out.splitlines() if line.strip().startswith("remgcl-v1.5-7b")]
    assert "70.0 [" in row
    assert row.rstrip().endswith("< 0.001")


def test_two_protocols_leave_with_code_2_and_what_differs(
    remgcl: Remgcl,
    evaluation: Evaluation,
    tmp_path: Path,
) -> None:
    ended = remgcl("compare", *models(evaluation, tmp_path, template="{question}!"))
    assert (ended.code, ended.out) == (2, "")
    assert "template is '{question}' and '{question}!'" in ended.err


def test_out_writes_a_report_for_readers(remgcl: Remgcl, evaluation: Evaluation, tmp_path: Path) -> None:
    ended = remgcl("compare", *models(evaluation, tmp_path), "--out", tmp_path / "report", "--draws", "100")
    assert ended.code == 0
    assert str(tmp_path / "report" / "comparison.html") in ended.out
    assert "remgcl-v1.5-7b is better" in (tmp_path / "report" / "comparison.html").read_text()


def test_what_remgcl_eval_wrote_is_compared_with_the_images_that_were_asked(remgcl: Remgcl, tmp_path: Path) -> None:
    settings = ("--benchmark-set", "samples=2", "--benchmark-set", "heights=[20]", "--benchmark-set", "lengths=[2]")
    common = ("--chat", "scripted", "--benchmark", "synthetic", *settings)
    assert remgcl("eval", "blank", *common, "--chat-set", 'replies=["no"]', "--out", tmp_path / "blank").code == 0
    lines = (tmp_path / "blank" / "synthetic-exact" / "predictions.jsonl").read_text().splitlines()
    replies = json.dumps([json.loads(lines[0])["answers"][0], "no"])
    assert remgcl("eval", "half", *common, "--chat-set", f"replies={replies}", "--out", tmp_path / "half").code == 0
    ended = remgcl("compare", tmp_path / "blank", tmp_path / "half", "--out", tmp_path / "report", *settings)
    assert ended.code == 0
    (row,) = [line.split() for line in ended.out.splitlines() if line.strip().startswith("half ")]
    assert row[1] == "50.0"
    assert row[-3:] == ["1", "0", "1.000"]
    assert "![" in (tmp_path / "report" / "comparison.md").read_text()


def test_a_reader_that_goes_away_ends_it_with_a_plain_error(evaluation: Evaluation, tmp_path: Path) -> None:
    gone, pipe = os.pipe()
    os.close(gone)
    command = [sys.executable, "-m", "remgcl", "compare", *models(evaluation, tmp_path), "--draws", "100"]
    ended = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - our own command
    os.close(pipe)
    assert (ended.returncode, ended.stderr) == (2, "error: the output cannot be written; broken pipe\n")
